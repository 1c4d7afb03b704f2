"""How time grows with the number of steps and of members: linearly, or not."""

import dataclasses
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jaxgd.bench.child import Child, PeerError
from jaxgd.bench.workloads import Workload, get, make_case, write_case

STEPS = (1_000, 10_000, 100_000, 1_000_000)
MEMBERS = ((1, 1), (1, 10), (10, 10), (100, 10))
"""(seeds, learning rates)."""


def measure_growth(child: Child, timeout: float, tell: Callable[[str], None]) -> dict[str, Any]:
    """{"steps": ..., "members": ...}: sizes, seconds (the better of two) and the fitted exponent."""
    seed, sweep = get("seed"), get("sweep")
    runs = {
        "steps": [("jaxgd.fit", seed, steps, steps) for steps in STEPS],
        "members": [
            (
                "jaxgd.sweep",
                dataclasses.replace(sweep, seeds=seeds, rates=rates),
                seeds * rates,
                seeds * rates,
            )
            for seeds, rates in MEMBERS
        ],
    }
    grown: dict[str, Any] = {}
    for axis, each in runs.items():
        tell(f"growth with {axis}")
        try:
            seconds = [_seconds(child, timeout, *run[:3]) for run in each]
        except PeerError as error:
            grown[axis] = {"failure": str(error)}
            continue
        sizes = [run[3] for run in each]
        grown[axis] = {
            "peer": each[0][0],
            "sizes": sizes,
            "seconds": seconds,
            "exponent": exponent(sizes, seconds),
            "exponent_of_the_upper_half": exponent(sizes[len(sizes) // 2 :], seconds[len(sizes) // 2 :]),
        }
    return grown


def _seconds(child: Child, timeout: float, peer: str, workload: Workload, units: int) -> float:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "case.npz")
        write_case(path, make_case(workload, min(workload.epochs, 8)))
        first = child.ask(timeout, do="prepare", case=str(path), peer=peer, units=units)
        return min(first["seconds"], child.ask(timeout, do="measure", peer=peer, units=units)["seconds"])


def exponent(sizes: Sequence[float], seconds: Sequence[float]) -> float:
    """p of seconds ~ sizes**p, by least squares on logarithms.

    >>> round(exponent([1, 10, 100], [2.0, 20.0, 200.0]), 6)
    1.0
    """
    return float(np.polyfit(np.log(sizes), np.log(seconds), 1)[0])
