"""Accuracies: equality, a threshold, the largest score, the k largest."""

import jax.numpy as jnp
import numpy as np

from jaxgd._checks import is_traced_or_array
from jaxgd._types import Array, Scalar
from jaxgd.losses._align import match_rank, shape_error
from jaxgd.metrics._mean import mean_of


def _aligned(y_true: Array, y_pred: Array) -> tuple[Array, Array]:
    matched_true, matched_pred = match_rank(y_true, y_pred)
    if matched_true.shape != matched_pred.shape:
        raise shape_error(y_true.shape, y_pred.shape, "an equal shape (nothing is broadcast)")
    return matched_true, matched_pred


def _labels(y_true: Array, y_pred: Array) -> Array:
    """Labels [...] for scores [..., classes]; [..., 1] loses its last dimension. Raises ValueError."""
    labels = y_true[..., 0] if y_true.ndim == y_pred.ndim and y_true.shape[-1] == 1 else y_true
    if labels.shape != y_pred.shape[:-1]:
        raise shape_error(y_true.shape, y_pred.shape, "one integer label for each row")
    return labels


def _equal(y_true: Array, y_pred: Array) -> Array:
    y_true, y_pred = _aligned(y_true.astype(y_pred.dtype), y_pred)
    return (y_true == y_pred).astype(y_pred.dtype)


def _binary(y_true: Array, y_pred: Array, threshold: Scalar = 0.5) -> Array:
    y_true, y_pred = _aligned(y_true, y_pred)
    limit = threshold if is_traced_or_array(threshold) else np.float32(threshold)  # as Keras holds it
    return (y_true == (y_pred > jnp.asarray(limit, y_pred.dtype))).astype(y_pred.dtype)


def _categorical(y_true: Array, y_pred: Array) -> Array:
    if y_true.shape != y_pred.shape:
        raise shape_error(y_true.shape, y_pred.shape, "one-hot targets of an equal shape")
    return (jnp.argmax(y_true, -1) == jnp.argmax(y_pred, -1)).astype(y_pred.dtype)


def _sparse(y_true: Array, y_pred: Array) -> Array:
    return (_labels(y_true, y_pred) == jnp.argmax(y_pred, -1)).astype(y_pred.dtype)


def _in_top_k(labels: Array, y_pred: Array, k: int) -> Array:
    """Whether fewer than k scores exceed the label's: a tie is in; a score that is not finite, out."""
    classes = jnp.arange(y_pred.shape[-1])
    hit = labels[..., None].astype(jnp.int32) == classes
    score = jnp.sum(jnp.where(hit, y_pred, 0), axis=-1, keepdims=True)
    is_in = jnp.sum(y_pred > score, axis=-1) < k
    return (is_in & jnp.any(hit, axis=-1) & jnp.all(jnp.isfinite(y_pred), axis=-1)).astype(y_pred.dtype)


def _top_k(y_true: Array, y_pred: Array, k: int = 5) -> Array:
    if y_true.shape != y_pred.shape:
        raise shape_error(y_true.shape, y_pred.shape, "one-hot targets of an equal shape")
    return _in_top_k(jnp.argmax(y_true, -1), y_pred, k)


def _sparse_top_k(y_true: Array, y_pred: Array, k: int = 5, from_sorted_ids: bool = False) -> Array:
    labels = _labels(y_true, y_pred)
    if from_sorted_ids:
        return jnp.any(labels[..., None] == y_pred[..., :k], axis=-1).astype(y_pred.dtype)
    return _in_top_k(labels, y_pred, k)


ACCURACY = mean_of(_equal, "max")
"""The share of predictions that equal the target exactly."""

BINARY_ACCURACY = mean_of(_binary, "max", threshold=0.5)
"""The share of outputs on the right side of the threshold; the threshold itself is on the lower side."""

CATEGORICAL_ACCURACY = mean_of(_categorical, "max")
"""The share of samples whose largest score is where the target's is; of equal scores the first."""

SPARSE_CATEGORICAL_ACCURACY = mean_of(_sparse, "max")
"""The share of samples whose largest score is the label's; of equal scores the first."""

TOP_K_CATEGORICAL_ACCURACY = mean_of(_top_k, "max", k=5)
"""The share of samples with fewer than k scores above the target's."""

SPARSE_TOP_K_CATEGORICAL_ACCURACY = mean_of(_sparse_top_k, "max", k=5, from_sorted_ids=False)
"""The same for integer labels; with `from_sorted_ids` predictions are class numbers, best first."""
