"""What was set out to be reached, and whether this run reached it."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from jaxgd.bench.cold import FIRST, SECOND, TENSORFLOW
from jaxgd.bench.programs import SINGLE

_FRAMEWORKS = (
    "Keras fit on JAX",
    "PyTorch, eager",
    "PyTorch, torch.compile",
    "flax.nnx",
    "equinox",
    "scikit-learn",
)
_WIDE = ("TensorFlow", "PyTorch")

Results = Mapping[str, Any]


class Goal(NamedTuple):
    """A number that is to be at least (or at most) a bar."""

    workload: str
    text: str
    value: Callable[[Results], float | None]
    """From the results; None where what it needs was not measured."""
    bar: float
    aim: float | None = None
    at_most: bool = False
    fastest_of: tuple[str, ...] = ()
    """The peers whose fastest counts, or the beginnings of their names."""

    def judge(self, results: Results) -> dict[str, Any]:
        """The goal as a row: value, bar, and "met", "missed" or "not measured"."""
        value = self.value(results)
        met = value is not None and (value <= self.bar if self.at_most else value >= self.bar)
        verdict = "not measured" if value is None else "met" if met else "missed"
        sign = "at most" if self.at_most else "at least"
        return {
            "workload": self.workload,
            "goal": self.text,
            "bar": f"{sign} {self.bar:g}",
            "aim": self.aim,
            "value": value,
            "verdict": verdict,
            "without": [] if value is None else self._without(results),
        }

    def _without(self, results: Results) -> list[str]:
        """Of the peers whose fastest counts, those that were not measured."""
        peers = [peer for peer in SINGLE if peer.startswith(self.fastest_of)] if self.fastest_of else []
        return [peer for peer in peers if _row(results, self.workload, peer) is None]


def _row(results: Results, workload: str, peer: str) -> Mapping[str, Any] | None:
    rows = results["workloads"].get(workload, {}).get("rows", ())
    return next((row for row in rows if row["peer"] == peer and "failure" not in row), None)


def _times_slower(workload: str, *peers: str) -> Callable[[Results], float | None]:
    """How many times slower than jaxgd the fastest of these peers is."""

    def value(results: Results) -> float | None:
        rows = results["workloads"].get(workload, {}).get("rows", ())
        ratios = [row["ratio"]["median"] for row in rows if "ratio" in row and row["peer"].startswith(peers)]
        return min(ratios, default=None)

    return value


def _times_the_time_of(workload: str, peer: str) -> Callable[[Results], float | None]:
    """How many times the time of this very peer jaxgd takes."""

    def value(results: Results) -> float | None:
        row = _row(results, workload, peer)
        return None if row is None or "ratio" not in row else 1 / row["ratio"]["median"]

    return value


def _share_of_products(workload: str) -> Callable[[Results], float | None]:
    """The products of a step, each alone, over the step of the fastest jaxgd."""

    def value(results: Results) -> float | None:
        facts = results["workloads"].get(workload, {})
        base = _row(results, workload, facts.get("base") or "")
        reference = facts.get("reference") or {}
        if base is None or "products_us" not in reference:
            return None
        return reference["products_us"]["median"] / base["us_per_step"]["median"]

    return value


def _cold(quantity: str, run: str) -> Callable[[Results], float | None]:
    """Of a run of jaxgd over TensorFlow's."""

    def value(results: Results) -> float | None:
        mine, theirs = _row(results, "cold", run), _row(results, "cold", TENSORFLOW)
        return mine[quantity]["median"] / theirs[quantity]["median"] if mine and theirs else None

    return value


def _nonlinearity(axis: str) -> Callable[[Results], float | None]:
    return lambda results: results.get("growth", {}).get(axis, {}).get("exponent")


GOALS = (
    Goal("seed", "times faster than the eager GradientTape loop", _times_slower("seed", TENSORFLOW), 1000),
    Goal("seed", "times faster than tf.function", _times_slower("seed", "TensorFlow, tf.function"), 100),
    Goal(
        "seed",
        "times faster than the loop in the graph with XLA",
        _times_slower("seed", "TensorFlow, loop in the graph, XLA"),
        5,
    ),
    Goal("seed", "time over that of plain C", _times_the_time_of("seed", "C"), 1.3, 1.0, at_most=True),
    Goal(
        "seed",
        "time over that of C with vectors by hand",
        _times_the_time_of("seed", "C, vectors by hand"),
        1.3,
        1.0,
        at_most=True,
    ),
    Goal(
        "tabular",
        "times faster than the fastest of Keras on JAX, PyTorch, flax.nnx, equinox, scikit-learn",
        _times_slower("tabular", *_FRAMEWORKS),
        5,
        7,
        fastest_of=_FRAMEWORKS,
    ),
    Goal(
        "tabular", "times faster than Keras fit on TensorFlow", _times_slower("tabular", "Keras fit on T"), 25
    ),
    Goal("tabular", "its products, each alone, over the step", _share_of_products("tabular"), 0.6, 0.8),
    *(
        Goal(
            f"wide-{batch}",
            "times faster than the fastest of TensorFlow and PyTorch",
            _times_slower(f"wide-{batch}", *_WIDE),
            1.0,
            1.2,
            fastest_of=_WIDE,
        )
        for batch in (32, 256, 1024)
    ),
    Goal("sweep", "times faster than scikit-learn, per model and step", _times_slower("sweep", "scikit"), 40),
    Goal("sweep", "times faster than jaxgd's own runs one by one", _times_slower("sweep", "jaxgd.fit"), 1.7),
    Goal("cold", "first run: wall time over TensorFlow's", _cold("seconds", FIRST), 0.7, at_most=True),
    Goal("cold", "first run: peak memory over TensorFlow's", _cold("memory_mib", FIRST), 0.5, at_most=True),
    Goal("cold", "second run: wall time over TensorFlow's", _cold("seconds", SECOND), 0.35, at_most=True),
    Goal("growth", "exponent of time over steps, 1e3 to 1e6", _nonlinearity("steps"), 1.1, 1.0, at_most=True),
    Goal(
        "growth",
        "exponent of time over members, 1 to 1,000",
        _nonlinearity("members"),
        1.1,
        1.0,
        at_most=True,
    ),
)


def judged(results: Results) -> list[dict[str, Any]]:
    """Every goal with its value and verdict."""
    return [goal.judge(results) for goal in GOALS]
