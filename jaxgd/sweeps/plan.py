"""The planner: which form and width each family is run in, and why."""

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, get_args

import jax

from jaxgd._checks import check_integer, unknown_name
from jaxgd.sweeps.cost import Workload, compile_seconds, run_seconds, step_seconds, workload
from jaxgd.sweeps.engine import Engine, Engines, Form
from jaxgd.sweeps.family import Family
from jaxgd.sweeps.memory import Footprint, readable

AUTO = "auto"
_WIDTHS = (4, 16, 32, 64, 256)
_MAP_WIDTH = 16
"""Always the same, so that sweeps of all sizes share a program; free slots cost nothing in this form."""
_LONG = 0.05
"""Seconds of a member beyond which a call for each costs nothing noticeable."""
_WORTH = 12.0
"""A measurement may cost one part in so many of what it is about."""
_NEARLY = 1.05
_TRY = 0.15
"""Seconds that a candidate is tried for."""


@dataclass(frozen=True)
class Candidate:
    """A form and width, with the seconds it is forecast to take."""

    form: Form
    width: int
    step: float
    """Of one member's step, one lane."""
    total: float
    bytes: int

    def __str__(self) -> str:
        name = self.form if self.form == "sequential" else f"{self.form} of {self.width}"
        return f"{name}: {self.total:.3g} s, {self.step * 1e6:.3g} us a step, {readable(self.bytes)}"


@dataclass(eq=False)
class Plan:
    """The form and width of a family's program, and why.

    Attributes:
      form, width: of the engine.
      seconds: forecast.
      reasons: lines for a reader.
    """

    form: Form
    width: int
    seconds: float = 0.0
    reasons: list[str] = field(default_factory=list)


class Planner:
    """Chooses for one family after the other.

    Args:
      choice: "auto", a form, or (form, width).
      lanes: threads.
      budget: bytes for all lanes.
      engines: where candidates are compiled for a measurement.
    """

    def __init__(self, choice: Any, lanes: int, budget: int, engines: Engines) -> None:
        self.form, self.width = _choice(choice)
        self.lanes = lanes
        self.budget = budget
        self.engines = engines

    def plan(self, family: Family, footprint: Footprint) -> Plan:
        """The plan of a family that `check_fits`."""
        work = workload(family, footprint.state)
        candidates = self._candidates(work, footprint)
        best = _preferred(candidates)
        reasons = [_headline(work, self.lanes, self.budget)]
        reasons += [f"  forecast  {each}" for each in sorted(candidates, key=lambda each: each.total)]
        rivals = self._worth_measuring(candidates, best, work)
        if rivals:
            measured = [self._measured(family, each, work) for each in (best, *rivals)]
            reasons += [f"  measured  {each}" for each in measured]
            best = _preferred(measured)
        reasons.append(f"  chosen    {best.form} of {best.width}")
        return Plan(best.form, best.width, best.total, reasons)

    def _candidates(self, work: Workload, footprint: Footprint) -> list[Candidate]:
        made = [self._candidate(work, footprint, form, width) for form, width in self._forms(work)]
        fitting = [each for each in made if each.bytes <= self.budget]
        return fitting or [self._candidate(work, footprint, "sequential", 1)]

    def _forms(self, work: Workload) -> list[tuple[Form, int]]:
        """What is looked at: the chosen form, or all that make sense."""
        share = -(-work.members // self.lanes)
        widest = min(share, max(work.folds), _WIDTHS[-1])
        if self.form == "sequential":
            return [("sequential", 1)]
        if self.form == "map":
            return [("map", self.width or _MAP_WIDTH)]
        halves = -(-widest // 2)  # where full ones would leave a lane without a turn
        widths = sorted({*(width for width in _WIDTHS if width < widest), halves, widest})
        in_step: list[tuple[Form, int]] = [("vmap", width) for width in widths]
        if self.form == "vmap":
            return [("vmap", self.width)] if self.width else in_step
        if jax.default_backend() != "cpu":
            return in_step
        is_long = work.steps * step_seconds(work, "sequential", 1) > _LONG
        mapped: list[tuple[Form, int]] = [] if is_long or share == 1 else [("map", _MAP_WIDTH)]
        return [("sequential", 1), *mapped, *in_step]

    def _candidate(self, work: Workload, footprint: Footprint, form: Form, width: int) -> Candidate:
        step = step_seconds(work, form, width)
        total = compile_seconds(work, form) + run_seconds(work, form, width, self.lanes, step)
        return Candidate(form, width, step, total, footprint.of_lanes(width, self.lanes))

    def _worth_measuring(
        self, candidates: Sequence[Candidate], best: Candidate, work: Workload
    ) -> list[Candidate]:
        """The best of the other kinds, if compiling and trying them costs little of what they may save."""
        cost = compile_seconds(work, "vmap") + _TRY
        other = [each for each in candidates if (each.form == "vmap") != (best.form == "vmap")]
        wider = [each for each in candidates if each.form == best.form == "vmap" and each.width != best.width]
        rivals = [min(each, key=lambda one: one.total) for each in (other, wider) if each]
        affordable = int((best.total - compile_seconds(work, best.form)) / (_WORTH * cost))
        return rivals[:affordable]

    def _measured(self, family: Family, candidate: Candidate, work: Workload) -> Candidate:
        engine = self.engines.get(family, candidate.form, candidate.width)
        step = measure(family, engine, self.lanes, candidate.step)
        total = run_seconds(work, candidate.form, candidate.width, self.lanes, step)
        return Candidate(candidate.form, candidate.width, step, total, candidate.bytes)


def _preferred(candidates: Sequence[Candidate]) -> Candidate:
    """The fastest; a form that is bit for bit what `fit` computes is preferred if it is nearly as fast."""
    fastest = min(candidates, key=lambda each: each.total)
    exact = [each for each in candidates if each.form != "vmap" and each.total <= _NEARLY * fastest.total]
    return min(exact, key=lambda each: each.total) if exact else fastest


def measure(family: Family, engine: Engine, lanes: int, guess: float) -> float:
    """Seconds of one step of one member in a lane while all lanes are busy; what they compute is dropped."""
    numbers = list(family.trials)[: engine.width]
    numbers += [numbers[0]] * (engine.width - len(numbers))
    members, fold = family.start(numbers), family.trials[numbers[0]].fold
    engine.compile(members)
    steps = max(int(_TRY / 2 / (guess * engine.width)), 1)
    engine.advance(members, fold, 1)
    taken: list[float] = []
    x64 = bool(jax.config.read("jax_enable_x64"))

    def lane() -> None:
        with jax.enable_x64(x64):
            started = time.perf_counter()
            after = engine.advance(members, fold, steps)
            done = int(after.members.state.train.step.sum())
            taken.append((time.perf_counter() - started) / max(done, 1))

    threads = [threading.Thread(target=lane) for _ in range(lanes)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(taken) / len(taken)


def _headline(work: Workload, lanes: int, budget: int) -> str:
    return (
        f"{work.members} members of {work.layers} layers, {work.steps:,} steps each, "
        f"{work.flops / 1e6:.3g} MFLOP a step; {lanes} lanes, {readable(budget)} for them"
    )


def _choice(choice: Any) -> tuple[Form | None, int | None]:
    """Form and width; None where they are left open. Raises ValueError."""
    if choice == AUTO:
        return None, None
    form, width = choice if isinstance(choice, tuple) else (choice, None)
    if form not in get_args(Form):
        raise unknown_name("plan", form, (AUTO, *get_args(Form)))
    if form == "sequential":
        width = 1
    return form, None if width is None else check_integer("plan", width, 1)
