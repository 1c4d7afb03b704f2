"""What makes a `fit` the run it is, in plain values: two that are equal give the same bits."""

from collections.abc import Mapping
from typing import Any

from jaxgd._checks import unknown_name
from jaxgd.checkpoints import describe, tree_digest
from jaxgd.checkpoints.arrays import named_leaves
from jaxgd.training.checkpointing import Goal
from jaxgd.training.early_stopping import EarlyStopping
from jaxgd.training.objective import Objective
from jaxgd.training.preparing import column_directions


def describe_run(
    objective: Objective,
    optimizer: Any,
    rows: Mapping[str, Any],
    given: Mapping[str, Any],
    settings: Mapping[str, Any],
) -> dict[str, Any]:
    """Everything that a run's result depends on, but for how many epochs it lasts.

    Args:
      objective, optimizer: of the run.
      rows: {"training", "validation"}: its data, as `describe_rows` says.
      given: {name: a tree of arrays that the run was given to begin with, or None}.
      settings: the other arguments of `fit`, by name.
    """
    return {
        "data": dict(rows),
        **describe(objective),
        "optimizer": {"kind": optimizer.rule.class_name, **describe(optimizer.settings)},
        **{name: None if tree is None else tree_digest(tree) for name, tree in given.items()},
        **describe(settings),
    }


def make_goal(
    objective: Objective,
    monitor: str | None,
    early_stopping: EarlyStopping | None,
    validates: bool,
) -> Goal:
    """Which checkpoint of a run is the best. Raises ValueError for a column that is not recorded."""
    directions = column_directions(objective, validates)
    if monitor is None:
        monitor = "val_loss" if validates else "loss"
        monitor = monitor if early_stopping is None else early_stopping.monitor
    if monitor not in directions:
        raise unknown_name("monitor of the checkpoint", monitor, directions)
    mode = directions[monitor]
    if early_stopping is not None and early_stopping.monitor == monitor and early_stopping.mode != "auto":
        mode = early_stopping.mode
    return Goal(monitor, mode == "max")


def former_rows(training: Mapping[str, Any], validation: Mapping[str, Any] | None) -> dict[str, Any]:
    """The data of a run as checkpoints of format 2 may describe it: a sha256 of every array."""
    rows = {"training": training, "validation": validation}
    return {name: None if data is None else describe(named_leaves(data)) for name, data in rows.items()}
