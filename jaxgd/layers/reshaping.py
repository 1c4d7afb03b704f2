"""Layers that rescale or reshape and have no parameters."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import jax.numpy as jnp

from jaxgd._checks import check_real
from jaxgd._types import Array, Scalar, Shape
from jaxgd.layers.base import Context, Gradients, Layer, Output


@dataclass(frozen=True, repr=False)
class Rescaling(Layer):
    """y = x * scale + offset.

    Args:
      scale, offset: finite numbers; rounded to float32 also in float64, as Keras on TensorFlow does.

    Keras: `Rescaling`.
    >>> rescaling(1 / 16, offset=-0.5)
    rescaling(0.0625, offset=-0.5)
    """

    scale: float
    offset: float = 0.0

    scalars: ClassVar[tuple[str, ...]] = ("scale", "offset")

    def __post_init__(self) -> None:
        check_real("scale", self.scale)
        check_real("offset", self.offset)

    def forward(self, params: Mapping[str, Array], x: Array, context: Context) -> Output:
        return Output(x * _rounded(self.scale, x) + _rounded(self.offset, x))

    def backward(self, params: Mapping[str, Array], x: Array, upstream: Array, context: Context) -> Gradients:
        return Gradients(upstream * _rounded(self.scale, x))


def _rounded(constant: Scalar, x: Array) -> Array:
    return jnp.asarray(constant, jnp.float32).astype(x.dtype)


@dataclass(frozen=True, repr=False)
class Flatten(Layer):
    """[batch, ...] becomes [batch, product of the rest].

    Keras: `Flatten`; as there, a cross-entropy no longer sees the logits behind it.
    >>> flatten().output_shape((8, 8))
    (64,)
    """

    def output_shape(self, input_shape: Shape) -> Shape:
        return (math.prod(input_shape),)

    def forward(self, params: Mapping[str, Array], x: Array, context: Context) -> Output:
        return Output(x.reshape(x.shape[0], -1))

    def backward(self, params: Mapping[str, Array], x: Array, upstream: Array, context: Context) -> Gradients:
        return Gradients(upstream.reshape(x.shape))


rescaling = Rescaling
flatten = Flatten
