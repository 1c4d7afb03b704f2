"""The rungs that start every step from recorded numbers: weights, forward, loss, gradients, updates.

The first one that breaks is therefore where the error is.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from jaxgd.optimizers import OptimizerState
from jaxgd.parity.comparator import Comparison, Tolerance, compare
from jaxgd.parity.replay import Replay
from jaxgd.parity.rung import (
    CLOSE,
    EPSILON,
    EXACT,
    FOREIGN,
    Rung,
    below,
    each_leaf,
    judged,
    skipped,
    steps_of,
    whole,
)
from jaxgd.parity.trace.recording import Recording, flat
from jaxgd.parity.trace.setup import params_at
from jaxgd.parity.walk import places


def training(recording: Recording) -> Rung:
    """The gate: a recording whose loss stands still or whose gradients are zero proves nothing."""
    losses, grads = recording.arrays["losses"], below(recording, "grads")
    largest = max(float(np.abs(grad).max(initial=0.0)) for grad in grads.values())
    if not np.isfinite(losses).all() or not np.isfinite(largest):
        return Rung("training", "failed", "the recorded loss or a gradient is not finite: nothing is proven")
    if largest == 0.0:
        return Rung("training", "failed", "every recorded gradient is zero: nothing is proven")
    first, again = losses[0], losses[_same_rows_again(recording.arrays["schedule"])]
    if abs(float(again - first)) <= 100 * EPSILON[recording.dtype] * abs(float(first)):
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
        comparison = compare({path: output}, {path: outputs.get(path)}, whole(replay.recording))
        if not comparison.passed:
            return judged("forward", comparison)
    count = len({name for _, name in places(replay.model)})
    return judged("forward", compare(expected, outputs, whole(replay.recording)), f"{count} layers")


def loss(replay: Replay) -> Rung:
    """The loss of every step, at the recorded parameters."""
    expected = {"losses": replay.recording.arrays["losses"]}
    got = {"losses": replay.at_recorded_params["loss"]}
    return judged("loss", compare(expected, got, whole(replay.recording)), steps_of(replay))


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
    return judged("gradients", worst or compare(expected, got), steps_of(replay))


def gradients_of_step(
    recording: Recording, expected: Mapping[str, np.ndarray], got: Mapping[str, np.ndarray], step: int
) -> Comparison:
    """One step's gradients against the recorded ones."""
    theirs = {path: array[step] for path, array in expected.items()}
    ours = {path: array[step] for path, array in got.items()}
    return compare(theirs, ours, each_leaf(recording, theirs))


def statistics(replay: Replay) -> Rung:
    """The moving statistics after every step."""
    got = replay.at_recorded_params["statistics"]
    if not got:
        return skipped("statistics", "the model has none")
    params = below(replay.recording, "params")
    expected = {path: params[path][1:] for path in got}
    return judged("statistics", compare(expected, got, whole(replay.recording)), steps_of(replay))


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
    second = judged(name, compare(slots, mine, whole(recording)), f"{steps} steps, {len(slots)} slots")
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
    rounding = 4 * EPSILON[recording.dtype]
    return Tolerance((relative * change + rounding * size) / max(size, 1e-300), scope="tree")
