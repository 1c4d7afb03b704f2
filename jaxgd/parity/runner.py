"""Runs cases in several processes: those that share a compiled program in the same one."""

import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from itertools import groupby
from typing import Any

from jaxgd._checks import unknown_name
from jaxgd.parity.case import Case, Outcome

_CHUNK, _ROUND = 24, 40
"""Cases in a chunk; chunks that one process runs before it is replaced."""
_SMOKE = {
    "activation": 50,
    "loss": 24,
    "metric": 8,
    "initializer": 40,
    "penalty": 20,
    "schedule": 8,
    "optimizer": 14,
    "gradient": 6,
    "fit": 2,
    "trajectory": 2,
}
"""How many cases of each family are run in less than a minute."""


def select(
    family: str | None = None,
    pattern: str = "",
    *,
    smoke: bool = False,
    catalogue: Sequence[Case] | None = None,
) -> list[Case]:
    """The cases of a family (None: of all) whose id contains `pattern`.

    Args:
      family: a family's name.
      pattern: part of the ids.
      smoke: whether to take only a few of each family, spread evenly.
      catalogue: the cases to choose from; None for all.

    Raises:
      ValueError: an unknown family.
    """
    from jaxgd.parity import catalogue as whole

    if family is not None and family not in whole.FAMILIES:
        raise unknown_name("family", family, whole.FAMILIES)
    everything = whole.cases() if catalogue is None else catalogue
    chosen = [case for case in everything if family in (None, case.family) and pattern in case.id]
    return _spread(chosen) if smoke else chosen


def _spread(cases: Sequence[Case]) -> list[Case]:
    """A few cases of each family, evenly spaced."""
    kept = []
    for name, group in groupby(cases, key=lambda case: case.family):
        of_family = list(group)
        count = min(_SMOKE.get(name, 10), len(of_family))
        kept += [of_family[index * len(of_family) // count] for index in range(count)]
    return kept


def run(
    cases: Sequence[Case], processes: int | None = None, report: Callable[[Outcome], None] | None = None
) -> list[Outcome]:
    """What came of each case, in the cases' order.

    Args:
      cases: which.
      processes: how many run at the same time; None for one a core.
      report: called with each outcome as it comes.
    """

    def show(outcomes: list[Outcome]) -> None:
        if report is not None:
            for outcome in outcomes:
                report(outcome)

    done = in_processes(run_here, list(chunks(cases)), processes, show)
    outcomes = {outcome.case: outcome for chunk in done for outcome in chunk}
    return [outcomes[case] for case in cases]


def in_processes(
    function: Callable[[Any], Any],
    arguments: Sequence[Any],
    processes: int | None = None,
    show: Callable[[Any], None] | None = None,
) -> list[Any]:
    """`function` of each argument, in fresh processes; `show` gets each result as it comes.

    Processes are replaced now and then, as TensorFlow keeps every graph it has made. The pool's own way to do
    so (`max_tasks_per_child`) can wait for ever in Python 3.11.
    """
    results: list[Any] = []
    count = max(1, min(processes or os.cpu_count() or 1, len(arguments)))
    for start in range(0, len(arguments), _ROUND * count):
        results += _round(function, arguments[start : start + _ROUND * count], count, show)
    return results


def _round(
    function: Callable[[Any], Any],
    arguments: Sequence[Any],
    count: int,
    show: Callable[[Any], None] | None,
) -> list[Any]:
    """`in_processes`, in one set of processes."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(count, context, initializer=_start) as pool:
        futures = [pool.submit(function, argument) for argument in arguments]
        for future in as_completed(futures):
            if show is not None:
                show(future.result())
    return [future.result() for future in futures]


def chunks(cases: Sequence[Case]) -> Iterator[list[Case]]:
    """Lists of cases that share programs, at most about 24 in one."""
    groups = groupby(sorted(cases, key=lambda case: repr(case.program)), key=lambda case: case.program)
    chunk: list[Case] = []
    for _, group in groups:
        chunk += group
        if len(chunk) >= _CHUNK:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def run_here(cases: Sequence[Case]) -> list[Outcome]:
    """Run cases in this process; what was compiled for them is dropped afterwards."""
    import jax

    from jaxgd.parity.catalogue import FAMILIES
    from jaxgd.parity.judge import judge

    outcomes = [judge(FAMILIES[case.family], case) for case in cases]
    jax.clear_caches()
    return outcomes


def _start() -> None:
    """A worker's process: one thread, no messages of TensorFlow's on the terminal."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.setdefault("JAX_PLATFORMS", "cpu")
    silent = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silent, 2)
