"""Families: trials that one compiled program serves, and what that program is called with."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxgd._param_shapes import param_shapes
from jaxgd._types import Array, Params, PyTree
from jaxgd.sweeps.starting import Starter
from jaxgd.sweeps.trial import Fold, Trial
from jaxgd.training.early_stopping import Progress, Rule
from jaxgd.training.objective import Objective
from jaxgd.training.preparing import make_spec, ready_data
from jaxgd.training.run import Limits, RunSpec, RunState, zero_sums
from jaxgd.training.state import TrainState

_MOST_ROOM = 2
"""Times the longest table: the order of an epoch is made for all places."""
_ZERO: Any = np.int32(0)
_TRUE: Any = np.asarray(True)


@dataclass(eq=False)
class Family:
    """Trials of one structure: the same layers, rule, batch size, shapes of data and batches an epoch.

    Folds may differ by a few rows: their tables are filled up to the longest, and orders have -1 for what was
    added, as the last batch of an epoch has anyway. There may be room for a longer one that comes later.

    Attributes:
      spec: what their program depends on.
      trials: {number in the sweep: trial}.
      room: rows that tables are filled up to at least, see `make_room`.
    """

    spec: RunSpec
    trials: dict[int, Trial] = field(default_factory=dict)
    room: int = 0
    _data: dict[int, tuple[Any, Any]] = field(default_factory=dict)

    @property
    def longest(self) -> int:
        """The most epochs that any trial has."""
        return max(trial.epochs for trial in self.trials.values())

    @cached_property
    def example(self) -> Trial:
        """Any of the trials."""
        return next(iter(self.trials.values()))

    @property
    def num_rows(self) -> int:
        """Rows of the longest table that trains."""
        return max(*self._row_counts, self.room)

    @cached_property
    def _row_counts(self) -> set[int]:
        return {len(trial.fold.training["x"]) for trial in self.trials.values()}

    @property
    def objective(self) -> Objective:
        """What the program minimises, with some trial's scalars."""
        return self.example.objective

    def make_room(self, num_rows: int) -> None:
        """Let a later trial have so many rows, if that is not too many and changes nothing for the others."""
        if has_short_batch(self.example) and num_rows <= _MOST_ROOM * self.num_rows:
            self.room = num_rows

    def alike(self, trial: Trial) -> "Family | None":
        """A trial of other rows as a family that the same program serves; None if it would take another."""
        one = Family(spec_of(trial), {0: trial}, self.room)
        same = (one.spec, *kind_of(trial)) == (self.spec, *kind_of(self.example))
        return one if same and self.has_place_for(trial) else None

    def has_place_for(self, trial: Trial) -> bool:
        """Whether a trial's table can be filled up to the length of these."""
        return has_short_batch(trial) and len(trial.fold.training["x"]) <= self.room

    def model_of(self, trial: Trial) -> Any:
        """The network that the program runs for a trial."""
        return trial.model

    def params_of(self, trial: Trial, params: Params) -> Params:
        """A trial's own parameters from those of the program's network."""
        return params

    def stand_in(self, trial: Trial, params: Params) -> tuple[Any, Params]:
        """The program's network, with parameters that make it compute what a trial's own does."""
        return trial.model, params

    def own_state(self, trial: Trial, state: TrainState) -> TrainState:
        """A trial's own state from that of the program's network, to go on from with `fit`."""
        return state

    def data(self, fold: Fold) -> tuple[dict[str, Array], dict[str, Array] | None]:
        """Training and validation rows on the device, targets as the loss takes them."""
        key = id(fold)
        if key not in self._data:
            objective = self.objective
            ready = ready_data(objective, dict(fold.training))
            training = {name: jnp.asarray(_longer(array, self.num_rows)) for name, array in ready.items()}
            validation = fold.validation
            self._data[key] = (
                training,
                None if validation is None else ready_data(objective, dict(validation)),
            )
        return self._data[key]

    def start(self, numbers: Sequence[int]) -> "Members":
        """The state of these trials before their first step, stacked."""
        return stacked([self._member(self.trials[number]) for number in numbers])

    def _member(self, trial: Trial) -> "Members":
        model, rule, stopping = self.model_of(trial), self.spec.early_stopping, trial.early_stopping
        dtype = model.policy.params
        params = self.initial(trial)
        state = RunState(
            train=self.starter.train_state(trial, model, params),
            sums=self.zero_sums,
            epoch=_ZERO,
            batch=_ZERO,
            stopping=None if rule is None else _before(rule, params, dtype),
            finite=_TRUE,
        )
        numbers = None if stopping is None else jax.device_get(stopping.numbers(dtype))
        epochs: Any = np.int32(trial.epochs)
        limits = Limits(epochs, _ZERO, numbers)
        scalars = [np.asarray(leaf, dtype) for leaf in jax.tree.leaves(model)]
        return Members(scalars, state, self.starter.drawn(trial, model).order, limits)

    def initial(self, trial: Trial) -> Params:
        """A trial's own initial parameters, with its fold's statistics."""
        params = self.starter.drawn(trial, self.model_of(trial)).params
        statistics = trial.fold.statistics
        return {**params, **{name: {**params[name], **leaves} for name, leaves in statistics.items()}}

    @cached_property
    def trainable(self) -> PyTree:
        """A tree of bool: which parameters of the program's network are trained."""
        return self.objective.model.trainable(param_shapes(self.objective.model))

    @cached_property
    def starter(self) -> Starter:
        """Where states begin."""
        return Starter(self.num_rows, is_padded=bool(self.room) or len(self._row_counts) > 1)

    @cached_property
    def zero_sums(self) -> PyTree:
        """The sums of an epoch before its first batch."""
        training, _ = self.data(self.example.fold)
        params = param_shapes(self.objective.model)
        objective = self.objective.at_inference()
        return jax.device_get(zero_sums(objective, params, training, self.spec.batch_size))


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Members:
    """What differs between the members of a family: all leaves [members, ...], on the host.

    `limits.step` is of no meaning here; how far a call goes is said with the call.
    """

    scalars: list[Any]
    state: RunState
    order: Any
    limits: Limits

    @property
    def count(self) -> int:
        """How many members."""
        return len(self.state.epoch)

    def take(self, places: Sequence[int]) -> "Members":
        """Some of them."""
        chosen = np.asarray(places, np.int64)
        return jax.tree.map(lambda leaf: leaf[chosen], self)

    def put(self, places: Sequence[int], others: "Members") -> "Members":
        """These with others in some places."""
        chosen = np.asarray(places, np.int64)

        def placed(mine: np.ndarray, theirs: np.ndarray) -> np.ndarray:
            merged = np.array(mine)
            merged[chosen] = theirs
            return merged

        return jax.tree.map(placed, self, others)


def stacked(members: Sequence[Members]) -> Members:
    """Single members as one."""
    return jax.tree.map(lambda *leaves: np.stack([np.asarray(leaf) for leaf in leaves]), *members)


def concatenated(members: Sequence[Members]) -> Members:
    """Several stacks as one."""
    return jax.tree.map(lambda *leaves: np.concatenate(leaves), *members)


def _before(rule: Rule, params: Params, dtype: Any) -> Progress:
    """Early stopping before the first epoch, on the host."""
    nothing = jax.device_get(rule.start({}, dtype))
    return replace(nothing, best_params=params if rule.restore else None)


def families(trials: Sequence[Trial] | Mapping[int, Trial]) -> list[Family]:
    """Trials, numbered by their place or as given, grouped by the program that serves them."""
    found: dict[Any, Family] = {}
    for number, trial in trials.items() if isinstance(trials, Mapping) else enumerate(trials):
        spec = spec_of(trial)
        found.setdefault((spec, *kind_of(trial), rows_kind(trial)), Family(spec)).trials[number] = trial
    return list(found.values())


def kind_of(trial: Trial) -> tuple[Any, ...]:
    """What a trial's program is called with, apart from what its `RunSpec` and `rows_kind` say."""
    fold = trial.fold
    training = tuple((name, np.shape(array)[1:]) for name, array in fold.training.items())
    validation = None if fold.validation is None else _shapes(fold.validation)
    structure = jax.tree.structure(trial.optimizer.hyperparameters)
    return training, validation, structure, trial.shuffle


def _shapes(data: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple((name, np.shape(array)) for name, array in data.items())


def rows_kind(trial: Trial) -> tuple[str, int]:
    """Equal for tables that are filled up: as many batches an epoch, of which the last one is short."""
    num_rows = len(trial.fold.training["x"])
    return ("steps", trial.steps_per_epoch) if has_short_batch(trial) else ("rows", num_rows)


def has_short_batch(trial: Trial) -> bool:
    """Whether the last of several batches is short, so that rows are masked anyway."""
    num_rows = len(trial.fold.training["x"])
    return num_rows > trial.batch_size and num_rows % trial.batch_size != 0


def _longer(array: Any, num_rows: int) -> Any:
    """Rows of zeros behind the others, so that there are `num_rows`; no batch ever takes them."""
    missing = num_rows - len(array)
    return np.pad(array, [(0, missing), *[(0, 0)] * (np.ndim(array) - 1)]) if missing else array


def spec_of(trial: Trial) -> RunSpec:
    """What the program of this trial depends on; the same object that `fit` makes."""
    fold = trial.fold
    return make_spec(
        trial.objective,
        trial.optimizer.rule,
        trial.batch_size,
        dict(fold.training),
        None if fold.validation is None else dict(fold.validation),
        trial.early_stopping,
    )


def on_device(tree: PyTree) -> PyTree:
    """The same arrays on the device, that of the lane which asks."""
    device = jax.config.jax_default_device  # pyright: ignore[reportAttributeAccessIssue]
    return jax.device_put(tree, device)
