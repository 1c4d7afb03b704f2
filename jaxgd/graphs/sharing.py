"""A layer that is used more than once has one set of parameters, whatever it is used on."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp

from jaxgd import random
from jaxgd._types import Shape
from jaxgd.layers import Layer


def check_shared(layer: Layer, first: Sequence[Shape], again: Sequence[Shape]) -> None:
    """Raises ValueError unless inputs of both shapes lead to parameters of the same shapes.

    Args:
      layer: the layer.
      first, again: the shapes of a row of its inputs, at two uses.
    """
    if tuple(first) != tuple(again) and _leaves(layer, first) != _leaves(layer, again):
        shown = [[[None, *shape] for shape in shapes] for shapes in (first, again)]
        raise ValueError(
            f"a shared layer has one set of parameters: first inputs {shown[0]} do not go with {shown[1]}."
        )


def _leaves(layer: Layer, shapes: Sequence[Shape]) -> Any:
    shape: Any = tuple(shapes) if layer.several_inputs else shapes[0]
    sources = {leaf: random.keras_seed(0) for leaf in layer.draws()}
    return jax.eval_shape(lambda: layer.init(sources, shape, jnp.float32))
