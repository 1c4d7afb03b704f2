"""Batch normalization, with statistics over the rows that count."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp

from jaxgd._checks import check_real
from jaxgd._types import Array, Shape
from jaxgd.layers.base import Context, Gradients, Layer, Output, count_rows, sum_rows
from jaxgd.random import filled


class _Moments(NamedTuple):
    mean: Array
    variance: Array


@dataclass(frozen=True, repr=False)
class BatchNormalization(Layer):
    """y = gamma * (x - mean) / sqrt(variance + epsilon) + beta.

    While training, mean and (biased) variance are the batch's, over every axis but the last, and
    `moving <- momentum * moving + (1 - momentum) * batch`. At inference they are the moving ones.

    Args:
      momentum: weight of the old moving values, in [0, 1].
      epsilon: added to the variance, not negative.
      center: whether there is a `beta`.
      scale: whether there is a `gamma`.
      name, trainable: as of every layer; trainable=False is inference also while training.

    Parameters: `gamma` (ones), `beta` (zeros) and the statistics `moving_mean` (zeros),
    `moving_variance` (ones), all [features]. Half precision is computed in float32.
    Keras: `BatchNormalization` with axis -1 and without renorm.
    References: Ioffe and Szegedy (2015), arXiv:1502.03167.
    >>> batch_normalization(momentum=0.9)
    batch_normalization(momentum=0.9)
    """

    momentum: float = 0.99
    epsilon: float = 1e-3
    center: bool = True
    scale: bool = True

    scalars: ClassVar[tuple[str, ...]] = ("epsilon",)

    def __post_init__(self) -> None:
        check_real("momentum", self.momentum, 0.0, 1.0)
        check_real("epsilon", self.epsilon, 0.0)

    def init(self, sources: Mapping[str, Any], input_shape: Shape, dtype: Any) -> dict[str, Array]:
        names = (*(["gamma"] * self.scale), *(["beta"] * self.center), "moving_mean", "moving_variance")
        starts = {"gamma": 1, "beta": 0, "moving_mean": 0, "moving_variance": 1}
        return {name: filled(input_shape[-1:], starts[name], dtype) for name in names}

    def _uses_batch(self, context: Context) -> bool:
        return context.training and self.trainable

    def forward(self, params: Mapping[str, Array], x: Array, context: Context) -> Output:
        wide = x.astype(jnp.promote_types(x.dtype, jnp.float32))
        moving = _moving(params, wide.dtype)
        moments = _batch_moments(wide, context.row_mask) if self._uses_batch(context) else moving
        inverse = jax.lax.rsqrt(moments.variance + self.epsilon)
        if self.scale:
            inverse = inverse * params["gamma"].astype(wide.dtype)
        shift = -moments.mean * inverse
        if self.center:
            shift = params["beta"].astype(wide.dtype) + shift
        y = (wide * inverse + shift).astype(x.dtype)
        return Output(y, self._moved(moving, moments) if self._uses_batch(context) else {})

    def _moved(self, moving: _Moments, batch: _Moments) -> dict[str, Array]:
        def blend(old: Array, new: Array) -> Array:
            return jax.lax.stop_gradient(old * self.momentum + new * (1.0 - self.momentum))

        return {
            "moving_mean": blend(moving.mean, batch.mean),
            "moving_variance": blend(moving.variance, batch.variance),
        }

    def backward(self, params: Mapping[str, Array], x: Array, upstream: Array, context: Context) -> Gradients:
        wide = x.astype(jnp.promote_types(x.dtype, jnp.float32))
        g = upstream.astype(wide.dtype)
        axes = tuple(range(x.ndim - 1))
        uses_batch = self._uses_batch(context)
        moments = _batch_moments(wide, context.row_mask) if uses_batch else _moving(params, wide.dtype)
        inverse = jax.lax.rsqrt(moments.variance + self.epsilon)
        standard = (wide - moments.mean) * inverse  # x-hat
        dgamma, dbeta = (g * standard).sum(axes), g.sum(axes)
        scale = params["gamma"].astype(wide.dtype) * inverse if self.scale else inverse
        passed_on = g
        if uses_batch:  # mean and variance depend on x too: two more paths of the chain rule
            n = _num_entries(wide, context.row_mask)
            passed_on = _only_rows(g - dbeta / n - standard * dgamma / n, context.row_mask)
        grads = ({"gamma": dgamma} if self.scale else {}) | ({"beta": dbeta} if self.center else {})
        return Gradients((scale * passed_on).astype(x.dtype), grads)


def _moving(params: Mapping[str, Array], dtype: Any) -> _Moments:
    mean, variance = params["moving_mean"], params["moving_variance"]
    return _Moments(*(jax.lax.stop_gradient(each).astype(dtype) for each in (mean, variance)))


def _num_entries(x: Array, row_mask: Array | None) -> Array | float:
    entries_a_row = x[0].size // x.shape[-1]
    return count_rows(x.shape[0], row_mask, x.dtype) * entries_a_row


def _batch_moments(x: Array, row_mask: Array | None) -> _Moments:
    """Mean and biased variance of each feature over the rows that count."""
    n = _num_entries(x, row_mask)
    rest = tuple(range(x.ndim - 2))
    mean = sum_rows(x, row_mask).sum(rest) / n
    squares = sum_rows(jnp.square(x - mean), row_mask).sum(rest)
    return _Moments(mean, squares / n)


def _only_rows(values: Array, row_mask: Array | None) -> Array:
    if row_mask is None:
        return values
    return jnp.where(row_mask.reshape((-1,) + (1,) * (values.ndim - 1)), values, 0.0)


batch_normalization = BatchNormalization
