"""A lane: slots of one engine, filled with members, stepped, and filled again where a member ended."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple, Protocol

import numpy as np

from jaxgd.sweeps.ended import Ended, last_finite, make_member
from jaxgd.sweeps.engine import Advanced, Engine
from jaxgd.sweeps.family import Members
from jaxgd.sweeps.trial import Fold, Trial
from jaxgd.training.history import History

_SECONDS_A_CALL = 0.4
_FIRST_STEPS = 16


class Begun(NamedTuple):
    """A member that was paused."""

    members: Members
    """One of them."""
    history: History
    alone: bool = False
    """Whether the program of `fit` ran it in the place of one that does not say where a member diverged."""


class Slots(NamedTuple):
    """What is in the slots of a lane after a call; nothing in it changes any more."""

    numbers: Mapping[int, int]
    """{slot: number}."""
    members: Members
    histories: Mapping[int, History]
    """{slot: history}."""

    def begun(self, alone: bool) -> dict[int, Begun]:
        """{number: where it stands}."""
        return {
            number: Begun(self.members.take([slot]), self.histories[slot], alone)
            for slot, number in self.numbers.items()
        }


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

    def stand(self, slots: Slots) -> None:
        """Where the members of the lane stand now."""
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
        self.numbers: dict[int, int] = {}
        """{slot: number} of the members in it."""
        self.histories: dict[int, History] = {}
        self.members: Members | None = None
        self.fold: Fold | None = None
        self.steps = _FIRST_STEPS

    def run(self) -> None:
        """Until the source has no more."""
        while not self.source.stopped():
            self._fill()
            if self.members is None or not self.numbers:
                return
            self._advance(self.members)

    def _fill(self) -> None:
        """Put waiting members into the free slots; in step, only where all are at the start of an epoch."""
        free = [slot for slot in range(self.engine.width) if slot not in self.numbers]
        if not free or (self.engine.form == "vmap" and self._in_an_epoch()):
            return
        new = self.source.take(len(free), self.fold if self.numbers else None)
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
        return self.members is not None and any(self.members.state.batch[slot] for slot in self.numbers)

    def _trial(self, slot: int) -> Trial:
        return self.engine.family.trials[self.numbers[slot]]

    def _advance(self, before: Members) -> None:
        taken = list(self.numbers)
        fold = self._trial(taken[0]).fold
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
                self._give(slot, after.members, None)
        open_histories = {slot: self.histories[slot] for slot in self.numbers}
        self.source.stand(Slots(dict(self.numbers), self.members, open_histories))

    def _give_diverged(self, before: Members, after: Advanced, fold: Fold, lost: Sequence[int]) -> None:
        if self.engine.form == "vmap":
            for slot in lost:
                self.source.again(self.numbers[slot])
                self._free(slot)
            return
        last = last_finite(self.engine, before, after.members, fold, lost)
        for slot in lost:
            state = last.state
            place = int(state.epoch[slot]) + 1, int(state.batch[slot]) + 1
            self.histories[slot] = self.histories[slot].first(int(state.epoch[slot]))
            self._give(slot, last, place)

    def _give(self, slot: int, members: Members, diverged_at: tuple[int, int] | None) -> None:
        one, number = members.take([slot]), self.numbers[slot]
        member = make_member(self.engine.family, number, one, self.histories[slot], diverged_at)
        self.source.give(Ended(member, one, self._trial(slot).epochs))
        self._free(slot)

    def _free(self, slot: int) -> None:
        del self.numbers[slot]
        if self.members is not None:
            epoch = np.array(self.members.limits.epoch)
            epoch[slot] = 0
            self.members = replace(self.members, limits=self.members.limits._replace(epoch=epoch))


def idle(members: Members, width: int) -> Members:
    """`width` slots in which nothing happens, shaped like the given members."""
    slots = members.take([0] * width)
    return replace(slots, limits=slots.limits._replace(epoch=np.zeros_like(slots.limits.epoch)))


def _has_ended(members: Members, slot: int) -> bool:
    state = members.state
    stopped = state.stopping is not None and bool(state.stopping.stopped[slot])
    return stopped or bool(state.epoch[slot] >= members.limits.epoch[slot])


def _next_steps(steps: int, seconds: float) -> int:
    """Steps of the next call, such that it takes about half a second and can be interrupted then."""
    factor = min(max(_SECONDS_A_CALL / max(seconds, 1e-6), 0.1), 8.0)
    return int(min(max(steps * factor, 1), 2**30))
