"""Activations whose slope jumps: on which side of its kinks every entry is, from inputs or from outputs.

A rounding difference can put an entry on the other side of a kink; its gradient then differs by far more than
rounding, though neither framework is wrong.
"""

from typing import NamedTuple

import numpy as np

from jaxgd import activations
from jaxgd.model_base import Model
from jaxgd.parity.walk import places


class Kinks(NamedTuple):
    """Where an activation's slope jumps, as inputs, and what it returns there."""

    inputs: tuple[float, ...]
    outputs: tuple[float, ...]


KINKS = {
    "relu": Kinks((0.0,), (0.0,)),
    "leaky_relu": Kinks((0.0,), (0.0,)),
    "selu": Kinks((0.0,), (0.0,)),
    "relu6": Kinks((0.0, 6.0), (0.0, 6.0)),
    "hard_sigmoid": Kinks((-3.0, 3.0), (0.0, 1.0)),
    "hard_tanh": Kinks((-1.0, 1.0), (-1.0, 1.0)),
}


def kinked_calls(model: Model) -> dict[str, Kinks]:
    """{place of a call: its activation's kinks}, where it has any; see `walk` for places."""
    found, layers = {}, dict(zip(model.names, model.layers, strict=True))
    for place, name in places(model):
        layer = layers[name]
        chosen = getattr(layer, "activation", None)
        activation = None if chosen is None else activations.get(chosen)
        if activation is not None and not activation.options and activation.name in KINKS:
            found[place] = KINKS[activation.name]
    return found


def side_of_inputs(kinks: Kinks, z: np.ndarray) -> np.ndarray:
    """uint8, how many kinks lie below each entry; an entry at a lower kink counts as below it."""
    return _sides(kinks.inputs, z)


def side_of_outputs(kinks: Kinks, y: np.ndarray) -> np.ndarray:
    """The same, from what the activation returned.

    >>> side_of_outputs(KINKS["relu6"], np.array([0.0, 2.0, 6.0])).tolist()
    [0, 1, 2]
    """
    return _sides(kinks.outputs, y)


def _sides(places: tuple[float, ...], values: np.ndarray) -> np.ndarray:
    first, *others = places
    sides = (np.asarray(values) > first).astype(np.uint8)
    for place in others:
        sides += (np.asarray(values) >= place).astype(np.uint8)
    return sides


def distance(kinks: Kinks, z: np.ndarray) -> np.ndarray:
    """How far each entry is from the nearest kink."""
    return np.min([np.abs(np.asarray(z) - place) for place in kinks.inputs], axis=0)
