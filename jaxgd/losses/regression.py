"""Losses of a residual: squared, absolute, relative, logarithmic, Huber, log-cosh, and of an angle."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxgd._types import Array, Scalar
from jaxgd.losses import _ties
from jaxgd.losses._rule import Rule, evaluate, implements

_LOG_2 = float(np.log(np.float32(2.0)))
"""ln 2 as Keras has it: rounded to float32, in float64 arithmetic too."""


def _squared(y_true: Array, y_pred: Array) -> Array:
    return jnp.mean(jnp.square(y_true - y_pred), axis=-1)


def _squared_slope(y_true: Array, y_pred: Array) -> Array:
    return 2.0 * (y_pred - y_true) / y_pred.shape[-1]


_SQUARED = Rule(_squared, _squared_slope)


@implements(_SQUARED)
def mean_squared_error(
    y_true: Any, y_pred: Any, *, sample_weight: Any = None, reduction: str | None = "sum_over_batch_size"
) -> Array:
    """Mean of the squared residuals.

    loss = sum(weight * mean((y_true - y_pred)**2, axis=-1)) / number of samples

    Args:
      y_true: float[batch, outputs].
      y_pred: float[batch, outputs].
      sample_weight: float[batch] or [batch, 1], or None.
      reduction: "sum_over_batch_size", "sum", "mean_with_sample_weight", or "none" for one value a sample.
    Returns:
      A scalar in y_pred's dtype; the values a sample with reduction "none".
    Raises:
      ValueError: shapes that differ by more than a last dimension of 1, or an unknown reduction.
    Keras: MeanSquaredError.
    >>> float(mean_squared_error([[0.0, 4.0]], [[1.0, 2.0]]))
    2.5
    """
    return evaluate(_SQUARED, y_true, y_pred, sample_weight, reduction)


def _absolute(y_true: Array, y_pred: Array) -> Array:
    return jnp.mean(_ties.absolute(y_true - y_pred), axis=-1)


def _absolute_slope(y_true: Array, y_pred: Array) -> Array:
    return jnp.sign(y_pred - y_true) / y_pred.shape[-1]


_ABSOLUTE = Rule(_absolute, _absolute_slope)


@implements(_ABSOLUTE)
def mean_absolute_error(
    y_true: Any, y_pred: Any, *, sample_weight: Any = None, reduction: str | None = "sum_over_batch_size"
) -> Array:
    """Mean of the absolute residuals; its derivative at a residual of 0 is 0.

    loss = sum(weight * mean(|y_true - y_pred|, axis=-1)) / number of samples

    Args, Returns, Raises: as `mean_squared_error`.
    Keras: MeanAbsoluteError.
    >>> float(mean_absolute_error([[0.0, 4.0]], [[1.0, 2.0]]))
    1.5
    """
    return evaluate(_ABSOLUTE, y_true, y_pred, sample_weight, reduction)


def _scale_of(y_true: Array) -> Array:
    return jnp.maximum(jnp.abs(y_true), _ties.EPSILON)


def _percentage(y_true: Array, y_pred: Array) -> Array:
    return 100.0 * jnp.mean(_ties.absolute((y_true - y_pred) / _scale_of(y_true)), axis=-1)


def _percentage_slope(y_true: Array, y_pred: Array) -> Array:
    return 100.0 * jnp.sign(y_pred - y_true) / _scale_of(y_true) / y_pred.shape[-1]


_PERCENTAGE = Rule(_percentage, _percentage_slope)


@implements(_PERCENTAGE)
def mean_absolute_percentage_error(
    y_true: Any, y_pred: Any, *, sample_weight: Any = None, reduction: str | None = "sum_over_batch_size"
) -> Array:
    """Mean of the absolute residuals as a percentage of the target.

    loss = sum(weight * 100 * mean(|y_true - y_pred| / max(|y_true|, 1e-7), axis=-1)) / number of samples

    Args, Returns, Raises: as `mean_squared_error`.
    Keras: MeanAbsolutePercentageError.
    >>> float(mean_absolute_percentage_error([[2.0, 4.0]], [[1.0, 4.0]]))
    25.0
    """
    return evaluate(_PERCENTAGE, y_true, y_pred, sample_weight, reduction)


def _log_of(x: Array) -> Array:
    return jnp.log(_ties.at_least(x, _ties.EPSILON_FLOAT32) + 1.0)


def _squared_logarithmic(y_true: Array, y_pred: Array) -> Array:
    return jnp.mean(jnp.square(_log_of(y_pred) - _log_of(y_true)), axis=-1)


def _squared_logarithmic_slope(y_true: Array, y_pred: Array) -> Array:
    slope = 2.0 * (_log_of(y_pred) - _log_of(y_true)) / (y_pred + 1.0) / y_pred.shape[-1]
    return jnp.where(y_pred >= _ties.EPSILON_FLOAT32, slope, 0)


_SQUARED_LOGARITHMIC = Rule(_squared_logarithmic, _squared_logarithmic_slope)


@implements(_SQUARED_LOGARITHMIC)
def mean_squared_logarithmic_error(
    y_true: Any, y_pred: Any, *, sample_weight: Any = None, reduction: str | None = "sum_over_batch_size"
) -> Array:
    """Mean of the squared differences of logarithms.

    loss = sum(weight * mean((ln(max(y_pred, 1e-7) + 1) - ln(max(y_true, 1e-7) + 1))**2, axis=-1)) / samples

    Args, Returns, Raises: as `mean_squared_error`.
    Keras: MeanSquaredLogarithmicError.
    >>> round(float(mean_squared_logarithmic_error([[1.0]], [[3.0]])), 6)
    0.480453
    """
    return evaluate(_SQUARED_LOGARITHMIC, y_true, y_pred, sample_weight, reduction)


def _huber(y_true: Array, y_pred: Array, delta: Scalar = 1.0) -> Array:
    delta = jnp.asarray(delta, y_pred.dtype)
    error = y_pred - y_true
    size = _ties.absolute(error)
    return jnp.mean(
        jnp.where(size <= delta, 0.5 * jnp.square(error), delta * size - 0.5 * jnp.square(delta)), axis=-1
    )


def _huber_slope(y_true: Array, y_pred: Array, delta: Scalar = 1.0) -> Array:
    delta = jnp.asarray(delta, y_pred.dtype)
    error = y_pred - y_true
    return jnp.where(jnp.abs(error) <= delta, error, delta * jnp.sign(error)) / y_pred.shape[-1]


_HUBER = Rule(_huber, _huber_slope)


@implements(_HUBER)
def huber(
    y_true: Any,
    y_pred: Any,
    *,
    sample_weight: Any = None,
    reduction: str | None = "sum_over_batch_size",
    delta: Scalar = 1.0,
) -> Array:
    """Squared near the target, linear from a distance of `delta` on.

    value = mean(e**2 / 2 where |e| <= delta, else delta |e| - delta**2 / 2), e = y_pred - y_true

    Args:
      delta: where the two meet; may be traced. The others, Returns, Raises: as `mean_squared_error`.
    Keras: Huber. A model file that Keras wrote does not keep its delta.
    >>> float(huber([[0.0, 0.0]], [[1.0, 3.0]]))
    1.5
    """
    return evaluate(_HUBER, y_true, y_pred, sample_weight, reduction, delta=delta)


def _log_cosh(y_true: Array, y_pred: Array) -> Array:
    error = y_pred - y_true
    return jnp.mean(error + jax.nn.softplus(-2.0 * error) - _LOG_2, axis=-1)


def _log_cosh_slope(y_true: Array, y_pred: Array) -> Array:
    return (1.0 - 2.0 * jax.nn.sigmoid(-2.0 * (y_pred - y_true))) / y_pred.shape[-1]


_LOG_COSH = Rule(_log_cosh, _log_cosh_slope)


@implements(_LOG_COSH)
def log_cosh(
    y_true: Any, y_pred: Any, *, sample_weight: Any = None, reduction: str | None = "sum_over_batch_size"
) -> Array:
    """Logarithm of the hyperbolic cosine of the residual: squared near 0, absolute far away.

    value = mean(e + softplus(-2 e) - ln 2), e = y_pred - y_true

    Args, Returns, Raises: as `mean_squared_error`.
    Keras: LogCosh. ln 2 is rounded to float32, as there, so a perfect float64 prediction has loss -1.9e-9.
    >>> round(float(log_cosh([[0.0]], [[1.0]])), 6)
    0.433781
    """
    return evaluate(_LOG_COSH, y_true, y_pred, sample_weight, reduction)


def _cosine(y_true: Array, y_pred: Array, axis: int = -1) -> Array:
    unit_pred = y_pred * _ties.inverse_norm(y_pred, axis)
    unit_true = y_true * _ties.inverse_norm(y_true, axis)
    return -jnp.sum(unit_true * unit_pred, axis=axis)


def _cosine_slope(y_true: Array, y_pred: Array, axis: int = -1) -> Array:
    unit_true = y_true * _ties.inverse_norm(y_true, axis)
    inverse = _ties.inverse_norm(y_pred, axis)
    unit_pred = y_pred * inverse
    across = unit_true - unit_pred * jnp.sum(unit_true * unit_pred, axis=axis, keepdims=True)
    return -inverse * jnp.where(inverse < 1.0 / _ties.EPSILON, across, unit_true)


_COSINE = Rule(_cosine, _cosine_slope, neutral=(0.0, 0.0))


@implements(_COSINE)
def cosine_similarity(
    y_true: Any,
    y_pred: Any,
    *,
    sample_weight: Any = None,
    reduction: str | None = "sum_over_batch_size",
    axis: int = -1,
) -> Array:
    """Minus the cosine of the angle between target and prediction: -1 for one direction, 0 for a zero vector.

    value = -sum(u(y_true) * u(y_pred)), u(x) = x * min(1 / |x|, 1e7)

    Args:
      axis: the dimension that holds the vectors. The others, Returns, Raises: as `mean_squared_error`.
    Keras: CosineSimilarity (the metric of that name has the other sign).
    >>> float(cosine_similarity([[3.0, 0.0]], [[1.0, 0.0]]))
    -1.0
    """
    return evaluate(_COSINE, y_true, y_pred, sample_weight, reduction, axis=axis)
