"""Targets and predictions brought to one shape and one dtype. A pair of ranks that differ by a last
dimension of 1 is matched as Keras matches it; nothing else is ever broadcast."""

from typing import Any

import jax.numpy as jnp

from jaxgd._types import Array, Shape


def compute_dtype(y_pred: Any) -> Any:
    """The float type a loss is computed in: that of the predictions, float32 at least."""
    dtype = jnp.asarray(y_pred).dtype
    if not jnp.issubdtype(dtype, jnp.floating):
        return jnp.result_type(float)
    return jnp.promote_types(dtype, jnp.float32)


def match_rank(first: Array, second: Array) -> tuple[Array, Array]:
    """The two with equal rank, if they differ by one last dimension of size 1; else as they are.

    A vector gains the dimension ([batch] against [batch, 1] is [batch, 1]); above that the longer one
    loses it.
    """
    if first.ndim == second.ndim + 1 and first.shape[-1] == 1:
        return (first, second[:, None]) if second.ndim == 1 else (first[..., 0], second)
    if second.ndim == first.ndim + 1 and second.shape[-1] == 1:
        return (first[:, None], second) if first.ndim == 1 else (first, second[..., 0])
    return first, second


class ShapeError(ValueError):
    """Targets and predictions of shapes that do not belong together."""


def shape_error(y_true_shape: Shape, y_pred_shape: Shape, expected: str) -> ShapeError:
    return ShapeError(
        f"y_true: expected {expected} for y_pred of shape {y_pred_shape}, got shape {y_true_shape}."
    )


def align(y_true: Any, y_pred: Any) -> tuple[Array, Array]:
    """Both in the compute dtype and of equal shape.

    Raises:
      ValueError: the shapes differ by more than a last dimension of 1.
    """
    dtype = compute_dtype(y_pred)
    y_true, y_pred = jnp.asarray(y_true, dtype), jnp.asarray(y_pred, dtype)
    matched_true, matched_pred = match_rank(y_true, y_pred)
    if matched_true.shape != matched_pred.shape:
        raise shape_error(y_true.shape, y_pred.shape, "an equal shape (nothing is broadcast)")
    return matched_true, matched_pred


def align_labels(y_true: Any, y_pred: Any) -> tuple[Array, Array]:
    """Integer labels [...] for scores [..., classes]; labels [..., 1] lose their last dimension.

    Raises:
      ValueError: the labels are not one for each row of scores.
    """
    labels, scores = jnp.asarray(y_true), jnp.asarray(y_pred, compute_dtype(y_pred))
    if scores.ndim == 0:
        raise ValueError("y_pred: expected scores of shape [..., classes], got a scalar.")
    if labels.ndim == scores.ndim and labels.shape[-1] == 1:
        labels = labels[..., 0]
    if labels.shape != scores.shape[:-1]:
        raise shape_error(jnp.shape(y_true), scores.shape, "one integer label for each row")
    is_integer = jnp.issubdtype(labels.dtype, jnp.integer)
    return (labels if is_integer else labels.astype(jnp.int32)), scores
