"""Families carried out by lanes in threads, one a core."""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

import jax
import numpy as np

from jaxgd.sweeps.ended import Ended
from jaxgd.sweeps.engine import Engine, Engines
from jaxgd.sweeps.family import Family, concatenated
from jaxgd.sweeps.lane import Begun, Lane, Slots, Taken
from jaxgd.sweeps.plan import Plan
from jaxgd.sweeps.trial import Fold
from jaxgd.training.history import History

_TICK = 0.1


class Work:
    """A family with its plan, and the members of it that wait.

    Args:
      family, plan, engines: what, and how.
      numbers: of the trials, the first one first.
      begun: where members stand that have begun already, {number: ...}.
      under_way: where those stand that have gone on from there before the sweep was interrupted.
      until: epochs after which members pause, perhaps before their own end.
    """

    def __init__(
        self,
        family: Family,
        plan: Plan,
        engines: Engines,
        numbers: Sequence[int],
        begun: Mapping[int, Begun],
        under_way: Mapping[int, Begun],
        until: int,
    ) -> None:
        self.family = family
        self.plan = plan
        self.engines = engines
        self.begun = {number: begun[number] for number in numbers if number in begun}
        self.under_way = {number: under_way[number] for number in numbers if number in under_way}
        self.alone = [number for number, each in self.under_way.items() if each.alone]
        self.waiting = [number for number in numbers if number not in self.alone]
        self.lanes = 0
        self.until = until

    @property
    def steps_before(self) -> int:
        """That its members have taken already."""
        return sum(int(each.members.state.train.step[0]) for each in (self.begun | self.under_way).values())

    @property
    def has_members(self) -> bool:
        """Whether any wait."""
        return bool(self.waiting or self.alone)

    def engine(self, alone: bool) -> Engine:
        """The plan's, or the one of `fit` for members that run alone."""
        if alone:
            return self.engines.get(self.family, "sequential", 1)
        return self.engines.get(self.family, self.plan.form, self.plan.width)

    def take(self, count: int, fold: Fold | None, alone: bool, lanes: int) -> list[int]:
        """Up to `count` waiting numbers of one fold, and in step of one place in an epoch.

        Where free slots cost nothing, no more than leave a fair share to other lanes.
        """
        queue = self.alone if alone else self.waiting
        if alone or self.plan.form != "vmap":
            count = min(count, -(-len(queue) // lanes))
        if not queue:
            return []
        wanted = self._kind(queue[0]) if fold is None else (id(fold), 0)
        numbers = list(islice((number for number in queue if self._kind(number) == wanted), count))
        for number in numbers:
            queue.remove(number)
        return numbers

    def _kind(self, number: int) -> tuple[int, int]:
        """What members of a lane have in common: the fold, and in step the batch that comes next."""
        there = self.under_way.get(number) if self.plan.form == "vmap" else None
        batch = 0 if there is None or there.alone else int(there.members.state.batch[0])
        return id(self.family.trials[number].fold), batch

    def _standing(self, number: int, alone: bool) -> Begun | None:
        """Where a member goes on; one that diverged in step starts anew from where it paused, or began."""
        there = self.under_way.get(number)
        return there if there is not None and (there.alone or not alone) else self.begun.get(number)

    def begin(self, numbers: Sequence[int], alone: bool) -> Taken:
        """Where these members stand, stacked."""
        found = {number: self._standing(number, alone) for number in numbers}
        begun = {number: each for number, each in found.items() if each is not None}
        old, new = list(begun), [number for number in numbers if number not in begun]
        members = [each.members for each in begun.values()]
        if new:
            members.append(self.family.start(new))
        joined = members[0] if len(members) == 1 else concatenated(members)
        own = [self.family.trials[number].epochs for number in (*old, *new)]
        epoch = np.minimum(own, self.until).astype(np.int32)
        histories = [*(each.history for each in begun.values()), *(History() for _ in new)]
        return Taken([*old, *new], replace(joined, limits=joined.limits._replace(epoch=epoch)), histories)


class Runner:
    """Carries out works in threads; members that ended are delivered in the caller's thread.

    Args:
      works: in the order in which they are begun.
      threads: lanes at a time.
      deliver: told of members that ended, several at a time.
      devices: of the lanes, in turn; None is the one that JAX takes.

    Attributes:
      should_stop: asked ten times a second; True ends all lanes after their next call.
      steps: taken so far, those of all members together.
      steps_before: that its members had taken before.
      numbers: of all members.
    """

    def __init__(
        self,
        works: Sequence[Work],
        threads: int,
        deliver: Callable[[Sequence[Ended]], None],
        devices: Sequence[Any] = (None,),
    ) -> None:
        self.devices = devices
        self.works = list(works)
        self.threads = threads
        self.deliver = deliver
        self.should_stop: Callable[[], bool] = lambda: False
        self.lock = threading.Condition()
        self.ended: list[Ended] = []
        self.errors: list[BaseException] = []
        self.stop = False
        self.steps = 0
        self.began = time.perf_counter()
        self.numbers = {number for work in works for number in (*work.waiting, *work.alone)}
        self.steps_before = sum(work.steps_before for work in works)
        self.turns: list[_Turn] = []

    def run(self) -> None:
        """Until every member ended, or until told to stop. Raises what a lane raised."""
        x64 = bool(jax.config.read("jax_enable_x64"))  # a thread has its own, and begins without
        devices = [self.devices[place % len(self.devices)] for place in range(self.threads)]
        lanes = [threading.Thread(target=self._work, args=(x64, each), daemon=True) for each in devices]
        for lane in lanes:
            lane.start()
        try:
            self._wait(lanes)
        finally:
            self.stop = True
            for lane in lanes:
                lane.join()
            self._hand_out()
        if self.errors:
            raise self.errors[0]

    def _wait(self, lanes: Sequence[threading.Thread]) -> None:
        while any(lane.is_alive() for lane in lanes):
            with self.lock:
                self.lock.wait(_TICK)
            self._hand_out()
            self.stop = self.stop or bool(self.errors) or self.should_stop()

    def _hand_out(self) -> None:
        with self.lock:
            ended, self.ended = self.ended, []
        if not ended:
            return
        try:
            self.deliver(ended)
        except BaseException:  # Ctrl-C, or a full disk: they are delivered once more at the end
            with self.lock:
                self.ended = ended + self.ended
            raise

    def under_way(self) -> dict[int, Begun]:
        """Where the members stand that have begun and were not delivered yet."""
        with self.lock:
            found = {number: each for work in self.works for number, each in work.under_way.items()}
            turns = [(turn.slots, turn.alone) for turn in self.turns]
            ended = {each.member.number: Begun(each.members, each.member.history) for each in self.ended}
        for slots, alone in turns:
            found |= {} if slots is None else slots.begun(alone)
        return found | ended

    def _work(self, x64: bool, device: Any) -> None:
        try:
            with jax.enable_x64(x64), jax.default_device(device):
                while (turn := self._next()) is not None:
                    turn.run()
        except BaseException as error:
            with self.lock:
                self.errors.append(error)
        finally:
            with self.lock:
                self.lock.notify_all()

    def _next(self) -> "_Turn | None":
        """A lane's next turn, at the work with the fewest lanes, as the first may still compile."""
        with self.lock:
            open_works = [work for work in self.works if work.has_members]
            if self.stop or not open_works:
                return None
            work = min(open_works, key=lambda work: work.lanes)
            work.lanes += 1
            turn = _Turn(self, work, alone=not work.waiting)
            self.turns.append(turn)
            return turn


class _Turn:
    """A lane at a work: the lane's source of members."""

    def __init__(self, runner: Runner, work: Work, alone: bool) -> None:
        self.runner = runner
        self.work = work
        self.alone = alone
        self.slots: Slots | None = None

    def run(self) -> None:
        """Fill the lane until the work has no more members for it."""
        with self.runner.lock:
            engine = self.work.engine(self.alone)
        try:
            Lane(engine, self).run()
        finally:
            with self.runner.lock:
                self.work.lanes -= 1
                if self.slots is None or not self.slots.numbers:
                    self.runner.turns.remove(self)

    def take(self, count: int, fold: Fold | None) -> Taken:
        with self.runner.lock:
            numbers = self.work.take(count, fold, self.alone, self.runner.threads)
        return self.work.begin(numbers, self.alone) if numbers else Taken([])

    def give(self, ended: Ended) -> None:
        with self.runner.lock:
            self.runner.ended.append(ended)

    def again(self, number: int) -> None:
        with self.runner.lock:
            self.work.alone.append(number)

    def learn(self, steps: int) -> None:
        with self.runner.lock:
            self.runner.steps += steps

    def stand(self, slots: Slots) -> None:
        self.slots = slots

    def stopped(self) -> bool:
        return self.runner.stop
