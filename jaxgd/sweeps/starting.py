"""States of members before their first step: what `fit` begins with, every part made once."""

from typing import Any, NamedTuple

import jax
import numpy as np

from jaxgd._statistics import partition
from jaxgd._types import Params, PyTree
from jaxgd.optimizers import Optimizer
from jaxgd.sweeps.trial import Trial
from jaxgd.training.batching import part_of
from jaxgd.training.preparing import make_order
from jaxgd.training.state import TrainState


class Drawn(NamedTuple):
    """What a seed decides, on the host."""

    params: Params
    """Of the trial's own network."""
    key: Any
    """For dropout and noise in the program's network."""
    order: Any


class Starter:
    """Makes the first `TrainState` of trials of one structure, on the host.

    Args:
      num_rows: of the tables of rows that train, the longest.
      is_padded: whether tables of other trials are filled up to that.
    """

    def __init__(self, num_rows: int, is_padded: bool) -> None:
        self.num_rows = num_rows
        self.is_padded = is_padded
        self._drawn: dict[Any, tuple[Params, Any]] = {}
        self._orders: dict[Any, Any] = {}
        self._opt_states: dict[Any, tuple[Any, PyTree]] = {}
        self._structures: dict[int, tuple[Any, Any]] = {}
        self._depends: bool | None = None

    def drawn(self, trial: Trial, model: Any) -> Drawn:
        """Parameters, key and order of a trial's seed, drawn once however many trials share it."""
        key = trial.seed, self._structure(trial.model)
        if key not in self._drawn:
            self._drawn[key] = jax.device_get((trial.model.init(trial.seed), model.key(trial.seed)))
        return Drawn(*self._drawn[key], self._order(trial))

    def _structure(self, model: Any) -> Any:
        """A network without its scalars; the trials of a setting share theirs."""
        if id(model) not in self._structures:
            self._structures[id(model)] = model, jax.tree.structure(model)  # keeps the id taken
        return self._structures[id(model)][1]

    def _order(self, trial: Trial) -> Any:
        num_rows = len(trial.fold.training["x"])
        key = trial.seed, num_rows
        if key not in self._orders:
            order = make_order(trial.shuffle, trial.seed, num_rows)
            order = part_of(order, num_rows, self.num_rows) if self.is_padded else order
            self._orders[key] = jax.device_get(order)
        return self._orders[key]

    def train_state(self, trial: Trial, model: Any, params: Params) -> TrainState:
        """The state that `fit` makes of these parameters.

        The optimizer's part is made once an optimizer, unless its rule copies values of the parameters.
        """
        key = _key_of(trial.optimizer)
        opt_state = None if self._depends else self._opt_states.get(key, (None, None))[1]
        if opt_state is None:
            opt_state = _opt_state(trial, model, params)
            self._opt_states[key] = trial.optimizer, opt_state  # keeps the id taken
        if self._depends is None:
            moved = jax.tree.map(lambda leaf: np.asarray(leaf + 1, leaf.dtype), params)
            self._depends = not _equal(opt_state, _opt_state(trial, model, moved))
        return TrainState(np.int32(0), params, opt_state, self.drawn(trial, model).key)  # pyright: ignore[reportArgumentType]


def _key_of(optimizer: Optimizer) -> Any:
    """Equal for optimizers of equal numbers; for those with numbers that have no hash, themselves."""
    key = optimizer.rule, *optimizer.hyperparameters.items()
    try:
        hash(key)
    except TypeError:
        return id(optimizer)
    return key


def _opt_state(trial: Trial, model: Any, params: Params) -> PyTree:
    moving, _ = partition(params, model.trainable(params))
    return jax.device_get(trial.optimizer.init(moving))


def _equal(a: PyTree, b: PyTree) -> bool:
    pairs = zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True)
    return all(np.array_equal(x, y) for x, y in pairs)
