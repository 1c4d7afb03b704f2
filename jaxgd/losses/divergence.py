"""Losses between distributions and rates: Kullback-Leibler, Poisson."""

from typing import Any

import jax.numpy as jnp

from jaxgd._types import Array
from jaxgd.losses import _ties
from jaxgd.losses._rule import Rule, evaluate, implements


def _kl_divergence(y_true: Array, y_pred: Array) -> Array:
    target = _ties.clip(y_true, _ties.EPSILON, 1.0)
    return jnp.sum(target * jnp.log(target / _ties.clip(y_pred, _ties.EPSILON, 1.0)), axis=-1)


def _kl_divergence_slope(y_true: Array, y_pred: Array) -> Array:
    slope = -jnp.clip(y_true, _ties.EPSILON, 1.0) / y_pred
    return jnp.where(_ties.is_within(y_pred, _ties.EPSILON, 1.0), slope, 0)


_KL_DIVERGENCE = Rule(_kl_divergence, _kl_divergence_slope)


@implements(_KL_DIVERGENCE)
def kl_divergence(
    y_true: Any, y_pred: Any, *, sample_weight: Any = None, reduction: str | None = "sum_over_batch_size"
) -> Array:
    """The Kullback-Leibler divergence of the prediction from the target distribution.

    value = sum(y_true * ln(y_true / y_pred)), both clipped to [1e-7, 1]

    Args, Returns, Raises: as `mean_squared_error`.
    Keras: KLDivergence.
    >>> round(float(kl_divergence([[0.5, 0.5]], [[0.25, 0.75]])), 6)
    0.143841
    """
    return evaluate(_KL_DIVERGENCE, y_true, y_pred, sample_weight, reduction)


def _poisson(y_true: Array, y_pred: Array) -> Array:
    return jnp.mean(y_pred - y_true * jnp.log(y_pred + _ties.EPSILON), axis=-1)


def _poisson_slope(y_true: Array, y_pred: Array) -> Array:
    return (1.0 - y_true / (y_pred + _ties.EPSILON)) / y_pred.shape[-1]


_POISSON = Rule(_poisson, _poisson_slope)


@implements(_POISSON)
def poisson(
    y_true: Any, y_pred: Any, *, sample_weight: Any = None, reduction: str | None = "sum_over_batch_size"
) -> Array:
    """The Poisson negative log-likelihood of counts, without its constant.

    value = mean(y_pred - y_true * ln(y_pred + 1e-7))

    Args:
      y_true: counts, [batch, outputs].
      y_pred: rates (not their logarithms), positive. The others, Returns, Raises: as `mean_squared_error`.
    Keras: Poisson.
    >>> float(poisson([[2.0]], [[1.0]]))
    0.999999...
    """
    return evaluate(_POISSON, y_true, y_pred, sample_weight, reduction)
