"""Families carried out by lanes in threads, one a core."""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import islice

import jax
import numpy as np

from jaxgd.sweeps.ended import Ended
from jaxgd.sweeps.engine import Engine, Engines
from jaxgd.sweeps.family import Family, concatenated
from jaxgd.sweeps.lane import Begun, Lane, Taken
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
      until: epochs after which members pause, perhaps before their own end.
    """

    def __init__(
        self,
        family: Family,
        plan: Plan,
        engines: Engines,
        numbers: Sequence[int],
        begun: Mapping[int, Begun],
        until: int,
    ) -> None:
        self.family = family
        self.plan = plan
        self.engines = engines
        self.waiting = list(numbers)
        self.alone: list[int] = []
        self.lanes = 0
        self.begun = dict(begun)
        self.until = until

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
        """Up to `count` waiting numbers of one fold.

        Where free slots cost nothing, no more than leave a fair share to other lanes.
        """
        queue = self.alone if alone else self.waiting
        if alone or self.plan.form != "vmap":
            count = min(count, -(-len(queue) // lanes))
        trials = self.family.trials
        if fold is None and queue:
            fold = trials[queue[0]].fold
        numbers = list(islice((number for number in queue if trials[number].fold is fold), count))
        for number in numbers:
            queue.remove(number)
        return numbers

    def begin(self, numbers: Sequence[int]) -> Taken:
        """Where these members stand, stacked."""
        old = [number for number in numbers if number in self.begun]
        new = [number for number in numbers if number not in self.begun]
        members = [self.begun[number].members for number in old]
        if new:
            members.append(self.family.start(new))
        joined = members[0] if len(members) == 1 else concatenated(members)
        own = [self.family.trials[number].epochs for number in (*old, *new)]
        epoch = np.minimum(own, self.until).astype(np.int32)
        histories = [*(self.begun[number].history for number in old), *(History() for _ in new)]
        return Taken([*old, *new], replace(joined, limits=joined.limits._replace(epoch=epoch)), histories)


class Runner:
    """Carries out works in threads; members that ended are delivered in the caller's thread.

    Args:
      works: in the order in which they are begun.
      threads: lanes at a time.
      deliver: told of members that ended, several at a time.

    Attributes:
      should_stop: asked ten times a second; True ends all lanes after their next call.
      steps: taken so far, those of all members together.
      numbers: of all members.
    """

    def __init__(
        self,
        works: Sequence[Work],
        threads: int,
        deliver: Callable[[Sequence[Ended]], None],
    ) -> None:
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
        self.numbers = {number for work in works for number in work.waiting}

    def run(self) -> None:
        """Until every member ended, or until told to stop. Raises what a lane raised."""
        x64 = bool(jax.config.read("jax_enable_x64"))  # a thread has its own, and begins without
        lanes = [threading.Thread(target=self._work, args=(x64,), daemon=True) for _ in range(self.threads)]
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
        if ended:
            self.deliver(ended)

    def _work(self, x64: bool) -> None:
        try:
            with jax.enable_x64(x64):
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
            return _Turn(self, work, alone=not work.waiting)


class _Turn:
    """A lane at a work: the lane's source of members."""

    def __init__(self, runner: Runner, work: Work, alone: bool) -> None:
        self.runner = runner
        self.work = work
        self.alone = alone

    def run(self) -> None:
        """Fill the lane until the work has no more members for it."""
        with self.runner.lock:
            engine = self.work.engine(self.alone)
        try:
            Lane(engine, self).run()
        finally:
            with self.runner.lock:
                self.work.lanes -= 1

    def take(self, count: int, fold: Fold | None) -> Taken:
        with self.runner.lock:
            numbers = self.work.take(count, fold, self.alone, self.runner.threads)
        return self.work.begin(numbers) if numbers else Taken([])

    def give(self, ended: Ended) -> None:
        with self.runner.lock:
            self.runner.ended.append(ended)

    def again(self, number: int) -> None:
        with self.runner.lock:
            self.work.alone.append(number)

    def learn(self, steps: int) -> None:
        with self.runner.lock:
            self.runner.steps += steps

    def stopped(self) -> bool:
        return self.runner.stop
