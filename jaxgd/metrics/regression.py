"""Metrics of residuals and of agreement: RMSE, R², cosine similarity, correlation."""

from typing import Any

import jax.numpy as jnp

from jaxgd._checks import check_integer, wrong
from jaxgd._types import Array, PyTree
from jaxgd.losses import _ties
from jaxgd.losses._align import align
from jaxgd.metrics._mean import mean_of, mean_result, mean_sums
from jaxgd.metrics._metric import Batch, Definition


def _rmse_sums(batch: Batch) -> PyTree:
    y_true, y_pred = align(batch.y_true, batch.y_pred)
    return mean_sums(jnp.square(y_pred - y_true), batch)


def _rmse_result(sums: PyTree) -> Array:
    return jnp.sqrt(mean_result(sums))


ROOT_MEAN_SQUARED_ERROR = Definition(_rmse_sums, _rmse_result, "min")
"""The root of the mean of all squared residuals, not the mean of each batch's root."""

_AGGREGATIONS = (None, "uniform_average", "variance_weighted_average")


def _check_r2(class_aggregation: str | None = "uniform_average", num_regressors: int = 0) -> None:
    if class_aggregation not in _AGGREGATIONS:
        raise wrong("class_aggregation", class_aggregation, f"one of {_AGGREGATIONS}")
    check_integer("num_regressors", num_regressors, 0)


def _r2_sums(batch: Batch, **options: Any) -> PyTree:
    y_true, y_pred = align(batch.y_true, batch.y_pred)
    if y_pred.ndim != 2:
        raise ValueError(f"y_pred: expected shape [batch, outputs], got {y_pred.shape}.")
    weights = jnp.ones((), y_pred.dtype) if batch.weights is None else batch.weights
    weights = jnp.broadcast_to(weights[:, None] if weights.ndim == 1 else weights, y_pred.shape)
    rows = y_pred.shape[0] if batch.rows is None else jnp.sum(batch.rows, dtype=y_pred.dtype)
    return {
        "sum": jnp.sum(weights * y_true, 0),
        "squared_sum": jnp.sum(y_true * (weights * y_true), 0),
        "residual": jnp.sum(jnp.square(y_true - y_pred) * weights, 0),
        "count": jnp.sum(weights, 0),
        "num_samples": jnp.asarray(rows * y_pred.shape[1], y_pred.dtype),
    }


def _r2_result(
    sums: PyTree, class_aggregation: str | None = "uniform_average", num_regressors: int = 0
) -> Array:
    variation = sums["squared_sum"] - sums["sum"] * (sums["sum"] / sums["count"])
    scores = 1 - sums["residual"] / variation
    scores = jnp.where(jnp.isinf(scores), 0, scores)
    if class_aggregation == "uniform_average":
        scores = jnp.mean(scores)
    elif class_aggregation == "variance_weighted_average":
        scores = jnp.sum(variation * scores) / jnp.sum(variation)
    return _adjusted(scores, sums["num_samples"], num_regressors) if num_regressors else scores


def _adjusted(scores: Array, num_samples: Array, num_regressors: int) -> Array:
    """R² with its degrees of freedom; the plain one where there are too few samples for that."""
    spare = num_samples - num_regressors - 1
    adjusted = 1 - (1 - scores) * (num_samples - 1) / jnp.where(spare > 0, spare, 1)
    return jnp.where(spare > 0, adjusted, scores)


R2_SCORE = Definition(
    _r2_sums, _r2_result, "max", (("class_aggregation", "uniform_average"), ("num_regressors", 0)), _check_r2
)
"""1 - residual / variation of each output; a constant target gives 0, or NaN if predicted perfectly."""


def _cosine(y_true: Array, y_pred: Array, axis: int = -1) -> Array:
    y_true, y_pred = align(y_true, y_pred)
    unit_true, unit_pred = (x * _ties.inverse_norm(x, axis) for x in (y_true, y_pred))
    return jnp.sum(unit_true * unit_pred, axis=axis)


COSINE_SIMILARITY = mean_of(_cosine, "max", axis=-1)
"""The cosine of the angle between target and prediction: the loss of that name without its minus."""


def _centred(x: Array, axis: int) -> Array:
    return x - jnp.mean(x, axis=axis, keepdims=True)


def _pearson(y_true: Array, y_pred: Array, axis: int = -1) -> Array:
    y_true, y_pred = align(y_true, y_pred)
    centred = [_centred(x, axis) for x in (y_true, y_pred)]
    first, second = (x / jnp.std(x, axis=axis, keepdims=True) for x in centred)
    return jnp.mean(first * second, axis=axis)


def _concordance(y_true: Array, y_pred: Array, axis: int = -1) -> Array:
    y_true, y_pred = align(y_true, y_pred)
    mean_true, mean_pred = (jnp.mean(x, axis=axis, keepdims=True) for x in (y_true, y_pred))
    variances = jnp.var(y_true - mean_true, axis=axis, keepdims=True) + jnp.var(
        y_pred - mean_pred, axis=axis, keepdims=True
    )
    covariance = (y_true - mean_pred) * (y_pred - mean_pred)
    scale = variances + jnp.square(mean_true - mean_pred) + _ties.EPSILON
    return jnp.mean(2 * covariance / scale, axis=axis)


PEARSON_CORRELATION = mean_of(_pearson, "max", axis=-1)
"""Pearson's correlation along `axis` of each sample, averaged over samples."""

CONCORDANCE_CORRELATION = mean_of(_concordance, "max", axis=-1)
"""Lin's concordance correlation along `axis` of each sample, averaged over samples."""
