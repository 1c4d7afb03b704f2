"""From one value a sample to one number: Keras's reductions, sample weights and masks.

Every reduction is linear in the values, loss = sum(weights * values) / divisor, and a `Weighting` is
that pair, so that the value and its derivative are read off the same object. A row mask marks the rows
that exist: the rest were added to fill a batch, count nowhere, and pass no gradient.
"""

import math
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp

from jaxgd._checks import wrong
from jaxgd._types import Array, Shape
from jaxgd.losses._ties import divide_or_zero

_CANONICAL = {
    "sum_over_batch_size": "sum_over_batch_size",
    "mean": "sum_over_batch_size",
    "sum": "sum",
    "mean_with_sample_weight": "mean_with_sample_weight",
    "none": None,
    None: None,
}


def check_reduction(reduction: str | None) -> str | None:
    """The reduction's one name ("mean" is "sum_over_batch_size", "none" is None). Raises ValueError."""
    if reduction not in _CANONICAL:
        raise wrong("reduction", reduction, "one of " + ", ".join(repr(name) for name in _CANONICAL))
    return _CANONICAL[reduction]


@dataclass(frozen=True)
class Weighting:
    """loss = sum(weights * values) / divisor; without a divisor the weighted values stay as they are."""

    weights: Array | None
    divisor: Array | int | None
    rows: Array | None
    """bool, broadcasts to the values: False where a row is padding."""
    is_total: bool
    """Whether the weighted values are summed."""

    def apply(self, values: Array) -> Array:
        """The reduced loss. Padded rows add exactly 0, whatever their value and weight."""
        weighted = values if self.weights is None else values * self.weights
        if self.rows is not None:
            weighted = jnp.where(self.rows, weighted, 0)
        total = jnp.sum(weighted) if self.is_total else weighted
        return total if self.divisor is None else divide_or_zero(total, self.divisor)

    def cotangent(self, values: Array) -> Array:
        """d loss / d values (of the summed loss, if there is no reduction), of the values' shape."""
        ones = jnp.ones_like(values)
        share = ones if self.divisor is None else divide_or_zero(ones, self.divisor)
        if self.weights is None and self.rows is None:
            return share
        weights = share if self.weights is None else share * self.weights
        if self.rows is not None:
            weights = jnp.where(self.rows, weights, 0)
        return jnp.sum(weights) if weights.ndim > values.ndim else weights


def expand_rows(row_mask: Array, shape: Shape) -> Array:
    """bool[batch] with as many trailing dimensions of 1 as `shape` has more."""
    return row_mask.reshape(row_mask.shape + (1,) * (len(shape) - 1))


def zero_padding(x: Array, row_mask: Array | None) -> Array:
    """`x` with zeros in the rows that only pad; None: there are none."""
    return x if row_mask is None else jnp.where(expand_rows(row_mask, x.shape), x, 0)


def _match_weights(values: Array, weights: Array) -> Array:
    """Weights that broadcast to the values without a dimension meeting another by accident."""
    matched = weights
    if weights.size == 1:
        return weights.reshape(())
    if values.ndim == 0:
        return weights
    if weights.ndim == values.ndim + 1 and weights.shape[-1] == 1:
        matched = weights[..., 0]
    elif weights.ndim == values.ndim - 1 and values.shape[-1] == 1:
        matched = weights[..., None]
    same_rows = matched.ndim == values.ndim and matched.shape[0] == values.shape[0]
    if not same_rows or any(
        size not in (1, wanted) for size, wanted in zip(matched.shape, values.shape, strict=True)
    ):
        raise ValueError(
            f"sample_weight: expected one weight a sample, or a shape that broadcasts to that of the loss "
            f"values {values.shape}, got shape {weights.shape}."
        )
    return matched


def _mask_weights(valid: Array, rows: Array | None, reduction: str | None, dtype: Any) -> Array:
    """What a mask multiplies values with: total / valid for means, which are then over the valid, else 1."""
    valid = valid if rows is None else valid & rows
    if reduction != "sum_over_batch_size":
        return valid.astype(dtype)
    total = valid.size if rows is None else jnp.sum(jnp.broadcast_to(rows, valid.shape), dtype=dtype)
    count = jnp.sum(valid, dtype=dtype)
    return jnp.where(valid, divide_or_zero(jnp.asarray(total, dtype), count), 0)


def _count(weighted_shape: Shape, rows: Array | None, dtype: Any) -> Array | int:
    """How many values there are, of rows that exist."""
    size = math.prod(weighted_shape)
    if rows is None:
        return size
    return jnp.sum(rows, dtype=dtype) * (size // max(weighted_shape[0], 1))


def make_weighting(
    values: Array,
    reduction: str | None,
    sample_weight: Any = None,
    mask: Any = None,
    row_mask: Array | None = None,
) -> Weighting:
    """The weights and the divisor that `reduction` gives to `values`.

    Args:
      values: loss values, [batch, ...], or a scalar that stands for the whole batch.
      reduction: a canonical name (`check_reduction`).
      sample_weight: scalar, [batch], [batch, 1] or the values' shape; for a scalar value any shape.
      mask: bool, the values' shape: False for entries that Keras's mask leaves out.
      row_mask: bool[batch]: False for rows that are padding.
    Raises:
      ValueError: the weights do not belong to the values.
    """
    weights = (
        None if sample_weight is None else _match_weights(values, jnp.asarray(sample_weight, values.dtype))
    )
    shape = jnp.broadcast_shapes(values.shape, () if weights is None else weights.shape)
    rows = None if row_mask is None or not shape else expand_rows(row_mask, shape)
    if weights is not None and weights.ndim and rows is not None:
        weights = jnp.where(rows, weights, 0)
    if mask is not None:
        kept = _mask_weights(jnp.asarray(mask, bool), rows, reduction, values.dtype)
        weights = kept if weights is None else weights * kept
        shape = jnp.broadcast_shapes(shape, weights.shape)
    if reduction is None or not shape:
        return Weighting(weights, None, rows, is_total=False)
    if reduction == "sum":
        return Weighting(weights, None, rows, is_total=True)
    if reduction == "mean_with_sample_weight" and weights is not None:
        return Weighting(weights, jnp.sum(weights), rows, is_total=True)
    return Weighting(weights, _count(shape, rows, values.dtype), rows, is_total=True)
