"""One training of an estimator, described before it is done, and what came of it.

An estimator's `fit` describes its training and hands it to `train`. That calls `jaxgd.fit`, unless a search
is under way: it first collects all descriptions, trains them as one sweep, and hands the outcomes out later.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, TypeAlias

import jax

from jaxgd._types import Params
from jaxgd.model import Sequential
from jaxgd.optimizers import Optimizer
from jaxgd.sweeps.member import Member
from jaxgd.training.divergence import said_otherwise
from jaxgd.training.early_stopping import EarlyStopping
from jaxgd.training.fit import fit
from jaxgd.training.history import History
from jaxgd.training.result import FitResult
from jaxgd.training.state import TrainState


@dataclass(frozen=True, eq=False)
class Training:
    """What `jaxgd.fit` is called with, under its own names."""

    model: Sequential
    x: Any
    y: Any
    sample_weight: Any
    validation_data: tuple[Any, ...] | None
    loss: Any
    optimizer: Optimizer
    metrics: tuple[Any, ...]
    weighted_metrics: tuple[Any, ...]
    epochs: int
    batch_size: int
    shuffle: bool
    seed: int
    early_stopping: EarlyStopping | None
    params: Params | None = None
    state: TrainState | None = None
    initial_epoch: int = 0


@dataclass(frozen=True, eq=False)
class Outcome:
    """What came of a training, on the host.

    Attributes:
      params: as `fit` gives them.
      history: a value an epoch.
      stopped_early: whether early stopping ended it.
      diverged: where it stopped being finite, in words, or "".
      state: to go on from; None if it was trained in a sweep, which keeps no slots.
      compilations: programs that were compiled for it alone.
    """

    params: Params
    history: History
    stopped_early: bool
    diverged: str
    state: TrainState | None = None
    compilations: int = 0

    @classmethod
    def of_fit(cls, result: FitResult) -> "Outcome":
        """From what `fit` gave."""
        diverged = "" if result.divergence is None else str(result.divergence)
        return cls(
            jax.device_get(result.params),
            result.history,
            result.stopped_early,
            diverged,
            jax.device_get(result.state),
            result.compilations,
        )

    @classmethod
    def of_member(cls, member: Member, state: TrainState | None = None) -> "Outcome":
        """From a member of a sweep that ended, and its state if that was kept."""
        at = member.diverged_at
        diverged = "" if at is None else f"not finite at epoch {at[0]}, step {at[1]}."
        return cls(member.params or {}, member.history, member.stopped_early, diverged, state)


Trainer: TypeAlias = Callable[[Training], Outcome | None]
_trainer: ContextVar[Trainer | None] = ContextVar("trainer", default=None)


def train(training: Training) -> Outcome | None:
    """The outcome of a training; None while a search only collects them."""
    trainer = _trainer.get()
    return trained(training) if trainer is None else trainer(training)


def trained(training: Training) -> Outcome:
    """The outcome of a training by `jaxgd.fit`."""
    names = [name for name in Training.__dataclass_fields__ if name not in ("model", "x", "y")]
    settings = {name: getattr(training, name) for name in names}
    with said_otherwise():
        return Outcome.of_fit(fit(training.model, training.x, training.y, **settings))


def running_as(model: Sequential, params: Params) -> tuple[Sequential, Params]:
    """A network that computes what `model` does; in a search one whose program others share."""
    stand_in = getattr(_trainer.get(), "stand_in", None)
    return (model, params) if stand_in is None else stand_in(model, params)


@contextmanager
def training_by(trainer: Trainer) -> Iterator[None]:
    """While it lasts, estimators that are fitted in this thread are trained by `trainer`."""
    token = _trainer.set(trainer)
    try:
        yield
    finally:
        _trainer.reset(token)
