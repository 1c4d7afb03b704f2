"""One workload: every peer prepared, then measured in rounds that interleave."""

import math
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from jaxgd.bench.child import Child, PeerError
from jaxgd.bench.reference import Reference, first_member
from jaxgd.bench.serving import EACH_ITS_OWN, read_case
from jaxgd.bench.workloads import Workload, make_case, write_case

_PAUSE = 0.02
"""Seconds between two measurements, in which thread pools that still spin go to sleep."""
_TRIALS = 5
"""How often the number of units is corrected; another number may have to be compiled."""
_MAX_ORDERS = 64
"""Epochs that have an order of their own; later epochs begin again with the first."""


class Effort(NamedTuple):
    """How long to measure."""

    rounds: int
    seconds: float
    """Of one measurement, if the peer needs no longer for the least that it can run."""
    timeout: float
    """Seconds to wait for one answer."""
    full: bool
    budget: float = 60.0
    """Seconds for the rounds of one workload: once they are spent, no further round begins after `least`."""
    least: int = 3
    whole: float | None = None
    """Seconds from the first workload on; after them nobody else is prepared and no further round begins."""


@dataclass
class Entrant:
    """A peer in one workload, and what is known of it so far."""

    peer: str
    child: Child
    units: int = 1
    first: float = 0.0
    """Seconds of the first call: building and compiling."""
    seconds: list[float] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)
    facts: list[dict[str, Any]] = field(default_factory=list)
    """What else each round told."""
    expected: float | None = None
    difference: float | None = None
    """The largest of the losses from the expected one, as a share of the loss before the first step."""
    order: str = ""
    failure: str = ""

    def ask(self, timeout: float, **request: Any) -> dict[str, Any]:
        """An answer; where there is none the entrant is out, and the error says why."""
        try:
            return self.child.ask(timeout, **request)
        except PeerError as error:
            self.failure = str(error)
            raise


def measure(
    workload: Workload,
    children: Sequence[tuple[str, Child]],
    effort: Effort,
    tell: Callable[[str], None] = lambda line: None,
    until: float = math.inf,
) -> list[Entrant]:
    """Every peer measured, those that failed included.

    Args:
      workload: what is trained.
      children: (peer, the process that serves it); the first peers are measured first in every other round.
      effort: rounds and their length.
      tell: called with a line about each step.
      until: by the monotonic clock; whoever is not prepared by then is left out, and says so.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "case.npz")
        write_case(path, make_case(workload, min(workload.epochs, _MAX_ORDERS)))
        entrants = [Entrant(peer, child) for peer, child in children]
        for entrant in entrants:
            if time.monotonic() > until:
                entrant.failure = "not measured: the time of the quick bench was up"
                continue
            tell(f"{workload.name}: {entrant.peer}")
            _prepare(entrant, workload, path, effort)
        started = time.monotonic()
        for place in range(effort.rounds):
            now = time.monotonic()
            if (place >= effort.least and now - started > effort.budget) or (place and now > until):
                break
            tell(f"{workload.name}: round {place + 1} of {effort.rounds}")
            _round(entrants if place % 2 == 0 else entrants[::-1], effort)
        check_losses(workload, entrants, read_case(str(path)))
    return entrants


def _prepare(entrant: Entrant, workload: Workload, path: Path, effort: Effort) -> None:
    """Build, compile, and find how many units fill one measurement."""
    is_whole = entrant.peer in entrant.child.program.whole
    entrant.units = workload.units if is_whole else 16 if workload.name == "seed" else 1
    request = {"case": str(path), "peer": entrant.peer, "units": entrant.units}
    try:
        answer = entrant.ask(effort.timeout, do="prepare", **request)
        entrant.first = answer["first"]
        for _ in range(_TRIALS):
            wanted = _units(entrant.units, answer["seconds"], workload, effort)
            if wanted < 1.3 * entrant.units:
                return
            entrant.units = wanted
            answer = entrant.ask(effort.timeout, do="warm", peer=entrant.peer, units=wanted)
    except PeerError:
        return


def _units(units: int, seconds: float, workload: Workload, effort: Effort) -> int:
    """So many that they take the time that was asked for, and no more than there are."""
    wanted = int(units * effort.seconds / max(seconds, 1e-9))
    return max(1, min(wanted, workload.units))


def _round(entrants: Sequence[Entrant], effort: Effort) -> None:
    for entrant in entrants:
        if entrant.failure:
            continue
        time.sleep(_PAUSE)
        try:
            answer = entrant.ask(effort.timeout, do="measure", peer=entrant.peer, units=entrant.units)
        except PeerError:
            continue
        entrant.seconds.append(answer.pop("seconds"))
        entrant.order = answer.pop("order")
        if "loss" in answer:
            entrant.losses.append(answer.pop("loss"))
        entrant.facts.append(answer)


def check_losses(workload: Workload, entrants: Sequence[Entrant], case: Any) -> None:
    """Whoever's weights do not end where those of the reference end, after the same steps, is void."""
    for order in {entrant.order for entrant in entrants if entrant.losses}:
        reference = Reference(first_member(case) if workload.is_sweep else case, order != EACH_ITS_OWN)
        for entrant in sorted(entrants, key=lambda each: each.units):
            if entrant.losses and entrant.order == order and not entrant.failure:
                epochs = workload.epochs if workload.is_sweep else entrant.units
                _check_loss(workload, entrant, reference.loss(epochs), reference.first_loss)


def _check_loss(workload: Workload, entrant: Entrant, expected: float, first: float) -> None:
    entrant.expected = expected
    entrant.difference = max(abs(loss - expected) for loss in entrant.losses) / first
    if not entrant.difference <= workload.tolerance:
        apart = f"{entrant.difference:.1e} from the reference, more than {workload.tolerance:.0e}"
        entrant.failure = f"void: its loss ends {apart}"
