"""Counts of true and false positives and negatives at many thresholds, as sums over a batch."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxgd._checks import wrong
from jaxgd._types import Array, PyTree
from jaxgd.losses import _ties
from jaxgd.losses._align import match_rank, shape_error
from jaxgd.metrics._metric import Batch

NEVER = -1e10
"""The score of a class that is not among the top k."""

Thresholds = tuple[float, ...]


def check_thresholds(thresholds: Any) -> None:
    """Raises ValueError unless all are within [0, 1]."""
    for threshold in as_tuple(thresholds):
        if threshold is None or not 0 <= threshold <= 1:
            raise wrong("thresholds", thresholds, "numbers in [0, 1]")


def as_tuple(value: Any) -> tuple[Any, ...]:
    return tuple(value) if isinstance(value, list | tuple) else (value,)


def even_thresholds(num_thresholds: int) -> Thresholds:
    """`num_thresholds` numbers from 0 to 1; 0.5 if it is one."""
    if num_thresholds == 1:
        return (0.5,)
    between = ((i + 1) * 1.0 / (num_thresholds - 1) for i in range(num_thresholds - 2))
    return (0.0, *between, 1.0)


def is_even(thresholds: Thresholds) -> bool:
    """Whether buckets of equal width can be used, as Keras decides it."""
    if len(thresholds) < 3:
        return False
    even = np.arange(len(thresholds), dtype=np.float32) / (len(thresholds) - 1)
    return bool(np.allclose(thresholds, even, atol=_ties.EPSILON))


def confusion_sums(
    batch: Batch,
    thresholds: Thresholds,
    even: bool,
    top_k: int | None = None,
    class_id: int | None = None,
    label_weights: tuple[float, ...] | None = None,
    by_label: bool = False,
) -> dict[str, Array]:
    """tp, fp, tn, fn: [thresholds], or [thresholds, labels] if `by_label`. Positive is what exceeds one."""
    y_pred, y_true = match_rank(batch.y_pred, batch.y_true)
    if y_pred.shape != y_true.shape:
        raise shape_error(batch.y_true.shape, batch.y_pred.shape, "an equal shape")
    weights = _weights_like(y_pred, batch.weights)
    if top_k is not None:
        y_pred = _only_top_k(y_pred, top_k)
    if class_id is not None:
        if y_pred.ndim == 1:
            raise ValueError(f"class_id: expected y_pred [batch, classes], got shape {y_pred.shape}.")
        y_true, y_pred, weights = (x[..., class_id, None] for x in (y_true, y_pred, weights))
    if label_weights is not None:
        weights = weights * jnp.asarray(label_weights, y_pred.dtype)
    shape = (-1, y_pred.shape[-1]) if by_label else (-1, 1)
    is_true = y_true.astype(bool).reshape(shape)
    y_pred, weights = y_pred.reshape(shape), weights.reshape(shape)
    true, false = jnp.where(is_true, weights, 0), jnp.where(is_true, 0, weights)
    sums = _bucket_sums(y_pred, true, false, thresholds) if even else _sums(y_pred, true, false, thresholds)
    return sums if by_label else {name: total[:, 0] for name, total in sums.items()}


def _weights_like(y_pred: Array, weights: Array | None) -> Array:
    if weights is None:
        return jnp.ones_like(y_pred)
    if weights.ndim == y_pred.ndim - 1:
        weights = weights[..., None]
    elif weights.ndim == y_pred.ndim + 1 and weights.shape[-1] == 1:
        weights = weights[..., 0]
    return jnp.broadcast_to(weights, y_pred.shape)


def _only_top_k(y_pred: Array, k: int) -> Array:
    chosen = jax.lax.top_k(y_pred, k)[1]
    is_chosen = jnp.sum(jax.nn.one_hot(chosen, y_pred.shape[-1], dtype=y_pred.dtype), axis=-2)
    return y_pred * is_chosen + NEVER * (1 - is_chosen)


def _sums(y_pred: Array, true: Array, false: Array, thresholds: Thresholds) -> dict[str, Array]:
    bounds = jnp.asarray(thresholds, y_pred.dtype)
    is_positive = y_pred[None] > bounds[:, None, None]
    kinds = {"tp": (true, is_positive), "fp": (false, is_positive)}
    kinds |= {"tn": (false, ~is_positive), "fn": (true, ~is_positive)}
    return {name: jnp.sum(jnp.where(where, weights, 0), axis=1) for name, (weights, where) in kinds.items()}


def _bucket_sums(y_pred: Array, true: Array, false: Array, thresholds: Thresholds) -> dict[str, Array]:
    """The same for evenly spaced thresholds: every prediction has a bucket, and buckets are added up."""
    size = len(thresholds)
    position = jnp.ceil(jnp.clip(y_pred, 0.0, 1.0) * (size - 1)) - 1
    if thresholds[0] < 0 or thresholds[-1] > 1:
        position = jnp.maximum(position, 0)
    bucket = jnp.where(position >= 0, position, size).astype(jnp.int32)

    def above(weights: Array) -> Array:
        columns = jnp.arange(bucket.shape[1])
        counted = (
            jnp.zeros((size, bucket.shape[1]), weights.dtype).at[bucket, columns].add(weights, mode="drop")
        )
        return jnp.cumsum(counted[::-1], axis=0)[::-1]

    tp, fp = above(true), above(false)
    return {"tp": tp, "fp": fp, "tn": jnp.sum(false, 0) - fp, "fn": jnp.sum(true, 0) - tp}


def recall_of(sums: PyTree) -> Array:
    return _ties.divide_or_zero(sums["tp"], sums["tp"] + sums["fn"])


def precision_of(sums: PyTree) -> Array:
    return _ties.divide_or_zero(sums["tp"], sums["tp"] + sums["fp"])


def false_positive_rate_of(sums: PyTree) -> Array:
    return _ties.divide_or_zero(sums["fp"], sums["fp"] + sums["tn"])


def specificity_of(sums: PyTree) -> Array:
    return _ties.divide_or_zero(sums["tn"], sums["tn"] + sums["fp"])
