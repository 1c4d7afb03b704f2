"""Losses of two sets' overlap, over the whole batch: Dice, Tversky."""

from typing import Any

import jax.numpy as jnp

from jaxgd._types import Array, Scalar
from jaxgd.losses import _ties
from jaxgd.losses._rule import Rule, evaluate, implements

Axis = int | tuple[int, ...] | None


def _dice(y_true: Array, y_pred: Array, axis: Axis = None) -> Array:
    both = jnp.sum(y_true * y_pred, axis=axis)
    either = jnp.sum(y_true, axis=axis) + jnp.sum(y_pred, axis=axis)
    return 1 - 2.0 * both / (either + _ties.EPSILON)


def _dice_slope(y_true: Array, y_pred: Array, axis: Axis = None) -> Array:
    both = jnp.sum(y_true * y_pred, axis=axis, keepdims=True)
    either = jnp.sum(y_true + y_pred, axis=axis, keepdims=True) + _ties.EPSILON
    return 2.0 * (both / either - y_true) / either


_DICE = Rule(_dice, _dice_slope, neutral=(0.0, 0.0), axis=None)


@implements(_DICE)
def dice(
    y_true: Any,
    y_pred: Any,
    *,
    sample_weight: Any = None,
    reduction: str | None = "sum_over_batch_size",
    axis: Axis = None,
) -> Array:
    """One minus the Dice coefficient of the batch.

    value = 1 - 2 sum(y_true * y_pred) / (sum(y_true) + sum(y_pred) + 1e-7)

    Args:
      axis: the dimensions to sum over; None for all, the batch included, so that the value is one scalar.
        The others, Raises: as `mean_squared_error`.
    Returns:
      The value, reduced if `axis` leaves dimensions.
    Keras: Dice.
    >>> round(float(dice([[1.0, 0.0]], [[0.5, 0.5]])), 6)
    0.5
    """
    return evaluate(_DICE, y_true, y_pred, sample_weight, reduction, axis=axis)


def _tversky(
    y_true: Array, y_pred: Array, alpha: Scalar = 0.5, beta: Scalar = 0.5, axis: Axis = None
) -> Array:
    both = jnp.sum(y_true * y_pred, axis=axis)
    missed = jnp.sum((1 - y_pred) * y_true, axis=axis)
    invented = jnp.sum(y_pred * (1 - y_true), axis=axis)
    return 1 - both / (both + missed * alpha + invented * beta + _ties.EPSILON)


def _tversky_slope(
    y_true: Array, y_pred: Array, alpha: Scalar = 0.5, beta: Scalar = 0.5, axis: Axis = None
) -> Array:
    both = jnp.sum(y_true * y_pred, axis=axis, keepdims=True)
    missed = jnp.sum((1 - y_pred) * y_true, axis=axis, keepdims=True)
    invented = jnp.sum(y_pred * (1 - y_true), axis=axis, keepdims=True)
    whole = both + missed * alpha + invented * beta + _ties.EPSILON
    whole_slope = y_true - alpha * y_true + beta * (1 - y_true)
    return (both / whole * whole_slope - y_true) / whole


_TVERSKY = Rule(_tversky, _tversky_slope, neutral=(0.0, 0.0), axis=None)


@implements(_TVERSKY)
def tversky(
    y_true: Any,
    y_pred: Any,
    *,
    sample_weight: Any = None,
    reduction: str | None = "sum_over_batch_size",
    alpha: Scalar = 0.5,
    beta: Scalar = 0.5,
    axis: Axis = None,
) -> Array:
    """One minus the Tversky index of the batch: Dice with a weight on either error.

    value = 1 - TP / (TP + alpha * sum((1 - y_pred) * y_true) + beta * sum(y_pred * (1 - y_true)) + 1e-7)

    Args:
      alpha: weight of what was missed (as Keras computes it; its documentation says the reverse).
      beta: weight of what was invented.
      axis: as in `dice`. The others, Raises: as `mean_squared_error`.
    Returns:
      The value, reduced if `axis` leaves dimensions.
    Keras: Tversky.
    >>> round(float(tversky([[1.0, 0.0]], [[0.5, 0.5]])), 6)
    0.5
    """
    return evaluate(_TVERSKY, y_true, y_pred, sample_weight, reduction, alpha=alpha, beta=beta, axis=axis)
