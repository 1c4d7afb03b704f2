"""The numbers of a page: arrays by name, for the part of the network and the steps that fit."""

import base64
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from jaxgd import activations
from jaxgd.backprop import LayerTrace
from jaxgd.explain.part import Part, slope_of, value_of
from jaxgd.explain.running import StepTaken
from jaxgd.explain.subject import Subject
from jaxgd.layers import Dense

BYTES = 480_000
"""Of all arrays together, before they are written as text."""


def kept_steps(steps: int, bytes_a_step: int) -> list[int]:
    """As many steps as fit, evenly, the first and the last among them.

    >>> kept_steps(100, 100_000)
    [0, 33, 66, 99]
    """
    room = max(2, BYTES // max(bytes_a_step, 1))
    return sorted(set(np.linspace(0, steps - 1, min(steps, room)).astype(int).tolist()))


def step_arrays(subject: Subject, part: Part, step: StepTaken) -> dict[str, np.ndarray]:
    """Everything that the page shows of one step: {name/place: array}, place counting the shown calls.

    x/stage and dx/stage belong to the stages that come from outside.
    """
    found = {"loss": np.asarray(step.trace.loss), "new_loss": np.asarray(step.new_loss)}
    for stage, name in enumerate(part.stages[: part.outside]):
        found[f"x/{stage}"] = _cut(value_of(step, name), part.rows, part.units[stage])
        found[f"dx/{stage}"] = _cut(slope_of(step, name), part.rows, part.units[stage])
    for place, layer in enumerate(part.layers):
        opened = step.trace.layers[layer]
        arrays = {"a": opened.a, "z": opened.z, "upstream": opened.upstream, "delta": opened.delta}
        for name, value in (arrays | {"slope": slope(opened)}).items():
            if value is not None:
                found[f"{name}/{place}"] = _cut(value, part.rows, part.units[part.stage_of(place)])
        found |= _leaves(part, place, opened, step)
    return found


def slope(opened: LayerTrace) -> Any:
    """f'(z) of an elementwise activation, else None."""
    if not isinstance(opened.layer, Dense) or opened.z is None:
        return None
    return activations.get(opened.layer.activation).derivative(opened.z)


def _cut(value: Any, rows: np.ndarray, units: np.ndarray) -> np.ndarray:
    array = np.asarray(value)
    flat = array.reshape(len(array), -1)
    return flat[np.ix_(rows, units)] if flat.shape[1] > units.max(initial=-1) else flat[rows]


def _leaves(part: Part, place: int, opened: LayerTrace, step: StepTaken) -> dict[str, np.ndarray]:
    """Kernel and bias of a dense layer: before, gradient, after."""
    if not isinstance(opened.layer, Dense):
        return {}
    into, out = part.units[part.sources[place][0]], part.units[part.stage_of(place)]
    sources = {"": step.before, "gradient_of_": step.trace.gradients, "new_": step.after}
    found = {}
    for prefix, tree in sources.items():
        leaves: Mapping[str, Any] = tree[opened.name]
        found[f"{prefix}kernel/{place}"] = np.asarray(leaves["kernel"])[np.ix_(into, out)]
        if "bias" in leaves:
            found[f"{prefix}bias/{place}"] = np.asarray(leaves["bias"])[out]
    return found


def stacked(steps: Sequence[dict[str, np.ndarray]], dtype: str) -> dict[str, dict[str, Any]]:
    """{name: {shape, data}}: the steps' arrays one after the other, as text that a page decodes exactly."""
    return {name: encoded(np.stack([step[name] for step in steps]), dtype) for name in steps[0]}


def encoded(array: np.ndarray, dtype: str) -> dict[str, Any]:
    """One array as little-endian numbers in base64."""
    kind = "float64" if dtype == "float64" else "float32"
    content = np.ascontiguousarray(array, np.dtype(kind).newbyteorder("<")).tobytes()
    return {"shape": list(array.shape), "dtype": kind, "data": base64.b64encode(content).decode()}
