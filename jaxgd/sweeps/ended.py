"""Members at their end: what `fit` would have given, and where those went that diverged."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxgd._statistics import merge, partition
from jaxgd._types import Params
from jaxgd.sweeps.engine import Engine
from jaxgd.sweeps.family import Family, Members
from jaxgd.sweeps.member import Member
from jaxgd.sweeps.trial import Fold, Trial
from jaxgd.training.history import History


class Ended(NamedTuple):
    """A member at its end, and the state it ended in."""

    member: Member
    members: Members
    """One of them."""
    epochs: int
    """At its own end."""

    @property
    def paused(self) -> bool:
        """Whether it could go on: told to stop here, and neither at its own end nor stopped early."""
        state = self.members.state
        stopped = self.member.status == "diverged" or self.member.stopped_early
        return not stopped and int(state.epoch[0]) < self.epochs


def make_member(
    family: Family, number: int, members: Members, history: History, diverged_at: tuple[int, int] | None
) -> Member:
    """What the table holds of a member (the only one in `members`)."""
    trial = family.trials[number]
    state = jax.tree.map(lambda leaf: leaf[0], members.state)
    stopping = state.stopping
    params, restored = kept_params(family, trial, state)
    return Member(
        number=number,
        settings=trial.settings,
        seed=trial.seed,
        fold=trial.fold.number,
        model=trial.model,
        status="done" if diverged_at is None else "diverged",
        params=params,
        history=history,
        best_epoch=int(stopping.best_epoch) if stopping is not None and stopping.seen else None,
        stopped_early=stopping is not None and bool(stopping.stopped),
        restored=restored,
        diverged_at=diverged_at,
        steps=int(state.train.step),
    )


def kept_params(family: Family, trial: Trial, state: Any) -> tuple[Params, bool]:
    """The parameters that `fit` returns for a state, and whether they are those of the best epoch."""
    train, stopping = state.train, state.stopping
    if stopping is not None and stopping.best_params is not None and bool(stopping.seen):
        return family.params_of(trial, stopping.best_params), True
    if int(train.step) == 0:  # before the first step there is no average yet
        return family.params_of(trial, train.params), False
    moving, fixed = partition(train.params, family.trainable)
    moving = trial.optimizer.rule.finalize(moving, train.opt_state)
    return family.params_of(trial, merge(moving, fixed)), False


def last_finite(engine: Engine, before: Members, after: Members, fold: Fold, lost: Sequence[int]) -> Members:
    """`before` with the lost members at the last step where everything was finite.

    Nearly always the step before the one whose loss was not finite. A saturated output can hide parameters
    that overflowed long before; bisection finds those.
    """
    start = before.state.train.step
    good = start.copy()
    bad = np.where(np.isin(np.arange(len(start)), lost), after.state.train.step, start)
    middle = np.maximum(bad - 1, good)
    while (bad - good > 1).any():
        finite = engine.advance(before, fold, middle - start).members.state.finite
        good, bad = np.where(finite, middle, good), np.where(finite, bad, middle)
        bad = np.maximum(bad, good)
        middle = np.where(bad - good > 1, (good + bad) // 2, good)
    return engine.advance(before, fold, good - start).members
