"""Rows of numbers from what was measured: minimum, median, ratio with spread."""

import statistics
from collections.abc import Sequence
from typing import Any

from jaxgd.bench.measuring import Entrant
from jaxgd.bench.workloads import Workload


def base_of(workload: Workload, entrants: Sequence[Entrant]) -> Entrant | None:
    """What the others are compared with: `jaxgd.sweep`, or the fastest of jaxgd's calls for a single run."""
    own = [each for each in entrants if each.child.program.name == "jaxgd" and is_valid(each)]
    if workload.is_sweep:
        own = [each for each in own if each.peer == "jaxgd.sweep"] or own
    return min(own, key=lambda each: statistics.median(step_times(workload, each)), default=None)


def is_valid(entrant: Entrant) -> bool:
    """Whether it was measured and ended where the reference ends."""
    return bool(entrant.seconds) and not entrant.failure


def rows_of(workload: Workload, entrants: Sequence[Entrant], base: Entrant | None) -> list[dict[str, Any]]:
    """One dict for each entrant, the fastest first, those that failed last."""
    rows = [_row(workload, entrant, base) for entrant in entrants]
    return sorted(rows, key=lambda row: row.get("us_per_step", {}).get("median", float("inf")))


def _row(workload: Workload, entrant: Entrant, base: Entrant | None) -> dict[str, Any]:
    row: dict[str, Any] = {"peer": entrant.peer, "program": entrant.child.program.name}
    if not is_valid(entrant):
        return {**row, "failure": entrant.failure or "not measured"}
    times = step_times(workload, entrant)
    row |= {
        "us_per_step": summary([1e6 * each for each in times]),
        "steps_a_round": entrant.units * workload.steps_per_unit,
        "first_seconds": round(entrant.first, 4),
        "loss": entrant.losses[-1] if entrant.losses else None,
        "expected_loss": entrant.expected,
        "loss_difference": entrant.difference,
        "order": entrant.order,
        "flop_per_second": workload.flop / statistics.median(times),
    }
    if base is not None and entrant is not base:
        row["ratio"] = ratio(times, step_times(workload, base))
    return row


def step_times(workload: Workload, entrant: Entrant) -> list[float]:
    """Seconds a step in each round."""
    steps = entrant.units * workload.steps_per_unit
    return [seconds / steps for seconds in entrant.seconds]


def summary(values: Sequence[float]) -> dict[str, float]:
    """Minimum, median and the middle half."""
    low, _, high = statistics.quantiles(values, n=4) if len(values) > 1 else (values[0],) * 3
    return {
        "minimum": min(values),
        "median": statistics.median(values),
        "low": max(low, min(values)),
        "high": min(high, max(values)),
        "rounds": len(values),
    }


def ratio(times: Sequence[float], base: Sequence[float]) -> dict[str, float]:
    """Of times to those of the base, round for round."""
    return summary([one / other for one, other in zip(times, base, strict=False)])


def reference_of(entrant: Entrant) -> dict[str, Any]:
    """The matrix products of a step, each alone, and the rate of a large one."""
    if not is_valid(entrant):
        return {"failure": entrant.failure or "not measured"}
    return {
        "products_us": summary([1e6 * each for each in entrant.seconds]),
        "square_flop_per_second": max(each["square_rate"] for each in entrant.facts),
        "products": entrant.facts[-1]["products"],
    }
