"""A lane: slots of one engine, filled with members, stepped, and filled again where a member ended."""

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple, Protocol

import jax
import numpy as np

from jaxgd._statistics import merge, partition
from jaxgd._types import Params
from jaxgd.sweeps.engine import Advanced, Engine
from jaxgd.sweeps.family import Family, Members
from jaxgd.sweeps.member import Member
from jaxgd.sweeps.trial import Fold, Trial
from jaxgd.training.history import History

FOREVER = np.iinfo(np.int32).max
_SECONDS_A_CALL = 0.4
_FIRST_STEPS = 2048


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


class Begun(NamedTuple):
    """A member that was paused."""

    members: Members
    """One of them."""
    history: History


class Taken(NamedTuple):
    """Members for the free slots of a lane, none if `numbers` is empty."""

    numbers: list[int]
    members: Members | None = None
    histories: Sequence[History] = ()


class Source(Protocol):
    """Where a lane gets its members from and gives them back to."""

    def take(self, count: int, fold: Fold | None) -> Taken:
        """Up to `count` members of one fold (the given one, if any)."""
        ...

    def give(self, ended: Ended) -> None:
        """A member is done."""
        ...

    def again(self, number: int) -> None:
        """A member was not finite in a program that does not say where; another has to run it."""
        ...

    def learn(self, steps: int) -> None:
        """A call took so many steps, those of all its members together."""
        ...

    def stopped(self) -> bool:
        """Whether no further call shall be made."""
        ...


class Lane:
    """The slots of one engine.

    Args:
      engine: for its family, compiled on first use.
      source: of members.
    """

    def __init__(self, engine: Engine, source: Source) -> None:
        self.engine = engine
        self.source = source
        self.numbers: list[int | None] = [None] * engine.width
        self.histories: list[History] = [History()] * engine.width
        self.members: Members | None = None
        self.fold: Fold | None = None
        self.steps = _FIRST_STEPS

    def run(self) -> None:
        """Until the source has no more."""
        while not self.source.stopped():
            self._fill()
            if self.members is None or not self._taken():
                return
            self._advance(self.members)

    def _taken(self) -> list[int]:
        return [slot for slot, number in enumerate(self.numbers) if number is not None]

    def _fill(self) -> None:
        """Put waiting members into the free slots; in step, only where all are at the start of an epoch."""
        free = [slot for slot, number in enumerate(self.numbers) if number is None]
        if not free or (self.engine.form == "vmap" and self._in_an_epoch()):
            return
        fold = self.fold if self._taken() else None
        new = self.source.take(len(free), fold)
        if new.members is None:
            return
        if self.members is None:
            self.members = idle(new.members, self.engine.width)
            self.engine.compile(self.members)
        slots = free[: len(new.numbers)]
        self.members = self.members.put(slots, new.members)
        for slot, number, history in zip(slots, new.numbers, new.histories, strict=True):
            self.numbers[slot], self.histories[slot] = number, history
        self.fold = self._trial(slots[0]).fold

    def _in_an_epoch(self) -> bool:
        return self.members is not None and any(self.members.state.batch[slot] for slot in self._taken())

    def _trial(self, slot: int) -> Trial:
        number = self.numbers[slot]
        if number is None:
            raise LookupError(f"slot {slot} is free.")
        return self.engine.family.trials[number]

    def _advance(self, before: Members) -> None:
        taken, fold = self._taken(), self._trial(self._taken()[0]).fold
        started = time.perf_counter()
        after = self.engine.advance(before, fold, self.steps)
        seconds = time.perf_counter() - started
        old, new = before.state.train.step, after.members.state.train.step
        self.source.learn(int((new - old)[taken].sum()))
        self.steps = _next_steps(self.steps, seconds)
        for slot in taken:
            rows = {k: after.history[k][slot, : after.filled[slot]] for k in self._trial(slot).columns}
            self.histories[slot] = self.histories[slot].extended(rows)
        self.members = after.members
        lost = [slot for slot in taken if not after.members.state.finite[slot]]
        if lost:
            self._give_diverged(before, after, fold, lost)
        for slot in taken:
            if slot not in lost and _has_ended(after.members, slot):
                self._give(slot, after.members, "done", None)

    def _give_diverged(self, before: Members, after: Advanced, fold: Fold, lost: Sequence[int]) -> None:
        if self.engine.form == "vmap":
            for slot in lost:
                number = self.numbers[slot]
                self._free(slot)
                self.source.again(-1 if number is None else number)
            return
        last = last_finite(self.engine, before, after.members, fold, lost)
        for slot in lost:
            state = last.state
            place = int(state.epoch[slot]) + 1, int(state.batch[slot]) + 1
            self.histories[slot] = self.histories[slot].first(int(state.epoch[slot]))
            self._give(slot, last, "diverged", place)

    def _give(self, slot: int, members: Members, status: Any, diverged_at: tuple[int, int] | None) -> None:
        trial, number = self._trial(slot), self.numbers[slot]
        one = members.take([slot])
        params, restored = kept_params(
            self.engine.family, trial, jax.tree.map(lambda leaf: leaf[0], one.state)
        )
        member = make_member(number or 0, trial, one, self.histories[slot], status, diverged_at)
        member = replace(member, params=params, restored=restored)
        self.source.give(Ended(member, one, trial.epochs))
        self._free(slot)

    def _free(self, slot: int) -> None:
        if self.members is None:
            return
        self.numbers[slot] = None
        epoch = np.array(self.members.limits.epoch)
        epoch[slot] = 0
        self.members = replace(self.members, limits=self.members.limits._replace(epoch=epoch))


def idle(members: Members, width: int) -> Members:
    """`width` slots in which nothing happens, shaped like the given members."""
    slots = members.take([0] * width)
    return replace(slots, limits=slots.limits._replace(epoch=np.zeros_like(slots.limits.epoch)))


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


def _has_ended(members: Members, slot: int) -> bool:
    state = members.state
    stopped = state.stopping is not None and bool(state.stopping.stopped[slot])
    return stopped or bool(state.epoch[slot] >= members.limits.epoch[slot])


def _next_steps(steps: int, seconds: float) -> int:
    """Steps of the next call, such that it takes about half a second and can be interrupted then."""
    factor = min(max(_SECONDS_A_CALL / max(seconds, 1e-6), 0.1), 8.0)
    return int(min(max(steps * factor, 1), 2**30))


def make_member(
    number: int,
    trial: Trial,
    members: Members,
    history: History,
    status: Any,
    diverged_at: tuple[int, int] | None,
) -> Member:
    """What the table holds of a member (the only one in `members`)."""
    state = jax.tree.map(lambda leaf: leaf[0], members.state)
    stopping = state.stopping
    return Member(
        number=number,
        settings=trial.settings,
        seed=trial.seed,
        fold=trial.fold.number,
        model=trial.model,
        status=status,
        history=history,
        best_epoch=int(stopping.best_epoch) if stopping is not None and stopping.seen else None,
        stopped_early=stopping is not None and bool(stopping.stopped),
        diverged_at=diverged_at,
        steps=int(state.train.step),
    )


def kept_params(family: Family, trial: Trial, state: Any) -> tuple[Params, bool]:
    """The parameters that `fit` returns for a state, and whether they are those of the best epoch."""
    train, stopping = state.train, state.stopping
    if stopping is not None and stopping.best_params is not None and bool(stopping.seen):
        return family.params_of(trial, stopping.best_params), True
    moving, fixed = partition(train.params, family.model_of(trial).trainable(train.params))
    if int(train.step) > 0:  # before the first step there is no average yet
        moving = trial.optimizer.rule.finalize(moving, train.opt_state)
    return family.params_of(trial, merge(moving, fixed)), False
