"""Runs: from settings and a table to a trained model in a folder, and back. Parts load on first use."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jaxgd.runs.checkpoint import CheckpointError, load_checkpoint, save_checkpoint
    from jaxgd.runs.folder import claim_folder
    from jaxgd.runs.plan import Plan, make_plan
    from jaxgd.runs.reading import Run, RunError, is_run, open_run
    from jaxgd.runs.settings import Settings
    from jaxgd.runs.training import Outcome, execute
    from jaxgd.runs.writing import check_savable, write_run

_HOME = {
    "CheckpointError": "checkpoint",
    "Outcome": "training",
    "Plan": "plan",
    "Run": "reading",
    "RunError": "reading",
    "Settings": "settings",
    "check_savable": "writing",
    "claim_folder": "folder",
    "execute": "training",
    "is_run": "reading",
    "load_checkpoint": "checkpoint",
    "make_plan": "plan",
    "open_run": "reading",
    "save_checkpoint": "checkpoint",
    "write_run": "writing",
}

__all__ = [
    "CheckpointError",
    "Outcome",
    "Plan",
    "Run",
    "RunError",
    "Settings",
    "check_savable",
    "claim_folder",
    "execute",
    "is_run",
    "load_checkpoint",
    "make_plan",
    "open_run",
    "save_checkpoint",
    "write_run",
]


def __getattr__(name: str) -> Any:
    """A name's home is imported when the name is first used: settings cost nothing, a plan imports JAX."""
    if name in _HOME:
        return getattr(importlib.import_module(f"jaxgd.runs.{_HOME[name]}"), name)
    raise AttributeError(f"module 'jaxgd.runs' has no attribute {name!r}")
