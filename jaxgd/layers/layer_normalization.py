"""Layer normalization: each row is standardised over its own features."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import jax
import jax.numpy as jnp

from jaxgd._checks import check_real
from jaxgd._types import Array, Shape
from jaxgd.layers.base import Context, Gradients, Layer, Output
from jaxgd.random import filled


@dataclass(frozen=True, repr=False)
class LayerNormalization(Layer):
    """y = gamma * (x - mean) / sqrt(variance + epsilon) + beta, over the last axis of each row.

    Args:
      epsilon: added to the biased variance; Keras's default is 1e-3, flax's 1e-6.
      center: whether there is a `beta`.
      scale: whether there is a `gamma`.

    Parameters: `gamma` (ones) and `beta` (zeros), [features]. Half precision is computed in float32.
    Keras: `LayerNormalization` with axis -1.
    References: Ba, Kiros and Hinton (2016), arXiv:1607.06450.
    >>> layer_normalization()
    layer_normalization()
    """

    epsilon: float = 1e-3
    center: bool = True
    scale: bool = True

    scalars: ClassVar[tuple[str, ...]] = ("epsilon",)

    def __post_init__(self) -> None:
        check_real("epsilon", self.epsilon, 0.0)

    def init(self, sources: Mapping[str, Any], input_shape: Shape, dtype: Any) -> dict[str, Array]:
        leaves = {"gamma": filled(input_shape[-1:], 1, dtype)} if self.scale else {}
        return leaves | ({"beta": filled(input_shape[-1:], 0, dtype)} if self.center else {})

    def _standard(self, wide: Array) -> tuple[Array, Array]:
        """x-hat, and 1 / sqrt(variance + epsilon) of each row.

        The mean is taken of distances from the first value, so that of equal values it is that value: the
        sum of equal values is rounded, and x - mean is then nothing but that rounding.
        """
        first = jax.lax.stop_gradient(wide[..., :1])
        mean = first + (wide - first).mean(axis=-1, keepdims=True)
        variance = jnp.square(wide - mean).mean(axis=-1, keepdims=True)
        inverse = jax.lax.rsqrt(variance + self.epsilon)
        return (wide - mean) * inverse, inverse

    def forward(self, params: Mapping[str, Array], x: Array, context: Context) -> Output:
        wide = x.astype(jnp.promote_types(x.dtype, jnp.float32))
        y, _ = self._standard(wide)
        if self.scale:
            y = y * params["gamma"].astype(wide.dtype)
        if self.center:
            y = y + params["beta"].astype(wide.dtype)
        return Output(y.astype(x.dtype))

    def backward(self, params: Mapping[str, Array], x: Array, upstream: Array, context: Context) -> Gradients:
        wide = x.astype(jnp.promote_types(x.dtype, jnp.float32))
        g = upstream.astype(wide.dtype)
        standard, inverse = self._standard(wide)
        axes = tuple(range(x.ndim - 1))
        grads = {"gamma": (g * standard).sum(axes)} if self.scale else {}
        grads |= {"beta": g.sum(axes)} if self.center else {}
        scaled = g * params["gamma"].astype(wide.dtype) if self.scale else g
        through_mean = scaled.mean(axis=-1, keepdims=True)
        through_variance = standard * (scaled * standard).mean(axis=-1, keepdims=True)
        return Gradients((inverse * (scaled - through_mean - through_variance)).astype(x.dtype), grads)


layer_normalization = LayerNormalization
