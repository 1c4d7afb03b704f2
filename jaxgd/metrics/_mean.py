"""Metrics that are a mean of one value a sample: Keras's `Mean` and `MeanMetricWrapper`."""

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp

from jaxgd._types import Array, PyTree
from jaxgd.losses import Loss
from jaxgd.losses._align import match_rank
from jaxgd.losses._reduction import zero_padding
from jaxgd.losses._ties import divide_or_zero
from jaxgd.metrics._metric import Batch, Definition, Direction


def mean_sums(values: Array, batch: Batch) -> PyTree:
    """Total and count of values [batch, ...]: every sample's entries are averaged first.

    A scalar stands for its batch and counts once. Raises ValueError for weights that do not fit.
    """
    values = jnp.asarray(values)
    if values.ndim == 0:
        return _scalar_sums(values, batch)
    if batch.weights is None:
        return {"total": jnp.sum(_per_sample(values)), "count": jnp.asarray(values.shape[0], values.dtype)}
    weighted, weights = _weigh(values, batch.weights)
    weighted = zero_padding(weighted, batch.rows)
    return {"total": jnp.sum(_per_sample(weighted)), "count": jnp.sum(_per_sample(weights))}


def mean_result(sums: PyTree, **options: Any) -> Array:
    """total / count; 0 before anything was counted."""
    return divide_or_zero(sums["total"], sums["count"])


def _per_sample(values: Array) -> Array:
    return jnp.mean(values, axis=tuple(range(1, values.ndim))) if values.ndim > 1 else values


def _weigh(values: Array, weights: Array) -> tuple[Array, Array]:
    """Weighted values and the weights, of one shape; values are averaged where weights have no dimension."""
    values, weights = match_rank(values, weights)
    if values.ndim > weights.ndim:
        values = jnp.mean(values, axis=tuple(range(weights.ndim, values.ndim)))
    if weights.ndim > values.ndim or (weights.ndim and weights.shape[0] != values.shape[0]):
        raise ValueError(
            f"weights: expected one weight a sample for values of shape {values.shape}, got {weights.shape}."
        )
    weights = jnp.broadcast_to(weights, values.shape)
    return values * weights, weights


def _scalar_sums(value: Array, batch: Batch) -> PyTree:
    if batch.is_weighted:
        raise ValueError("weights: expected none for a metric with one value a batch.")
    exists = jnp.asarray(True) if batch.rows is None else jnp.any(batch.rows)
    return {"total": jnp.where(exists, value, 0), "count": exists.astype(value.dtype)}


def mean_of(values: Callable[..., Array], direction: Direction, **defaults: Any) -> Definition:
    """The mean of `values(y_true, y_pred, **options)`, one value a sample or several."""

    def sums(batch: Batch, **options: Any) -> PyTree:
        return mean_sums(values(batch.y_true, batch.y_pred, **options), batch)

    return Definition(sums, mean_result, direction, tuple(sorted(defaults.items())))


def _loss_sums(batch: Batch, loss: Loss) -> PyTree:
    y_true, y_pred, logits = loss.hide_padding(batch.y_true, batch.y_pred, batch.logits, batch.rows)
    values = loss.values(y_true, y_pred, logits).astype(batch.y_pred.dtype)
    if values.ndim == 0 and batch.rows is not None and loss.rule is None:
        raise ValueError(f"row_mask: expected a metric with one value a row, got {loss!r} with one a batch.")
    kept = loss.valid(y_true, y_pred)
    if kept is None or not batch.is_weighted or batch.weights is None:
        return mean_sums(values, batch)
    weights = batch.weights * kept.astype(values.dtype)
    return mean_sums(values, Batch(y_true, y_pred, logits, weights, batch.rows, True))


LOSS = Definition(_loss_sums, mean_result, "min", hides_padding=False)
"""The mean of a loss's values. As in Keras, classes that the loss ignores count unless there are weights."""

FUNCTION = Definition(_loss_sums, mean_result, None, hides_padding=False)
"""The mean of the values of a user's function: Keras cannot tell which way is better."""
