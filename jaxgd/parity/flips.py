"""Flipped masks: entries within rounding of a kink that lie on different sides of it in the two frameworks.

A flip is only believed when the entry is within rounding of the kink, and, for gradients, when the gradients
agree once the entry is moved to the recorded side.
"""

from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxgd import layers
from jaxgd._types import Array, Params
from jaxgd.model_base import Model
from jaxgd.parity.kinks import distance, kinked_calls, side_of_inputs
from jaxgd.parity.replay import Replay, Truth
from jaxgd.parity.run_rungs import trajectory
from jaxgd.parity.rung import CLOSE, Rung, below
from jaxgd.parity.rungs import gradients_of_step
from jaxgd.parity.trace.recording import flat, nested
from jaxgd.parity.walk import caller, places, walk
from jaxgd.training.bundle import Bundle


@dataclass(frozen=True)
class Flip:
    """One entry on different sides of a kink.

    Attributes:
      step, layer, index: which step and call of a layer; (row of the batch, unit).
      z: what jaxgd's activation was applied to.
      explained: whether `z` is within rounding of the kink.
    """

    step: int
    layer: str
    index: tuple[int, ...]
    z: float
    explained: bool

    def __str__(self) -> str:
        place = ", ".join(map(str, self.index))
        return f"step {self.step}: {self.layer}[{place}] is {self.z:.3g} before its activation"


def pre_activations(replay: Replay, stacked: Params) -> dict[str, np.ndarray]:
    """{place: [steps, batch, ...]}: what kinked activations are applied to, with the given parameters."""
    names = kinked_calls(replay.model)

    def one(step: Array, stacked: Params) -> dict[str, Array]:
        params = replay.complete(jax.tree.map(lambda array: array[step], stacked))
        batch = replay.batch(replay.data, replay.schedule[step])
        x = batch["x"].arrays if isinstance(batch["x"], Bundle) else batch["x"]
        told: Any = {"training": True, "key": replay.key_at(step), "row_mask": batch.get("row_mask")}
        found = {}
        for call in walk(replay.model, params, x, **told):
            if call.place in names:
                z = call.layer.pre_activation(params.get(call.name, {}), call.x, call.context)
                found[call.place] = jnp.zeros_like(call.x) if z is None else z
        return found

    program = jax.jit(
        lambda stacked: jax.lax.map(partial(one, stacked=stacked), jnp.arange(replay.recording.steps))
    )
    return flat(program(stacked))


def find(replay: Replay, ours: Params, theirs: Params) -> list[Flip]:
    """Every entry whose side, with our parameters, is not the recorded one, in order of steps.

    Args:
      replay: of a float32 recording.
      ours, theirs: parameters before each step, [steps, ...]; between the two, what is before the activation
        may move.
    """
    masks = below(replay.recording, "masks")
    if not masks:
        return []
    mine = pre_activations(replay, ours)
    drift = mine if theirs is ours else pre_activations(replay, theirs)
    flips: list[Flip] = []
    for layer, kinks in kinked_calls(replay.model).items():
        if layer in masks:
            flips += _of_layer(replay, layer, kinks, masks[layer], mine[layer], drift[layer])
    return sorted(flips, key=lambda flip: flip.step)


def _of_layer(
    replay: Replay, layer: str, kinks: Any, mask: np.ndarray, z: np.ndarray, other: np.ndarray
) -> list[Flip]:
    sides = side_of_inputs(kinks, z)
    real = np.asarray(replay.schedule) >= 0
    differs = (sides != mask) & real.reshape(real.shape + (1,) * (z.ndim - 2))
    allowed = CLOSE * np.abs(z).max() + np.abs(z - other)
    near = distance(kinks, z) <= allowed
    places = [tuple(int(i) for i in index) for index in np.argwhere(differs)]
    return [Flip(place[0], layer, place[1:], float(z[place]), bool(near[place])) for place in places]


def explain_gradients(replay: Replay, broken: Rung) -> Rung:
    """The broken rung of the gradients, or one that names the flips that it comes from."""
    before = _before_each_step(replay)
    flips = find(replay, before, before)
    if not flips:
        return broken
    if not all(flip.explained for flip in flips):
        odd = next(flip for flip in flips if not flip.explained)
        return _with(broken, "failed", f"a mask differs, and not by rounding: {odd}; {broken.message}")
    corrected = _corrected(replay, before, flips)
    if corrected is None:
        return _with(broken, "failed", f"{_named(flips)}; it has no bias to move, so this is not proven")
    expected = below(replay.recording, "grads")
    for step in range(replay.recording.steps):
        comparison = gradients_of_step(replay.recording, expected, corrected, step)
        if not comparison.passed:
            return _with(broken, "failed", f"{_named(flips)}; without it still: {comparison}, in step {step}")
    return _with(broken, "flipped", f"{_named(flips)}; with it on the recorded side all gradients agree")


def _before_each_step(replay: Replay) -> Params:
    return jax.tree.map(lambda array: array[:-1], replay.stacked)


def _with(rung: Rung, status: Any, message: str) -> Rung:
    return Rung(rung.name, status, message, rung.error)


def _named(flips: list[Flip]) -> str:
    more = f" and {len(flips) - 1} more" if len(flips) > 1 else ""
    return f"flipped mask, {flips[0]}{more}"


def _corrected(replay: Replay, before: Params, flips: list[Flip]) -> dict[str, np.ndarray] | None:
    """All gradients, with the biases of flipped units moved by twice the distance to the kink."""
    grads = {path: array.copy() for path, array in replay.at_recorded_params["grads"].items()}
    one_step = jax.jit(replay.one_step)
    for step in sorted({flip.step for flip in flips}):
        params: Any = jax.tree.map(lambda array, step=step: array[step], before)
        for flip in (each for each in flips if each.step == step):
            home = _dense_before(replay, flip.layer)
            if home is None:
                return None
            kinks = kinked_calls(replay.model)[flip.layer]
            nearest = min(kinks.inputs, key=lambda place, z=flip.z: abs(place - z))
            gap = nearest - flip.z
            move = 2 * gap if gap else np.finfo(np.float32).tiny
            bias = params[home]["bias"]
            params = {**params, home: {**params[home], "bias": bias.at[flip.index[-1]].add(move)}}
        found = flat(one_step(replay.complete(params), jnp.asarray(step), replay.data)["grads"])
        for path, array in found.items():
            grads[path][step] = array
    return grads


def _dense_before(replay: Replay, place: str) -> str | None:
    """The dense layer with a bias whose output the activation of a call gets, or None."""
    model = replay.model
    of_places = dict(places(model))
    layer = dict(zip(model.names, model.layers, strict=True))[of_places[place]]
    if isinstance(layer, layers.ActivationLayer):
        return _dense_named(model, caller(model, place))
    return _dense_named(model, of_places[place])


def _dense_named(model: Model, name: str | None) -> str | None:
    layer = None if name is None else dict(zip(model.names, model.layers, strict=True))[name]
    return name if isinstance(layer, layers.Dense) and layer.use_bias else None


def explain_trajectory(replay: Replay, broken: Rung, truth: Truth | None) -> Rung:
    """The broken rung of a trajectory, or one that names the first flip if all steps before it hold."""
    flips = find(replay, _nested(replay), _before_each_step(replay))
    if not flips or not flips[0].explained:
        return broken
    step = flips[0].step
    if step and trajectory(replay, truth, step).status == "failed":
        return broken
    return _with(broken, "flipped", f"{_named(flips)}; the {step} steps before it hold; {broken.message}")


def _nested(replay: Replay) -> Params:
    """Our own run's parameters before each step, in the form of the recorded ones."""
    found = {}
    for path, recorded in flat(replay.recording.tree("params")).items():
        own = replay.trajectory["params"][path]
        found[path] = jnp.asarray(np.concatenate([np.asarray(recorded[:1], own.dtype), own[:-1]]))
    return nested(found)
