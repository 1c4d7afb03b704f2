"""The rungs of the ladder: one comparison of jaxgd with a recording each, from the weights up to `predict`.

Every rung starts from recorded numbers, so that the first one that breaks is where the error is.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from jaxgd.optimizers import OptimizerState
from jaxgd.parity.comparator import Comparison, Tolerance, compare
from jaxgd.parity.replay import ROUNDING, Replay, Truth
from jaxgd.parity.trace.recording import Recording, flat
from jaxgd.parity.trace.setup import params_at

Status = Literal["passed", "failed", "flipped", "skipped"]

EXACT, CLOSE = ROUNDING["float64"], ROUNDING["float32"]
DRIFT = 5e-5
"""How far rounding may take a float32 run from the float64 truth, of the norm of all parameters."""
FOREIGN = 1e-4
"""Relative error allowed of float32 updates by a rule that is optax's, not Keras's."""
_EPSILON = {"float64": 2.0**-52, "float32": 2.0**-23}


@dataclass(frozen=True)
class Rung:
    """What one comparison found.

    Attributes:
      name: of the rung.
      status: "passed", "failed", "flipped" (equal but for named entries at a kink) or "skipped".
      message: the worst element with its path, or why it was skipped.
      error: max |difference| / max |expected|, if anything was compared.
      bit_equal: whether every number was the same.
    """

    name: str
    status: Status
    message: str = ""
    error: float | None = None
    bit_equal: bool = False

    def __str__(self) -> str:
        parts = [f"{self.status:7}", f"{self.name:10}", self.size, self.message]
        return "  ".join(part for part in parts if part).rstrip()

    @property
    def size(self) -> str:
        """The error in a word, for a rung that held; a broken rung's message says more."""
        if self.error is None or self.status == "failed":
            return ""
        return "bit-equal" if self.bit_equal else f"error {self.error:.2g}"


def judged(name: str, comparison: Comparison, note: str = "") -> Rung:
    """The rung of a comparison; the message of one that passed is only the note."""
    status: Status = "passed" if comparison.passed else "failed"
    message = note if comparison.passed else "; ".join(part for part in (str(comparison), note) if part)
    return Rung(name, status, message, comparison.norm_error, comparison.bit_equal)


def skipped(name: str, why: str) -> Rung:
    return Rung(name, "skipped", why)


def below(recording: Recording, prefix: str) -> dict[str, np.ndarray]:
    """{path below the prefix: array}."""
    return flat(recording.tree(prefix))


def _each_leaf(recording: Recording, expected: Mapping[str, np.ndarray]) -> Tolerance:
    """float64: 1e-12 of a leaf's largest, or of 1/1000 of the tree's; float32: 2e-6 of the tree's largest."""
    if recording.dtype == "float32":
        return Tolerance(CLOSE, scope="tree")
    largest = max((float(np.abs(each).max(initial=0.0)) for each in expected.values()), default=0.0)
    return Tolerance(EXACT, floor=largest / 1000)


def _whole(recording: Recording) -> Tolerance:
    return Tolerance(CLOSE if recording.dtype == "float32" else EXACT, scope="leaf")


def training(recording: Recording) -> Rung:
    """The gate: a recording whose loss stands still or whose gradients are zero proves nothing."""
    losses, grads = recording.arrays["losses"], below(recording, "grads")
    largest = max(float(np.abs(grad).max(initial=0.0)) for grad in grads.values())
    if not np.isfinite(losses).all() or not np.isfinite(largest):
        return Rung("training", "failed", "the recorded loss or a gradient is not finite: nothing is proven")
    if largest == 0.0:
        return Rung("training", "failed", "every recorded gradient is zero: nothing is proven")
    first, again = losses[0], losses[_same_rows_again(recording.arrays["schedule"])]
    if abs(float(again - first)) <= 100 * _EPSILON[recording.dtype] * abs(float(first)):
        return Rung(
            "training", "failed", f"the recorded loss does not move from {first:g}: nothing is proven"
        )
    return Rung("training", "passed", f"loss {first:.4g} -> {again:.4g} on the same rows")


def _same_rows_again(schedule: np.ndarray) -> int:
    """The last step with the first step's rows; the last step if there is none."""
    again = np.flatnonzero((schedule == schedule[0]).all(axis=1))
    return int(again[-1]) if len(again) > 1 else len(schedule) - 1


def weights(
    replay: Replay, loaded: Mapping[str, Any] | None = None, state: OptimizerState | None = None
) -> Rung:
    """The start: what was loaded from a file, or drawn after a seed."""
    recording = replay.recording
    recorded = flat(params_at(recording, replay.model, 0))
    if loaded is not None:
        return _loaded(replay, recorded, flat(loaded), state)
    seed = recording.facts.get("seed")
    if seed is None:
        return skipped("weights", "the recording's own are taken")
    tolerance = Tolerance(1e-6 if recording.dtype == "float32" else EXACT)
    return judged("weights", compare(recorded, flat(replay.model.init(int(seed))), tolerance), f"seed {seed}")


def _loaded(
    replay: Replay, recorded: dict[str, Any], loaded: dict[str, Any], state: OptimizerState | None
) -> Rung:
    """Parameters and, if the file had any, the optimizer's state: bit for bit."""
    if state is not None:
        slots = below(replay.recording, "state")
        recorded |= {f"state/{path}": array[0] for path, array in slots.items()}
        values = flat(replay.setup.state_values(state))
        loaded |= {f"state/{path}": array for path, array in values.items() if path in slots}
    return judged("weights", compare(recorded, loaded, Tolerance(bit_equal=True)), "read from the file")


def forward(replay: Replay) -> Rung:
    """Each layer's output at inference."""
    expected = below(replay.recording, "forward")
    if not expected:
        return skipped("forward", "not recorded")
    outputs = replay.layer_outputs()
    for path, output in expected.items():
        comparison = compare({path: output}, {path: outputs.get(path)}, _whole(replay.recording))
        if not comparison.passed:
            return judged("forward", comparison)
    return judged("forward", compare(expected, outputs, _whole(replay.recording)), f"{len(expected)} layers")


def loss(replay: Replay) -> Rung:
    """The loss of every step, at the recorded parameters."""
    expected = {"losses": replay.recording.arrays["losses"]}
    got = {"losses": replay.at_recorded_params["loss"]}
    return judged("loss", compare(expected, got, _whole(replay.recording)), _steps(replay))


def gradients(replay: Replay) -> Rung:
    """Every gradient of every step, at the recorded parameters; each step is measured by itself."""
    expected, got = below(replay.recording, "grads"), replay.at_recorded_params["grads"]
    worst: Comparison | None = None
    for step in range(replay.recording.steps):
        comparison = gradients_of_step(replay.recording, expected, got, step)
        if not comparison.passed:
            return judged("gradients", comparison, f"in step {step}")
        if worst is None or comparison.norm_error > worst.norm_error:
            worst = comparison
    return judged("gradients", worst or compare(expected, got), _steps(replay))


def gradients_of_step(
    recording: Recording, expected: Mapping[str, np.ndarray], got: Mapping[str, np.ndarray], step: int
) -> Comparison:
    """One step's gradients against the recorded ones."""
    theirs = {path: array[step] for path, array in expected.items()}
    ours = {path: array[step] for path, array in got.items()}
    return compare(theirs, ours, _each_leaf(recording, theirs))


def statistics(replay: Replay) -> Rung:
    """The moving statistics after every step."""
    got = replay.at_recorded_params["statistics"]
    if not got:
        return skipped("statistics", "the model has none")
    params = below(replay.recording, "params")
    expected = {path: params[path][1:] for path in got}
    return judged("statistics", compare(expected, got, _whole(replay.recording)), _steps(replay))


def one_update(replay: Replay) -> Rung:
    """The first update from the recorded gradients: parameters and all slots."""
    return _updates(replay, "update", 1)


def all_updates(replay: Replay) -> Rung:
    """Every update from the recorded gradients: parameters and all slots."""
    return _updates(replay, "updates", replay.recording.steps)


def _updates(replay: Replay, name: str, steps: int) -> Rung:
    recording, got = replay.recording, replay.updates
    params, state = below(recording, "params"), below(recording, "state")
    moved = {path: array[: steps + 1] for path, array in params.items() if path in got["params"]}
    expected = {path: array[1:] for path, array in moved.items()}
    ours = {path: array[:steps] for path, array in got["params"].items()}
    first = judged(name, compare(expected, ours, _increments(replay, moved)), f"{steps} steps")
    if first.status == "failed" or not state:
        return (
            first if state else Rung(name, first.status, f"{first.message}, no slots recorded", first.error)
        )
    slots = {path: array[1 : steps + 1] for path, array in state.items()}
    mine = {path: array[:steps] for path, array in got["state"].items() if path in slots}
    second = judged(name, compare(slots, mine, _whole(recording)), f"{steps} steps, {len(slots)} slots")
    worst = max(first.error or 0.0, second.error or 0.0)
    return Rung(name, second.status, second.message, worst, first.bit_equal and second.bit_equal)


def _increments(replay: Replay, moved: Mapping[str, np.ndarray]) -> Tolerance:
    """Measured by how far the parameters moved, and by the rounding of the parameters themselves.

    optax's bias corrections in float32, 1 - 0.999**t, have errors of up to 6e-5.
    """
    recording = replay.recording
    relative = EXACT if recording.dtype == "float64" else CLOSE if replay.setup.cells else FOREIGN
    size = max(float(np.abs(each).max(initial=0.0)) for each in moved.values())
    change = max(float(np.abs(np.diff(each, axis=0)).max(initial=0.0)) for each in moved.values())
    rounding = 4 * _EPSILON[recording.dtype]
    return Tolerance((relative * change + rounding * size) / max(size, 1e-300), scope="tree")


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
        return judged(name, compare(expected, ours, _each_leaf(replay.recording, expected)), _steps(replay))
    if not replay.setup.cells:
        return judged(name, compare(expected, ours, Tolerance(FOREIGN)), _steps(replay))
    if truth is None:  # of random layers, which draw other numbers in float64
        return judged(name, compare(expected, ours, Tolerance(1e-5)), _steps(replay))
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
    holds = near <= max(2 * far, _EPSILON["float32"]) and far <= DRIFT
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
    expected = {"predict": replay.recording.arrays["predict"]}
    return judged("predict", compare(expected, {"predict": replay.predict()}, _whole(replay.recording)))


def _steps(replay: Replay) -> str:
    return f"{replay.recording.steps} steps"
