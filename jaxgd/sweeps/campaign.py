"""A sweep under way: families planned, works run, members collected, journaled and ranked."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import jax

from jaxgd._checks import check_real, unknown_name
from jaxgd._types import Params
from jaxgd.checkpoints import describe
from jaxgd.sweeps.ended import Ended, make_member
from jaxgd.sweeps.engine import Engines
from jaxgd.sweeps.family import Family, families
from jaxgd.sweeps.halving import Halving
from jaxgd.sweeps.journal import Journal, key_of
from jaxgd.sweeps.lane import Begun
from jaxgd.sweeps.member import Member
from jaxgd.sweeps.memory import check_budget, check_fits, footprint
from jaxgd.sweeps.merging import merged
from jaxgd.sweeps.plan import AUTO, Plan, Planner
from jaxgd.sweeps.ranking import Ranking
from jaxgd.sweeps.runner import Runner, Work
from jaxgd.sweeps.standing import Saved, Saves, Standing
from jaxgd.sweeps.table import SweepTable
from jaxgd.sweeps.trial import Trial
from jaxgd.training.leaving import Leaving, leaving_on_sigterm
from jaxgd.training.state import TrainState

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
      choice, lanes, memory_budget, keep, pad, halving, checkpoint_every: as in `sweep`.
      journal: as in `sweep`; `held`.
      room: rows that a later trial has (see `one_more`), for which programs are made large enough.

    Raises:
      TypeError, ValueError: a plan, a budget, a journal or a checkpoint that cannot be used.
    """

    def __init__(
        self,
        trials: Sequence[Trial],
        ranking: Ranking,
        *,
        choice: Any,
        lanes: int,
        devices: Sequence[Any] = (None,),
        memory_budget: int | None,
        keep: str,
        pad: bool,
        halving: Halving | None = None,
        journal: str | Path | None = None,
        checkpoint_every: float = 30.0,
        room: int = 0,
    ) -> None:
        if keep not in _KEEP:
            raise unknown_name("keep", keep, _KEEP)
        self.trials = list(trials)
        self.ranking = ranking
        self.keep = keep
        self.halving = halving
        self.started = time.perf_counter()
        self.engines = Engines()
        check_real("checkpoint_every", checkpoint_every, 0.0)
        self.journal = None if journal is None else Journal(journal, self.trials)
        self.saves = None
        saved = None
        if self.journal is not None:
            self.saves = Saves(self.journal.path, self.journal.keys, self._identity(), checkpoint_every)
            saved = self.saves.load(self.trials)
        self.members: dict[int, Member] = {}
        self.best: Member | None = None
        if self.journal is not None and (saved is not None or halving is None):
            self._recall(self.journal.ended)
        self.lanes = lanes
        self.devices = devices
        self.room = room
        self.plans = self._planned(saved, choice, memory_budget, pad)
        self.until = 0
        self.begun: dict[int, Begun] = {}
        self.under_way: Mapping[int, Begun] = {}
        if saved is not None:
            self._go_on_from(saved.standing())
        self.pending: set[int] = set()
        """Members that this round has not delivered yet."""
        self.interrupted = False

    @property
    def reasons(self) -> tuple[str, ...]:
        """How the families are run and why, as lines."""
        return tuple(line for _, plan in self.plans for line in plan.reasons)

    def run(self, progress: Callable[[SweepProgress], object] | None) -> SweepTable:
        """Every member to its end, or until Ctrl-C, SIGTERM or `progress` ends it.

        Raises:
          OSError: the journal cannot be written; what is in it already stays.
        """
        began = time.perf_counter()
        last = max(trial.epochs for trial in self.trials)
        rungs = [last] if self.halving is None else self.halving.rungs(last)
        with leaving_on_sigterm(self.saves is not None) as leaving:
            for until in rungs:
                if until < self.until:  # decided before the sweep was interrupted
                    continue
                self._run_until(until, progress, leaving)
                if self.interrupted:
                    break
                if self.halving is not None and until < last:
                    self._decide(self.halving, until)
        return self._table(began)

    def stand_in(self, number: int, params: Params) -> tuple[Any, Params]:
        """A network that others share, with parameters that make it compute what a member's own does."""
        family = next(family for family, _ in self.plans if number in family.trials)
        return family.stand_in(self.trials[number], params)

    def one_more(self, trial: Trial) -> tuple[Member, TrainState] | None:
        """A trial that was not foreseen, in a program that was made for others; None if none serves it.

        Returns: what came of it, and the state it ended in.
        """
        ended: list[Ended] = []
        for family, plan in self.plans:
            one = family.alike(trial)
            if one is not None:
                work = Work(one, plan, self.engines, [0], {}, {}, trial.epochs)
                Runner([work], 1, ended.extend, self.devices[:1]).run()
                train = jax.tree.map(lambda leaf: leaf[0], ended[0].members.state.train)
                return ended[0].member, one.own_state(trial, train)
        return None

    def _run_until(
        self, until: int, progress: Callable[[SweepProgress], object] | None, leaving: Leaving
    ) -> None:
        self.until = until
        works = [
            Work(family, plan, self.engines, numbers, self.begun, self.under_way, until)
            for family, plan in self.plans
            if (numbers := [number for number in family.trials if self._is_open(number)])
        ]
        runner = Runner(works, self.lanes, self._deliver, self.devices)
        self._save(runner)
        self.pending = set(runner.numbers)

        def should_stop() -> bool:
            stops = bool(leaving) or (progress is not None and progress(self._report(runner)) is False)
            if self.saves is not None and (self.saves.due or (stops and not runner.stop)):
                self._save(runner)  # if it stops before lanes have, which may take them a while
            return stops

        runner.should_stop = should_stop
        try:
            runner.run()
            should_stop()  # the last report
        except KeyboardInterrupt:
            runner.stop = True
        self.interrupted = bool(self.pending)
        self.under_way = runner.under_way()
        if self.interrupted:
            self._save(runner)

    def _is_open(self, number: int) -> bool:
        """Whether a member has not come to its end, nor to where all pause now."""
        if number not in self.begun:
            return number not in self.members
        return int(self.begun[number].members.state.epoch[0]) < self.until

    def _save(self, runner: Runner) -> None:
        if self.saves is None:
            return
        begun = dict(self.begun)
        ended = self.members.keys() - begun.keys()
        under_way = {number: each for number, each in runner.under_way().items() if number not in ended}
        self.saves.save(Standing(self.until, begun, under_way), self.plans)

    def _decide(self, halving: Halving, until: int) -> None:
        """Drop what is not good enough, and who was dropped here before the sweep was interrupted."""
        judged = [each for each in self.members.values() if each.status != "dropped" or each.epochs == until]
        self._drop(halving.survivors(judged, self.ranking))

    def _identity(self) -> dict[str, Any]:
        """What members must have in common to go on: all that decides who goes on after a rung."""
        if self.halving is None or self.journal is None:
            return {"halving": None}
        decisions = {"halving": self.halving, "ranking": self.ranking}
        return describe({**decisions, "members": key_of(self.journal.keys)})

    def _planned(
        self, saved: Saved | None, choice: Any, memory_budget: int | None, pad: bool
    ) -> list[tuple[Family, Plan]]:
        """The families that have open members, as they were run before, and how they are run now."""
        known = [] if saved is None else saved.plans()
        placed = {number for family, _ in known for number in family.trials}
        rest = {number: trial for number, trial in enumerate(self.trials) if number not in placed}
        new = families(rest)
        found = [*(family for family, _ in known), *(merged(new, self.lanes) if pad and new else new)]
        for family in found:
            family.make_room(self.room)
        prints = {family: footprint(family, self.keep == "all") for family in found}
        left = check_fits(list(prints.items()), check_budget(memory_budget))
        self.lanes = min(self.lanes, left // max(each.of_lanes(1, 1) for each in prints.values()))
        planner = Planner(choice, self.lanes, left, self.engines)
        before = {
            family: plan
            for family, plan in known
            if choice == AUTO and prints[family].of_lanes(plan.width, self.lanes) <= left
        }
        return [
            (family, before.get(family) or planner.plan(family, each))
            for family, each in prints.items()
            if any(number not in self.members for number in family.trials)
        ]

    def _recall(self, ended: Mapping[int, Member]) -> None:
        """Members that the journal holds."""
        self._remember([member for member in ended.values() if member.status != "dropped"])
        dropped = {number: member for number, member in ended.items() if member.status == "dropped"}
        self.members |= {number: self._kept(member) for number, member in dropped.items()}

    def _go_on_from(self, standing: Standing) -> None:
        """Where open members stood; those that the journal holds have ended since."""
        family_of = {number: family for family, _ in self.plans for number in family.trials}
        self.until = 0 if self.halving is None else standing.until
        for number, each in standing.begun.items():
            if number not in self.members:
                member = make_member(family_of[number], number, each.members, each.history, None)
                self.begun[number], self.members[number] = each, self._kept(member)
        is_open = self.begun.keys() | (family_of.keys() - self.members.keys())
        self.under_way = {number: each for number, each in standing.under_way.items() if number in is_open}

    def _kept(self, member: Member) -> Member:
        """A member that is not the best."""
        return member if self.keep == "all" else replace(member, params=None)

    def _deliver(self, several: Sequence[Ended]) -> None:
        ended = [each.member for each in several if not each.paused]
        if self.journal is not None and ended:
            self.journal.append(ended)
        for each in several:
            number = each.member.number
            self.pending.discard(number)
            if each.paused:
                self.begun[number] = Begun(each.members, each.member.history)
                self.members[number] = self._kept(each.member)
            else:
                self.begun.pop(number, None)
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
        numbers = sorted(set(self.begun) - set(survivors))
        dropped = [replace(self.members[number], status="dropped") for number in numbers]
        if self.journal is not None and dropped:
            self.journal.append(dropped)
        for member in dropped:
            del self.begun[member.number]
            self.members[member.number] = member

    def _report(self, runner: Runner) -> SweepProgress:
        ended = [member for number, member in self.members.items() if number not in self.begun]
        seconds = time.perf_counter() - self.started
        numbers = {member.number for member in ended}
        left = sum(self._steps(number) for number in range(len(self.trials)) if number not in numbers)
        left -= runner.steps_before + runner.steps
        left += sum(member.steps for member in ended if member.number in runner.numbers)
        rate = runner.steps / max(time.perf_counter() - runner.began, 1e-9)
        return SweepProgress(
            done=len(ended),
            members=len(self.trials),
            diverged=sum(member.status == "diverged" for member in ended),
            best=self.best,
            monitor=self.ranking.monitor,
            seconds=seconds,
            seconds_left=max(left, 0) / rate if rate else None,
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
