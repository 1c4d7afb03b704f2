"""Runs: from settings and a table to a trained model in a folder, and back. Parts load on first use."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jaxgd.runs.folder import claim_folder
    from jaxgd.runs.plan import Plan, make_plan
    from jaxgd.runs.reading import Run, RunError, is_run, open_run
    from jaxgd.runs.settings import Settings
    from jaxgd.runs.started import Started, read_started, write_started
    from jaxgd.runs.training import Outcome, execute
    from jaxgd.runs.writing import check_savable, write_run

_HOME = {
    "Outcome": "training",
    "Plan": "plan",
    "Run": "reading",
    "RunError": "reading",
    "Settings": "settings",
    "Started": "started",
    "check_savable": "writing",
    "claim_folder": "folder",
    "execute": "training",
    "is_run": "reading",
    "make_plan": "plan",
    "open_run": "reading",
    "read_started": "started",
    "write_run": "writing",
    "write_started": "started",
}

__all__ = [
    "Outcome",
    "Plan",
    "Run",
    "RunError",
    "Settings",
    "Started",
    "check_savable",
    "claim_folder",
    "execute",
    "is_run",
    "make_plan",
    "open_run",
    "read_started",
    "write_run",
    "write_started",
]


def __getattr__(name: str) -> Any:
    """A name's home is imported when the name is first used: settings cost nothing, a plan imports JAX."""
    if name in _HOME:
        return getattr(importlib.import_module(f"jaxgd.runs.{_HOME[name]}"), name)
    raise AttributeError(f"module 'jaxgd.runs' has no attribute {name!r}")
