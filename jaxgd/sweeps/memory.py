"""How much memory a plan needs: forecast before anything is compiled."""

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np

from jaxgd._checks import check_integer
from jaxgd._param_shapes import param_shapes
from jaxgd.sweeps.family import Family
from jaxgd.sweeps.trial import Trial
from jaxgd.training.state import TrainState

_SHARE = 0.5


@dataclass(frozen=True)
class Footprint:
    """Bytes of a family.

    Attributes:
      data: the rows of all folds, on the host and on the device.
      state: of one member: parameters, what the optimizer remembers, the best parameters, sums.
      work: that one step of one member needs besides: gradients and activations.
      result: of one member, kept until the table is made.
    """

    data: int
    state: int
    work: int
    result: int

    def of_lanes(self, width: int, lanes: int) -> int:
        """What the lanes hold: states on the host, on the device before and after a call, and at work."""
        return lanes * width * (4 * self.state + self.work)


def footprint(family: Family, keeps_all: bool) -> Footprint:
    """The bytes that a family needs; `keeps_all` says whether every member's parameters are kept."""
    trial = family.example
    model = family.model_of(trial)
    shapes = param_shapes(model)
    params = _bytes(shapes)
    folds = {id(each.fold): each.fold for each in family.trials.values()}.values()
    data = sum(2 * (_bytes(fold.training) + _bytes(fold.validation)) for fold in folds)
    widths = sum(leaf.shape[-1] for leaf in jax.tree.leaves(shapes) if leaf.ndim)
    item = np.dtype(trial.model.policy.params).itemsize
    rows = max(family.spec.batch_size, family.spec.validation_batch_size)
    history = trial.epochs * len(trial.columns) * item
    stores_best = trial.early_stopping is not None and trial.early_stopping.restore_best_weights
    return Footprint(
        data=data,
        state=_state_bytes(trial, model, shapes) + (params if stores_best else 0),
        work=3 * params + 4 * rows * widths * item + 2 * family.num_rows * 4,
        result=2 * history + (params if keeps_all else 0),
    )


def check_budget(budget: int | None) -> int:
    """Bytes that a sweep may use: the given number, or half of the machine's memory.

    Raises:
      TypeError, ValueError: no integer above 0.
    """
    if budget is not None:
        return check_integer("memory_budget", budget, 1)
    return int(_SHARE * os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))


def check_fits(families: Sequence[tuple[Family, Footprint]], budget: int) -> int:
    """Bytes that are left for the lanes once data and results have their place.

    Raises:
      ValueError: not enough for one member of the largest family at a time; it says how much is needed.
    """
    data = max(each.data for _, each in families)
    results = sum(each.result * len(family.trials) for family, each in families)
    largest = max(each.of_lanes(1, 1) for _, each in families)
    needed = data + results + largest
    if needed > budget:
        members = sum(len(family.trials) for family, _ in families)
        raise ValueError(
            f"memory_budget: expected at least {readable(needed)} to run {members} members one at a time "
            f"(data {readable(data)}, results {readable(results)}, one member {readable(largest)}), got "
            f"{readable(budget)}. Fewer members, or keep='best', need less."
        )
    return budget - data - results


def readable(count: int) -> str:
    """Bytes with a unit.

    >>> readable(1536)
    '1.5 KiB'
    """
    size = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < 1024 or unit == "GiB":
            return f"{size:.4g} {unit}"
        size /= 1024
    return f"{size:.4g} GiB"


def _state_bytes(trial: Trial, model: Any, shapes: Any) -> int:
    def state(params: Any) -> TrainState:
        trainable = model.trainable(params)
        return TrainState.create(params=params, optimizer=trial.optimizer, trainable=trainable)

    return _bytes(jax.eval_shape(state, shapes))


def _bytes(tree: Any) -> int:
    """Of arrays, or of shapes with a dtype."""
    return sum(math.prod(leaf.shape) * np.dtype(leaf.dtype).itemsize for leaf in jax.tree.leaves(tree))
