"""A sweep under way: families planned, works run, members collected, journaled and ranked."""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from jaxgd._checks import unknown_name
from jaxgd.sweeps.ended import Ended
from jaxgd.sweeps.engine import Engines
from jaxgd.sweeps.family import Family, families
from jaxgd.sweeps.halving import Halving
from jaxgd.sweeps.journal import Journal
from jaxgd.sweeps.lane import Begun
from jaxgd.sweeps.member import Member
from jaxgd.sweeps.memory import check_budget, check_fits, footprint
from jaxgd.sweeps.merging import merged
from jaxgd.sweeps.plan import Plan, Planner
from jaxgd.sweeps.ranking import Ranking
from jaxgd.sweeps.runner import Runner, Work
from jaxgd.sweeps.table import SweepTable
from jaxgd.sweeps.trial import Trial

_KEEP = ("all", "best")


class SweepProgress(NamedTuple):
    """How far a sweep is."""

    done: int
    """Members that ended."""
    members: int
    diverged: int
    best: Member | None
    """So far; None before the first with a finite value."""
    monitor: str
    seconds: float
    """Since the sweep began."""
    seconds_left: float | None
    """None before anything was measured."""


class Campaign:
    """A sweep under way; `run` once.

    Args:
      trials: numbered by their place.
      ranking: what members are compared by.
      choice, lanes, memory_budget, keep, pad, journal: as in `sweep`.

    Raises:
      TypeError, ValueError: a plan, a budget or a journal that cannot be used.
    """

    def __init__(
        self,
        trials: Sequence[Trial],
        ranking: Ranking,
        *,
        choice: Any,
        lanes: int,
        memory_budget: int | None,
        keep: str,
        pad: bool,
        journal: str | Path | None,
    ) -> None:
        if keep not in _KEEP:
            raise unknown_name("keep", keep, _KEEP)
        self.trials = list(trials)
        self.ranking = ranking
        self.keep = keep
        self.started = time.perf_counter()
        self.engines = Engines()
        self.families = merged(families(trials), lanes) if pad else families(trials)
        prints = [(family, footprint(family, keep == "all")) for family in self.families]
        left = check_fits(prints, check_budget(memory_budget))
        self.lanes = min(lanes, left // max(each.of_lanes(1, 1) for _, each in prints))
        planner = Planner(choice, self.lanes, left, self.engines)
        self.journal = None if journal is None else Journal(journal, self.trials)
        self.members: dict[int, Member] = {} if self.journal is None else dict(self.journal.ended)
        self.plans: list[tuple[Family, Plan]] = [
            (family, planner.plan(family, each))
            for family, each in prints
            if any(number not in self.members for number in family.trials)
        ]
        self.begun: dict[int, Begun] = {}
        self.pending: set[int] = set()
        """Members that this round has not delivered yet."""
        self.interrupted = False
        self.best: Member | None = None
        self._remember(list(self.members.values()))

    @property
    def reasons(self) -> tuple[str, ...]:
        """How the families are run and why, as lines."""
        return tuple(line for _, plan in self.plans for line in plan.reasons)

    def run(self, halving: Halving | None, progress: Callable[[SweepProgress], object] | None) -> SweepTable:
        """Every member to its end, or until Ctrl-C or `progress` ends it.

        Raises:
          ValueError: halving together with a journal, which knows ended members only.
        """
        if halving is not None and self.journal is not None:
            raise ValueError("journal: expected not together with halving; it holds ended members only.")
        began = time.perf_counter()
        last = max(trial.epochs for trial in self.trials)
        for until in [last] if halving is None else halving.rungs(last):
            self._run_until(until, progress)
            if self.interrupted:
                break
            if halving is not None and until < last:
                open_members = [each for each in self.members.values() if each.status != "dropped"]
                self._drop(halving.survivors(open_members, self.ranking))
        return self._table(began)

    def _run_until(self, until: int, progress: Callable[[SweepProgress], object] | None) -> None:
        works = [
            Work(family, plan, self.engines, numbers, self.begun, until)
            for family, plan in self.plans
            if (numbers := [number for number in family.trials if self._is_open(number)])
        ]
        runner = Runner(works, self.lanes, self._deliver)
        self.pending = set(runner.numbers)
        runner.should_stop = lambda: progress is not None and progress(self._report(runner)) is False
        try:
            runner.run()
            runner.should_stop()  # the last report
        except KeyboardInterrupt:
            runner.stop = True
        self.interrupted = bool(self.pending)

    def _is_open(self, number: int) -> bool:
        return number not in self.members or number in self.begun

    def _deliver(self, several: Sequence[Ended]) -> None:
        for each in several:
            number = each.member.number
            self.pending.discard(number)
            if each.paused:
                self.begun[number] = Begun(each.members, each.member.history)
                self.members[number] = (
                    each.member if self.keep == "all" else replace(each.member, params=None)
                )
            else:
                self.begun.pop(number, None)
        ended = [each.member for each in several if not each.paused]
        if self.journal is not None:
            self.journal.append(ended)
        self._remember(ended)

    def _remember(self, several: Sequence[Member]) -> None:
        for member in several:
            if self.keep == "best":
                member = self._only_best(member)
            elif self._beats_best(member):
                self.best = member
            self.members[member.number] = member

    def _only_best(self, member: Member) -> Member:
        """The member, without parameters unless it is the best so far; the best before it loses its own."""
        if not self._beats_best(member):
            return replace(member, params=None)
        if self.best is not None:
            self.members[self.best.number] = replace(self.best, params=None)
        self.best = member
        return member

    def _beats_best(self, member: Member) -> bool:
        monitor = self.ranking.monitor
        value = member.value(monitor)
        if value is None or self.best is None or self.best.number == member.number:
            return value is not None
        return self.ranking.key(value) < self.ranking.key(self.best.value(monitor))

    def _drop(self, survivors: Sequence[int]) -> None:
        for number in set(self.begun) - set(survivors):
            del self.begun[number]
            self.members[number] = replace(self.members[number], status="dropped")

    def _report(self, runner: Runner) -> SweepProgress:
        ended = [member for number, member in self.members.items() if number not in self.begun]
        seconds = time.perf_counter() - self.started
        open_steps = sum(self._steps(number) for number in range(len(self.trials)) if self._is_open(number))
        running = runner.steps - sum(member.steps for member in ended if member.number in runner.numbers)
        rate = runner.steps / max(time.perf_counter() - runner.began, 1e-9)
        return SweepProgress(
            done=len(ended),
            members=len(self.trials),
            diverged=sum(member.status == "diverged" for member in ended),
            best=self.best,
            monitor=self.ranking.monitor,
            seconds=seconds,
            seconds_left=max(open_steps - running, 0) / rate if rate else None,
        )

    def _steps(self, number: int) -> int:
        trial = self.trials[number]
        return trial.epochs * trial.steps_per_epoch

    def _table(self, began: float) -> SweepTable:
        members = [self.members.get(number) or self._not_run(number) for number in range(len(self.trials))]
        engines = list(self.engines)
        return SweepTable(
            members=self.ranking.sorted(members),
            ranking=self.ranking,
            axes=tuple(self.trials[0].settings),
            compilations=sum(engine.compilations for engine in engines),
            seconds={
                "prepare": began - self.started,
                "compile": sum(engine.seconds for engine in engines),
                "run": time.perf_counter() - began,
            },
            plans=self.reasons,
            interrupted=self.interrupted,
        )

    def _not_run(self, number: int) -> Member:
        trial = self.trials[number]
        return Member(number, trial.settings, trial.seed, trial.fold.number, trial.model)
