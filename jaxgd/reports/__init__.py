"""Reports of runs: pictures, and pages of HTML that need nothing else. Parts load on first use."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jaxgd.reports.comparing import comparison_page
    from jaxgd.reports.curves import curves_picture
    from jaxgd.reports.layer_log import LayerLog
    from jaxgd.reports.page import report_page
    from jaxgd.reports.sweep import sweep_picture
    from jaxgd.reports.sweep_rows import read_sweep
    from jaxgd.reports.sweeping import sweep_page
    from jaxgd.reports.tensorboard import EventWriter
    from jaxgd.reports.writing import write_report

_HOME = {
    "EventWriter": "tensorboard",
    "LayerLog": "layer_log",
    "comparison_page": "comparing",
    "curves_picture": "curves",
    "read_sweep": "sweep_rows",
    "report_page": "page",
    "sweep_page": "sweeping",
    "sweep_picture": "sweep",
    "write_report": "writing",
}

__all__ = [
    "EventWriter",
    "LayerLog",
    "comparison_page",
    "curves_picture",
    "read_sweep",
    "report_page",
    "sweep_page",
    "sweep_picture",
    "write_report",
]


def __getattr__(name: str) -> Any:
    """A name's home is imported when the name is first used: a page's frame needs no run and no picture."""
    if name in _HOME:
        return getattr(importlib.import_module(f"jaxgd.reports.{_HOME[name]}"), name)
    raise AttributeError(f"module 'jaxgd.reports' has no attribute {name!r}")
