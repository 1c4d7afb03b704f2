"""One case from its numbers to its verdict: both sides, the comparison, the gate, the known differences."""

import functools
import importlib
import time
from dataclasses import replace
from typing import Any

import numpy as np

from jaxgd.parity import known_differences
from jaxgd.parity.case import Case, Family, Outcome, Results
from jaxgd.parity.comparator import Tolerance, compare, leaves

FLOAT64, FLOAT32 = 1e-12, 2e-6
"""The demands: relative to the largest reference value; see `docs/parity.md`."""
TRAJECTORY = "trajectory"
"""The result that holds {path: [checkpoints, ...]} and is drawn as a curve."""
TIMES_KERAS = 2.0
"""In float32, jaxgd may be this much farther from the float64 truth than TensorFlow is."""
FARTHEST = 0.05
"""A truth that TensorFlow itself is farther from is another computation, and excuses nothing."""


def judge(family: Family, case: Case, *, truths: bool = True, plain: bool = True) -> Outcome:
    """Run a case on both sides and say whether it passes.

    Args:
      family: the case's.
      case: which.
      truths: whether a float32 case beyond its tolerance may pass by its distance from the float64 truth.
      plain: whether to measure how far plain JAX or optax is; no verdict depends on it.

    Returns: an `Outcome`; an exception of either side is a failed case.
    """
    start = time.perf_counter()
    try:
        outcome = _judge(family, case, truths)
        if plain:
            outcome = replace(outcome, plain=_plain_distance(family, case))
    except Exception as error:
        message = f"{type(error).__name__}: {' '.join(str(error).split())[:500]}"
        outcome = Outcome(case, False, np.inf, -1, False, False, message)
    return replace(outcome, seconds=time.perf_counter() - start)


def expected_of(family: Family, case: Case, inputs: Any) -> Results:
    """What TensorFlow computes."""
    from jaxgd.parity.keras_side import precision

    side = importlib.import_module(f"jaxgd.parity.keras_side.{family.name}")
    with precision(case.dtype):
        return side.expected(case, inputs)


@functools.lru_cache(maxsize=64)
def reference(family: Family, case: Case) -> tuple[Any, Results]:
    """A case's numbers and what TensorFlow computes from them.

    The last ones are kept: the float64 truth of a float32 case is itself a case, and a planted bug meets the
    cases that were green without it.
    """
    inputs = inputs_of(family, case)
    return inputs, expected_of(family, case, inputs)


def inputs_of(family: Family, case: Case) -> Any:
    """The case's numbers."""
    import jax

    with jax.enable_x64(case.dtype == "float64"):
        return family.inputs(case)


def got_of(family: Family, case: Case, inputs: Any) -> Results:
    """What jaxgd computes."""
    import jax

    with jax.enable_x64(case.dtype == "float64"):
        return {name: _host(value) for name, value in family.got(case, inputs).items()}


def _judge(family: Family, case: Case, truths: bool) -> Outcome:
    inputs, expected = reference(family, case)
    got = got_of(family, case, inputs)
    tolerance = family.tolerance(case)
    found = compare(expected, got, tolerance)
    outcome = Outcome(
        case,
        found.passed,
        found.norm_error,
        found.ulps,
        found.bit_equal,
        tolerance.bit_equal,
        "" if found.passed else str(found),
    )
    known = known_differences.find(case)
    if known is not None:
        message = known.verdict(found.norm_error)
        return replace(outcome, passed=not message, demands_bits=False, message=message, known=known.id)
    wants_truth = not found.passed or TRAJECTORY in expected
    if wants_truth and truths and case.dtype == "float32" and not tolerance.bit_equal:
        outcome = _against_truth(family, outcome, expected, got)
    elif TRAJECTORY in expected:
        outcome = replace(outcome, curve={"jaxgd from Keras": _curve(expected, got)})
    empty = family.gate(case, expected)
    return replace(outcome, passed=False, message=f"proves nothing: {empty}") if empty else outcome


def _against_truth(family: Family, outcome: Outcome, expected: Results, got: Results) -> Outcome:
    """A float32 case by its distance from float64, beside TensorFlow's own."""
    drawn = {
        name: compare(expected[name], got[name], family.tolerance(outcome.case)) for name in family.drawn
    }
    if not all(found.passed for found in drawn.values()):
        return outcome
    truth, expected, got = (
        {name: value for name, value in results.items() if name not in family.drawn}
        for results in (reference(family, outcome.case.in_float64())[1], expected, got)
    )
    distances = {"jaxgd": _distance(truth, got), "keras": _distance(truth, expected)}
    if TRAJECTORY in truth:
        curve = {"jaxgd": _curve(truth, got), "TensorFlow": _curve(truth, expected)}
        outcome = replace(outcome, curve=curve)
    near = distances["jaxgd"] <= TIMES_KERAS * distances["keras"] and distances["keras"] <= FARTHEST
    if near:
        return replace(outcome, passed=True, message="", truth=distances)
    words = f"; from float64: jaxgd {distances['jaxgd']:.3g}, TensorFlow {distances['keras']:.3g}"
    return replace(outcome, message=outcome.message + words, truth=distances)


def _curve(truth: Results, results: Results) -> tuple[float, ...]:
    """The distance at every checkpoint of a trajectory, relative to the largest weight."""
    theirs, ours = truth[TRAJECTORY], results[TRAJECTORY]
    count = len(next(iter(theirs.values())))
    scope = Tolerance(scope="tree", same_dtype=False)
    return tuple(
        compare({k: v[i] for k, v in theirs.items()}, {k: v[i] for k, v in ours.items()}, scope).norm_error
        for i in range(count)
    )


def _distance(truth: Results, results: Results) -> float:
    return compare(truth, results, Tolerance(same_dtype=False)).norm_error


def _plain_distance(family: Family, case: Case) -> float | None:
    """How far plain JAX or optax is from Keras; never a reason to fail."""
    if family.plain is None:
        return None
    import jax

    inputs, expected = reference(family, case)
    with jax.enable_x64(case.dtype == "float64"):
        plain = family.plain(case, inputs)
    if plain is None:
        return None
    shared = {name: expected[name] for name in plain}
    scope = Tolerance(scope="tree", same_dtype=False)
    return compare(shared, {name: _host(value) for name, value in plain.items()}, scope).norm_error


def _host(tree: Any) -> Any:
    """A tree's leaves as NumPy arrays."""
    import jax

    return jax.tree.map(np.asarray, tree)


def largest(results: Results) -> float:
    """The largest finite number of all results: what gates look at.

    >>> largest({"gradient": np.array([0.0, -3.0])})
    3.0
    """
    arrays = [np.abs(leaf[np.isfinite(leaf)]) for _, leaf in leaves(results) if leaf is not None]
    return max((float(array.max(initial=0.0)) for array in arrays), default=0.0)
