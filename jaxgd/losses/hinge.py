"""Losses of a margin. Binary targets are -1 or 1; 0 and 1 are understood."""

from typing import Any

import jax.numpy as jnp

from jaxgd._types import Array
from jaxgd.losses import _ties
from jaxgd.losses._rule import Rule, evaluate, implements


def _signed(y_true: Array) -> Array:
    """Targets 0 and 1 as -1 and 1, if the batch holds no other."""
    is_binary = jnp.all((y_true == 0) | (y_true == 1))
    return jnp.where(is_binary, 2.0 * y_true - 1.0, y_true)


def _shortfall(y_true: Array, y_pred: Array) -> Array:
    return _ties.at_least(1.0 - _signed(y_true) * y_pred, 0.0)


def _hinge(y_true: Array, y_pred: Array) -> Array:
    return jnp.mean(_shortfall(y_true, y_pred), axis=-1)


def _hinge_slope(y_true: Array, y_pred: Array) -> Array:
    sign = _signed(y_true)
    return jnp.where(1.0 - sign * y_pred >= 0, -sign, 0) / y_pred.shape[-1]


_HINGE = Rule(_hinge, _hinge_slope)


@implements(_HINGE)
def hinge(
    y_true: Any, y_pred: Any, *, sample_weight: Any = None, reduction: str | None = "sum_over_batch_size"
) -> Array:
    """By how much a prediction falls short of a margin of 1.

    value = mean(max(1 - y_true * y_pred, 0))

    Args:
      y_true: [batch, outputs], -1 or 1; targets 0 and 1 become -1 and 1 if the whole batch holds only these.
      y_pred: float[batch, outputs]. The others, Returns, Raises: as `mean_squared_error`.
    Keras: Hinge.
    >>> float(hinge([[1.0, -1.0]], [[0.5, -2.0]]))
    0.25
    """
    return evaluate(_HINGE, y_true, y_pred, sample_weight, reduction)


def _squared_hinge(y_true: Array, y_pred: Array) -> Array:
    return jnp.mean(jnp.square(_shortfall(y_true, y_pred)), axis=-1)


def _squared_hinge_slope(y_true: Array, y_pred: Array) -> Array:
    return -2.0 * _shortfall(y_true, y_pred) * _signed(y_true) / y_pred.shape[-1]


_SQUARED_HINGE = Rule(_squared_hinge, _squared_hinge_slope)


@implements(_SQUARED_HINGE)
def squared_hinge(
    y_true: Any, y_pred: Any, *, sample_weight: Any = None, reduction: str | None = "sum_over_batch_size"
) -> Array:
    """The square of what a prediction lacks to a margin of 1.

    value = mean(max(1 - y_true * y_pred, 0)**2)

    Args, Returns, Raises: as `hinge`.
    Keras: SquaredHinge.
    >>> float(squared_hinge([[1.0, -1.0]], [[0.5, -2.0]]))
    0.125
    """
    return evaluate(_SQUARED_HINGE, y_true, y_pred, sample_weight, reduction)


def _class_margin(y_true: Array, y_pred: Array) -> Array:
    right = jnp.sum(y_true * y_pred, axis=-1)
    wrong = jnp.max((1.0 - y_true) * y_pred, axis=-1)
    return wrong - right + 1.0


def _categorical_hinge(y_true: Array, y_pred: Array) -> Array:
    return _ties.at_least(_class_margin(y_true, y_pred), 0.0)


def _categorical_hinge_slope(y_true: Array, y_pred: Array) -> Array:
    others = (1.0 - y_true) * y_pred
    is_largest = (others == jnp.max(others, axis=-1, keepdims=True)).astype(y_pred.dtype)
    share = is_largest / jnp.sum(is_largest, axis=-1, keepdims=True)
    is_short = (_class_margin(y_true, y_pred) >= 0)[..., None]
    return jnp.where(is_short, share * (1.0 - y_true) - y_true, 0)


_CATEGORICAL_HINGE = Rule(_categorical_hinge, _categorical_hinge_slope)


@implements(_CATEGORICAL_HINGE)
def categorical_hinge(
    y_true: Any, y_pred: Any, *, sample_weight: Any = None, reduction: str | None = "sum_over_batch_size"
) -> Array:
    """By how much the right class's score does not lead the best other by 1.

    value = max(max((1 - y_true) * y_pred) - sum(y_true * y_pred) + 1, 0)

    Args:
      y_true: one-hot, [batch, classes].
      y_pred: scores, float[batch, classes]. The others, Returns, Raises: as `mean_squared_error`.
    Keras: CategoricalHinge. The right class takes part in the inner maximum with a 0.
    >>> float(categorical_hinge([[0.0, 1.0]], [[0.5, 1.0]]))
    0.5
    """
    return evaluate(_CATEGORICAL_HINGE, y_true, y_pred, sample_weight, reduction)
