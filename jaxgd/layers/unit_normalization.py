"""Normalizations without a mean: by the length of a row, or by its root mean square."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import jax
import jax.numpy as jnp

from jaxgd._checks import check_real
from jaxgd._types import Array, Shape
from jaxgd.layers.base import Context, Gradients, Layer, Output
from jaxgd.random import filled

_LARGEST_FACTOR = 1e12


def unit_factor(x: Array, axis: int, largest: float) -> Array:
    """What scales `x` to length 1 along an axis, `largest` at most; a vector of zeros gets the largest."""
    squares = jnp.square(x).sum(axis=axis, keepdims=True)
    is_zero = squares == 0
    factor = jnp.minimum(jax.lax.rsqrt(jnp.where(is_zero, 1, squares)), largest)
    return jnp.where(is_zero, jnp.asarray(largest, x.dtype), factor)


@dataclass(frozen=True, repr=False)
class UnitNormalization(Layer):
    """y = x / |x|, over the last axis of each row; a row of zeros stays so.

    Keras: `UnitNormalization` with axis -1.
    >>> unit_normalization()
    unit_normalization()
    """

    def forward(self, params: Mapping[str, Array], x: Array, context: Context) -> Output:
        return Output(x * unit_factor(x, -1, _LARGEST_FACTOR))

    def backward(self, params: Mapping[str, Array], x: Array, upstream: Array, context: Context) -> Gradients:
        factor = unit_factor(x, -1, _LARGEST_FACTOR)
        y = x * factor
        along = jnp.where(factor < _LARGEST_FACTOR, y * (y * upstream).sum(axis=-1, keepdims=True), 0)
        return Gradients(factor * (upstream - along))


@dataclass(frozen=True, repr=False)
class RMSNormalization(Layer):
    """y = scale * x / sqrt(mean(x**2) + epsilon), over the last axis of each row.

    Args:
      epsilon: added to the mean square.

    Parameters: `scale` (ones), [features]. Half precision is computed in float32.
    Keras: `RMSNormalization` with axis -1.
    References: Zhang and Sennrich (2019), arXiv:1910.07467.
    >>> rms_normalization()
    rms_normalization()
    """

    epsilon: float = 1e-6

    scalars: ClassVar[tuple[str, ...]] = ("epsilon",)

    def __post_init__(self) -> None:
        check_real("epsilon", self.epsilon, 0.0)

    @property
    def kind(self) -> str:
        return "rms_normalization"

    def init(self, sources: Mapping[str, Any], input_shape: Shape, dtype: Any) -> dict[str, Array]:
        return {"scale": filled(input_shape[-1:], 1, dtype)}

    def _standard(self, wide: Array) -> tuple[Array, Array]:
        """x-hat, and what x is multiplied by to get it."""
        inverse = jax.lax.rsqrt(jnp.square(wide).mean(axis=-1, keepdims=True) + self.epsilon)
        return wide * inverse, inverse

    def forward(self, params: Mapping[str, Array], x: Array, context: Context) -> Output:
        wide = x.astype(jnp.promote_types(x.dtype, jnp.float32))
        standard, _ = self._standard(wide)
        return Output((standard * params["scale"].astype(wide.dtype)).astype(x.dtype))

    def backward(self, params: Mapping[str, Array], x: Array, upstream: Array, context: Context) -> Gradients:
        wide = x.astype(jnp.promote_types(x.dtype, jnp.float32))
        g = upstream.astype(wide.dtype)
        standard, inverse = self._standard(wide)
        grads = {"scale": (g * standard).sum(tuple(range(x.ndim - 1)))}
        scaled = g * params["scale"].astype(wide.dtype)
        through_mean = standard * (scaled * standard).mean(axis=-1, keepdims=True)
        return Gradients((inverse * (scaled - through_mean)).astype(x.dtype), grads)


unit_normalization = UnitNormalization
rms_normalization = RMSNormalization
