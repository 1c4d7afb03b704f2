"""Runs cases in several processes: those that share a compiled program in the same one."""

import contextlib
import functools
import gc
import multiprocessing
import os
import queue
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from itertools import groupby
from typing import Any

from jaxgd._checks import unknown_name
from jaxgd._compilation_cache import folder_in_use, share_programs
from jaxgd.parity.case import Case, Outcome

_CHUNK, _ROUND = 10.0, 40
"""Seconds of work in a chunk, about; chunks that one process runs before it is replaced."""
_GARBAGE = 50_000
"""Objects that are made before Python looks for unreachable ones: 700 by default."""
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
    cases: Sequence[Case],
    processes: int | None = None,
    report: Callable[[Outcome], None] | None = None,
    *,
    plain: bool = True,
) -> list[Outcome]:
    """What came of each case, in the cases' order.

    Args:
      cases: which.
      processes: how many run at the same time; None for one a core.
      report: called with each outcome as it comes.
      plain: whether to measure how far plain JAX and optax are, which takes a twentieth of the time.
    """

    def show(outcomes: list[Outcome]) -> None:
        if report is not None:
            for outcome in outcomes:
                report(outcome)

    done = in_processes(functools.partial(run_here, plain=plain), list(chunks(cases)), processes, show)
    outcomes = {outcome.case: outcome for chunk in done for outcome in chunk}
    return [outcomes[case] for case in cases]


def in_processes(
    function: Callable[[Any], Any],
    arguments: Sequence[Any],
    processes: int | None = None,
    show: Callable[[Any], None] | None = None,
) -> list[Any]:
    """`function` of each argument, in fresh processes; `show` gets each result as it comes.

    Each thread here has a process of its own and takes the next argument when it is done, so that none waits
    for another; what one compiled, the others only read. Processes are replaced now and then, as TensorFlow
    keeps every graph it has made. The pool's own way to do so (`max_tasks_per_child`) can wait for ever in
    Python 3.11.
    """
    pending: queue.SimpleQueue[int] = queue.SimpleQueue()
    for index in range(len(arguments)):
        pending.put(index)
    results: dict[int, Any] = {}
    one_at_a_time = threading.Lock()

    def note(index: int, result: Any) -> None:
        with one_at_a_time:
            results[index] = result
            if show is not None:
                show(result)

    def lane(folder: str) -> None:
        while not pending.empty():
            _round(function, arguments, pending, note, folder)

    count = max(1, min(processes or os.cpu_count() or 1, len(arguments)))
    with _shared_programs() as folder, ThreadPoolExecutor(count) as lanes:
        try:
            for ended in [lanes.submit(lane, folder) for _ in range(count)]:
                ended.result()
        except BaseException:  # the others end with what they are at
            with contextlib.suppress(queue.Empty):
                while True:
                    pending.get_nowait()
            raise
    return [results[index] for index in range(len(arguments))]


def _round(
    function: Callable[[Any], Any],
    arguments: Sequence[Any],
    pending: "queue.SimpleQueue[int]",
    note: Callable[[int, Any], None],
    folder: str,
) -> None:
    """What one process does before it is replaced."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, context, initializer=_start, initargs=(folder,)) as pool:
        for _ in range(_ROUND):
            try:
                index = pending.get_nowait()
            except queue.Empty:
                return
            note(index, pool.submit(function, arguments[index]).result())


def chunks(cases: Sequence[Case]) -> Iterator[list[Case]]:
    """Lists of cases that share programs, about equally long; those of costly cases come first."""
    from jaxgd.parity.catalogue import FAMILIES

    def order(case: Case) -> tuple[float, str]:
        return (-FAMILIES[case.family].cost, repr(case.program))

    chunk: list[Case] = []
    seconds = 0.0
    for _, group in groupby(sorted(cases, key=order), key=lambda case: case.program):
        chunk += (same := list(group))
        seconds += sum(FAMILIES[case.family].cost for case in same)
        if seconds >= _CHUNK:
            yield chunk
            chunk, seconds = [], 0.0
    if chunk:
        yield chunk


def run_here(cases: Sequence[Case], plain: bool = True) -> list[Outcome]:
    """Run cases in this process; what was compiled for them is dropped afterwards."""
    import jax

    from jaxgd.parity.catalogue import FAMILIES
    from jaxgd.parity.judge import judge

    outcomes = [judge(FAMILIES[case.family], case, plain=plain) for case in cases]
    jax.clear_caches()
    return outcomes


@contextlib.contextmanager
def _shared_programs() -> Iterator[str]:
    """The folder of compiled programs that this process was told to use, or one that goes away afterwards."""
    with contextlib.ExitStack() as stack:
        yield folder_in_use() or stack.enter_context(tempfile.TemporaryDirectory(prefix="jaxgd-parity-"))


def _start(folder: str) -> None:
    """A worker's process: one thread, no messages of TensorFlow's, programs that others compiled."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.setdefault("JAX_PLATFORMS", "cpu")
    silent = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silent, 2)
    share_programs(folder)
    gc.set_threshold(_GARBAGE)  # a full collection looks at a million objects of TensorFlow's and JAX's
