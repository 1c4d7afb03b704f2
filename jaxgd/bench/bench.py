"""The whole bench: starts the peers, measures every workload, judges the goals."""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jaxgd.bench import cold, workloads
from jaxgd.bench.child import Child, PeerError
from jaxgd.bench.figures import base_of, reference_of, rows_of
from jaxgd.bench.goals import judged
from jaxgd.bench.growth import measure_growth
from jaxgd.bench.machine import describe_machine, load_average
from jaxgd.bench.measuring import Effort, measure
from jaxgd.bench.programs import PROGRAMS, REFERENCE, Program

QUICK = Effort(rounds=3, seconds=0.06, timeout=60.0, full=False, whole=140.0)
FULL = Effort(rounds=11, seconds=0.4, timeout=300.0, full=True, budget=45.0, least=5)
_QUICK_WORKLOADS = ("seed", "tabular", "wide-256", "sweep", workloads.COLD)
_COLD_ROUNDS = {False: 1, True: 3}

Tell = Callable[[str], None]
Keep = Callable[[dict[str, Any]], None]


@dataclass(frozen=True)
class Request:
    """What to measure.

    Attributes:
      folder: of the peers' programs.
      effort: rounds and their length.
      workloads: names; empty for those of the effort.
      peers: parts of names of peers or programs; empty for all. jaxgd always takes part.
      pythons: {program: interpreter}.
    """

    folder: Path
    effort: Effort = QUICK
    workloads: tuple[str, ...] = ()
    peers: tuple[str, ...] = ()
    pythons: dict[str, str] = field(default_factory=dict)

    def chosen(self, peer: str) -> bool:
        """Whether a peer takes part."""
        wanted = not self.peers or any(part.lower() in peer.lower() for part in self.peers)
        return wanted or peer.startswith("jaxgd")

    @property
    def names(self) -> tuple[str, ...]:
        """The workloads to measure."""
        return self.workloads or (workloads.NAMES if self.effort.full else _QUICK_WORKLOADS)


def run_bench(
    request: Request,
    tell: Tell = lambda line: None,
    kept: Mapping[str, Any] | None = None,
    keep: Keep = lambda measured: None,
) -> dict[str, Any]:
    """Measure, and give everything back as JSON takes it.

    Args:
      request: what.
      tell: called with a line about each step.
      kept: workloads that an earlier call measured; they are not measured again.
      keep: called with all workloads so far, after each.
    """
    started, load = time.time(), load_average()
    measured: dict[str, Any] = dict(kept or {})
    earlier = [name for name in request.names if name in measured]
    with ExitStack() as stack:
        children, programs = _start(request, stack, tell)
        until = time.monotonic() + (request.effort.whole or math.inf)
        for name in request.names:
            if name != workloads.COLD and name not in earlier:
                measured[name] = _one(workloads.get(name), children, programs, request, tell, until)
                keep(measured)
        grown = {}
        if request.effort.full and not request.workloads and "jaxgd" in children:
            grown = measure_growth(children["jaxgd"], request.effort.timeout, tell)
    if workloads.COLD in request.names and workloads.COLD not in earlier:
        rounds = _COLD_ROUNDS[request.effort.full]
        rows = cold.measure_cold(request.folder, request.pythons, request.chosen, rounds, tell)
        measured[workloads.COLD] = {"title": cold.TITLE, "rows": cold.void_rows(rows)}
        keep(measured)
    measured = {name: measured[name] for name in request.names}
    results: dict[str, Any] = {
        "version": 1,
        "date": time.strftime("%Y-%m-%d", time.gmtime(started)),
        "effort": request.effort._asdict(),
        "machine": describe_machine() | {"load_before": load, "load_after": load_average()},
        "minutes": round((time.time() - started) / 60, 1),
        "programs": programs,
        "workloads": measured,
        "growth": grown,
        "earlier": earlier,
        "left_out": [name for name in workloads.NAMES if name not in request.names],
    }
    return results | {"goals": judged(results)}


def _start(
    request: Request, stack: ExitStack, tell: Tell
) -> tuple[dict[str, Child], dict[str, dict[str, Any]]]:
    """The processes that could be started, and what is known of every program."""
    wanted = [program for program in (*PROGRAMS, REFERENCE) if _is_wanted(program, request)]
    tell(f"starting {', '.join(program.name for program in wanted)}")
    started = []
    for program in wanted:
        started.append(Child(program, request.folder, request.pythons.get(program.name)))
        stack.callback(started[-1].close)
    children, programs = {}, {}
    for child in started:
        try:
            facts = child.receive(request.effort.timeout)
        except PeerError as error:
            programs[child.program.name] = {"absent": str(error)}
            continue
        children[child.program.name] = child
        programs[child.program.name] = {"versions": facts["versions"]}
    return children, programs


def _is_wanted(program: Program, request: Request) -> bool:
    if program is REFERENCE:
        return any(name != workloads.COLD for name in request.names)
    peers = [peer for peer, of in program.peers.items() if set(of) & set(request.names)]
    return any(request.chosen(peer) for peer in peers)


def _one(
    workload: workloads.Workload,
    children: dict[str, Child],
    programs: dict[str, dict[str, Any]],
    request: Request,
    tell: Tell,
    until: float,
) -> dict[str, Any]:
    """Rows of one workload, with a line for every peer that is absent or waits for the full bench."""
    entering, absent = _entering(workload, children, programs, request)
    entrants = measure(workload, entering, request.effort, tell, until)
    own = [entrant for entrant in entrants if entrant.child.program is not REFERENCE]
    machine = [entrant for entrant in entrants if entrant.child.program is REFERENCE]
    base = base_of(workload, own)
    return {
        "title": workload.title,
        "flop_per_step": workload.flop,
        "tolerance": workload.tolerance,
        "base": base and base.peer,
        "rows": [*rows_of(workload, own, base), *absent],
        "reference": reference_of(machine[0]) if machine else None,
    }


def _entering(
    workload: workloads.Workload,
    children: dict[str, Child],
    programs: dict[str, dict[str, Any]],
    request: Request,
) -> tuple[list[tuple[str, Child]], list[dict[str, Any]]]:
    entering: list[tuple[str, Child]] = []
    absent = []
    for program in (*PROGRAMS, REFERENCE):
        for peer in _peers_in(program, workload, request):
            if program.name not in children:
                absent.append(
                    {"peer": peer, "program": program.name, "failure": programs[program.name]["absent"]}
                )
            elif peer in program.slow and not request.effort.full and not request.peers:
                absent.append(
                    {
                        "peer": peer,
                        "program": program.name,
                        "failure": "only with --full: it compiles for long",
                    }
                )
            else:
                entering.append((peer, children[program.name]))
    return entering, absent


def _peers_in(program: Program, workload: workloads.Workload, request: Request) -> Sequence[str]:
    if program is REFERENCE:
        return [] if workload.is_sweep else list(program.peers)
    return [peer for peer, names in program.peers.items() if workload.name in names and request.chosen(peer)]
