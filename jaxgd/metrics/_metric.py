"""`Metric`: what is summed over batches, and the number that the sums make.

A metric's sums are a tree of arrays. The sums of two batches added leaf by leaf are the sums of both, so an
epoch is a `lax.scan` that adds, from `zero` on, and a result at its end. It is no state and no accumulator.
"""

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any, Literal

import jax
import jax.numpy as jnp

from jaxgd._types import Array, PyTree
from jaxgd.losses._align import compute_dtype
from jaxgd.losses._reduction import zero_padding

Direction = Literal["max", "min"] | None


@dataclass(frozen=True)
class Batch:
    """Targets and predictions as a metric sees them: weights of padded rows are 0."""

    y_true: Array
    y_pred: Array
    logits: Array | None
    weights: Array | None
    """[batch, ...] or None; the row mask is in it."""
    rows: Array | None
    """bool[batch] or None."""
    is_weighted: bool
    """Whether the weights are more than the row mask."""


@dataclass(frozen=True)
class Definition:
    """The two functions of a metric and its options' defaults; static, one of each kind of metric."""

    sums: Callable[..., PyTree]
    result: Callable[..., Array]
    direction: Direction
    defaults: tuple[tuple[str, Hashable], ...] = ()
    check: Callable[..., None] | None = None
    hides_padding: bool = True
    """Whether padded rows are zeroed before `sums`; False if it does so itself."""


@dataclass(frozen=True)
class Metric:
    """A metric with the options that were set: hashable, additive over batches. Make one with `metrics.get`.

    Attributes:
      name: what Keras's logs call it.
      definition: the kind of metric.
      options: what was set.
    """

    name: str
    definition: Definition
    options: tuple[tuple[str, Hashable], ...] = ()

    def __repr__(self) -> str:
        options = "".join(f", {name}={value!r}" for name, value in self.options)
        return f"Metric({self.name!r}{options})"

    @property
    def direction(self) -> Direction:
        """Which way is better, as `mode="auto"` of Keras's EarlyStopping infers it; None: it cannot tell."""
        return self.definition.direction

    def sums(
        self, y_true: Any, y_pred: Any, weights: Any = None, row_mask: Any = None, logits: Any = None
    ) -> PyTree:
        """What this batch adds.

        Args:
          y_true: targets, in the shape that the metric takes.
          y_pred: predictions, float[batch, ...].
          weights: sample weights, [batch], or None.
          row_mask: bool[batch], False for padding: those rows add exactly 0, whatever they hold.
          logits: what the output activation was applied to; the cross-entropies use it as their losses do.
        Returns:
          A tree of arrays, float32 at least.
        Raises:
          ValueError: shapes do not match.
        """
        batch = _make_batch(y_true, y_pred, weights, row_mask, logits, self.definition.hides_padding)
        return self.definition.sums(batch, **dict(self.options))

    def result(self, sums: PyTree) -> Array:
        """The metric of everything that was summed: a scalar, or a vector for some options."""
        return self.definition.result(sums, **dict(self.options))

    def zero(
        self, y_true: Any, y_pred: Any, weights: Any = None, row_mask: Any = None, logits: Any = None
    ) -> PyTree:
        """The sums of no batch, shaped as for these (arrays or `jax.ShapeDtypeStruct`)."""
        shapes = jax.eval_shape(self.sums, y_true, y_pred, weights, row_mask, logits)
        return jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shapes)

    def __call__(self, y_true: Any, y_pred: Any, weights: Any = None) -> Array:
        """The metric of one batch alone."""
        return self.result(self.sums(y_true, y_pred, weights))

    def describe(self) -> str:
        """The name in logs and history."""
        return self.name


def _make_batch(y_true: Any, y_pred: Any, weights: Any, row_mask: Any, logits: Any, hides: bool) -> Batch:
    dtype = compute_dtype(y_pred)
    y_true, y_pred = jnp.asarray(y_true), jnp.asarray(y_pred, dtype)
    is_weighted = weights is not None
    weights = jnp.asarray(weights, dtype) if is_weighted else None
    if row_mask is None:
        return Batch(y_true, y_pred, logits, weights, None, is_weighted)
    rows = jnp.asarray(row_mask)
    if weights is None:
        weights = rows.astype(dtype)
    elif weights.ndim > 0:
        weights = zero_padding(weights, rows)
    else:
        weights = jnp.where(rows, weights, 0)
    if hides:
        y_true, y_pred = zero_padding(y_true, rows), zero_padding(y_pred, rows)
    return Batch(y_true, y_pred, logits, weights, rows, is_weighted)
