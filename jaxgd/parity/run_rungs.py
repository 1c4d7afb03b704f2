"""The rungs of whole runs: a trajectory of jaxgd's own, `fit`, `evaluate` and `predict`."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from jaxgd.parity.comparator import Comparison, Tolerance, compare
from jaxgd.parity.replay import Replay, Truth
from jaxgd.parity.rung import (
    DRIFT,
    EPSILON,
    EXACT,
    FOREIGN,
    Rung,
    Status,
    below,
    each_leaf,
    judged,
    skipped,
    steps_of,
    whole,
)
from jaxgd.parity.trace.recording import Recording, flat


def trajectory(replay: Replay, truth: Truth | None, steps: int | None = None) -> Rung:
    """A run of its own over the recorded rows: parameters after every step, or of the first few."""
    params = below(replay.recording, "params")
    expected = {path: params[path][1:][:steps] for path in params}
    ours = {path: array[:steps] for path, array in replay.trajectory["params"].items() if path in expected}
    exact = None if truth is None else {path: array[:steps] for path, array in truth.trajectory.items()}
    rung = _run(replay, "trajectory", expected, ours, exact)
    if not replay.noise:
        return rung
    note = f"{', '.join(replay.noise)} as recorded: no gradient but rounding reaches it"
    return replace(rung, message=f"{rung.message}; {note}")


def _run(replay: Replay, name: str, expected: Any, ours: Any, truth: Any) -> Rung:
    """Parameters that many steps led to."""
    if replay.recording.dtype == "float64":
        return judged(name, compare(expected, ours, each_leaf(replay.recording, expected)), steps_of(replay))
    if not replay.setup.cells:
        return judged(name, compare(expected, ours, Tolerance(FOREIGN)), steps_of(replay))
    if truth is None:  # of random layers, which draw other numbers in float64
        return judged(name, compare(expected, ours, Tolerance(1e-5)), steps_of(replay))
    return distances(name, expected, ours, truth)


def distances(
    name: str, theirs: Mapping[str, Any], ours: Mapping[str, Any], truth: Mapping[str, Any]
) -> Rung:
    """float32: jaxgd at most twice as far from the float64 truth as the recording, or one rounding.

    The truth is jaxgd's own, so the recording has to be near it too: rounding takes a run of 1,000 steps of a
    wide network 1e-5 away.
    """
    form = compare(theirs, ours, Tolerance(np.inf))
    if form.problem:
        return judged(name, form)
    scale = max(_norm(truth, None), 1e-300)
    far, near = _norm(theirs, truth) / scale, _norm(ours, truth) / scale
    holds = near <= max(2 * far, EPSILON["float32"]) and far <= DRIFT
    status: Status = "passed" if holds else "failed"
    message = f"from the float64 truth: jaxgd {near:.2g}, recorded {far:.2g}"
    detail = "" if status == "passed" else f"; {form}"
    return Rung(name, status, message + detail, form.norm_error, form.bit_equal)


def _norm(tree: Mapping[str, Any], truth: Mapping[str, Any] | None) -> float:
    """The Euclidean norm of a tree, or of its distance from another."""
    total = 0.0
    for path, array in tree.items():
        difference = np.asarray(array, np.float64) - (0.0 if truth is None else np.asarray(truth[path]))
        total += float((difference**2).sum())
    return float(np.sqrt(total))


def fit(replay: Replay, truth: Truth | None) -> Rung:
    """The history of `fit`, and the parameters after it."""
    recording = replay.recording
    history, params = below(recording, "history"), below(recording, "fit")
    if not history:
        return skipped("fit", "not recorded")
    result = replay.fit()
    ours = {column: np.asarray(values, np.float64) for column, values in result.history.items()}
    first = judged("fit", _values(recording, history, ours), f"{', '.join(history)}")
    if first.status == "failed" or not params:
        return first
    left_out = {*replay.noise, *(replay.at_recorded_params["statistics"] if replay.noise else ())}
    params = {path: array for path, array in params.items() if path not in left_out}
    mine = {path: array for path, array in flat(result.params).items() if path in params}
    last = _run(replay, "fit", params, mine, None if truth is None else truth.fit)
    note = f"; without {', '.join(sorted(left_out))}" if left_out else ""
    return replace(last, message=f"{first.message}; {last.message}{note}")


def evaluate(replay: Replay) -> Rung:
    """Loss and metrics at the last recorded parameters."""
    expected = below(replay.recording, "evaluate")
    if not expected:
        return skipped("evaluate", "not recorded")
    got = {column: np.asarray(value, np.float64) for column, value in replay.evaluate().items()}
    return judged("evaluate", _values(replay.recording, expected, got), ", ".join(expected))


def _values(recording: Recording, expected: Mapping[str, Any], got: Mapping[str, Any]) -> Comparison:
    """Losses and metrics of an epoch: in float32 they are sums of many rounded values, hence 1e-5."""
    return compare(expected, got, Tolerance(1e-5 if recording.dtype == "float32" else EXACT))


def predict(replay: Replay) -> Rung:
    """The outputs at the last recorded parameters."""
    if not replay.recording.has("predict"):
        return skipped("predict", "not recorded")
    expected = {path: replay.recording.arrays[path] for path in replay.recording.below("predict")}
    return judged("predict", compare(expected, replay.predict(), whole(replay.recording)))
