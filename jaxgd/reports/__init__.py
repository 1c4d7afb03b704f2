"""Reports of runs: pictures, and pages of HTML that need nothing else. Parts load on first use."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jaxgd.reports.curves import curves_png
    from jaxgd.reports.page import report_page
    from jaxgd.reports.writing import write_report

_HOME = {"curves_png": "curves", "report_page": "page", "write_report": "writing"}

__all__ = ["curves_png", "report_page", "write_report"]


def __getattr__(name: str) -> Any:
    """A name's home is imported when the name is first used: a page's frame needs no run and no picture."""
    if name in _HOME:
        return getattr(importlib.import_module(f"jaxgd.reports.{_HOME[name]}"), name)
    raise AttributeError(f"module 'jaxgd.reports' has no attribute {name!r}")
