"""`Loss`: a loss with its options and reduction, hashable, with its value, its derivative and its masks."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp

from jaxgd._named import Named
from jaxgd._types import Array
from jaxgd.losses._align import compute_dtype, match_rank
from jaxgd.losses._reduction import Weighting, expand_rows, make_weighting, zero_padding
from jaxgd.losses._rule import RULES, Rule, along, couples_rows


@dataclass(frozen=True, repr=False)
class Loss(Named):
    """A loss function, the options that were set, and a reduction; two equal ones share a compiled program.

    Make one with `jaxgd.losses.get`. Attributes: `name`, `function`, `options`, `reduction`.
    """

    reduction: str | None = "sum_over_batch_size"

    @property
    def rule(self) -> Rule | None:
        """The parts of a loss of this package; None for a function of the user's."""
        return RULES.get(self.function)

    @property
    def explicit(self) -> bool:
        """Whether `gradient` is a hand-written formula; otherwise it is `jax.grad`."""
        return self.rule is not None

    @property
    def uses_logits(self) -> bool:
        """Whether the loss prefers the logits of a sigmoid or softmax to its output, as Keras's does.

        A sparse cross-entropy with `ignore_class` does not.
        """
        rule = self.rule
        return rule is not None and rule.takes_logits and dict(self.options).get("ignore_class") is None

    @property
    def takes_labels(self) -> bool:
        """Whether the targets are class numbers."""
        return self.name in ("sparse_categorical_crossentropy", "categorical_generalized_cross_entropy")

    def values(self, y_true: Any, y_pred: Any, logits: Any = None) -> Array:
        """One value a sample, before weights and reduction.

        Args:
          y_true: targets, in the shape that the loss's function takes.
          y_pred: predictions, [batch, ...].
          logits: what the output activation was applied to, or None; used if `uses_logits`.
        Returns:
          float[batch, ...], y_pred without its last dimension; a scalar for a loss of the whole batch.
        """
        rule = self.rule
        if rule is None:
            return jnp.asarray(self.function(y_true, y_pred, **dict(self.options)))
        chosen, options = self._choose(y_pred, logits)
        return rule.values(*rule.align(y_true, chosen), **options)

    def __call__(
        self,
        y_true: Any,
        y_pred: Any,
        *,
        sample_weight: Any = None,
        logits: Any = None,
        row_mask: Any = None,
        mask: Any = None,
    ) -> Array:
        """The reduced loss: what Keras gives for the rows where `row_mask` is True, and only these.

        Args:
          y_true, y_pred, logits: as in `values`. A function of the user's gets targets [batch] as [batch, 1]
            where y_pred is [batch, 1], and y_pred [batch] as [batch, 1] where the targets are, as in Keras.
          sample_weight: float[batch], [batch, 1] or of the values' shape.
          row_mask: bool[batch], False for rows that fill up a short batch: they add exactly 0 to the value
            and get a gradient of exactly 0, whatever they hold. None: every row exists, nothing is masked.
          mask: bool of the values' shape, False for entries that Keras's mask leaves out of the mean.
        Returns:
          A scalar; the weighted values (padded rows 0) if the reduction is None.
        Raises:
          ValueError: shapes do not match, or a row mask meets a loss that cannot tell rows apart.
        """
        if self.rule is None:  # those of this package match ranks themselves
            y_true, y_pred = match_rank(jnp.asarray(y_true), jnp.asarray(y_pred))
        y_true, y_pred, logits = self.hide_padding(y_true, y_pred, logits, row_mask)
        values = self.values(y_true, y_pred, logits)
        return self._weighting(y_true, y_pred, values, sample_weight, row_mask, mask).apply(values)

    def gradient(
        self, y_true: Any, y_pred: Any, *, sample_weight: Any = None, row_mask: Any = None, mask: Any = None
    ) -> Array:
        """d loss / d y_pred, by the loss's own formula (`explicit`), without automatic differentiation.

        Args: as `__call__`. With reduction None it is the gradient of the sum.
        Returns:
          float, of y_pred's shape.
        """
        rule = self.rule
        if rule is None:
            return self._automatic_gradient(y_true, y_pred, sample_weight, row_mask, mask)
        y_true, y_pred, _ = self.hide_padding(y_true, y_pred, None, row_mask)
        options = dict(self.options)
        aligned = rule.align(y_true, y_pred)
        values = rule.values(*aligned, **options)
        weighting = self._weighting(y_true, y_pred, values, sample_weight, row_mask, mask)
        gradient = along(rule, weighting.cotangent(values), options) * rule.slope(*aligned, **options)
        gradient = zero_padding(gradient, None if row_mask is None else jnp.asarray(row_mask))
        return gradient.reshape(jnp.shape(y_pred))

    def gradient_logits(self, y_true: Any, logits: Any, **weighting: Any) -> Array:
        """d loss / d logits of the output's sigmoid or softmax: (link(logits) - y) / n for a cross-entropy.

        Args: y_true; logits, float[batch, outputs]; the others as `gradient`.
        Returns:
          float, of the logits' shape.
        Raises:
          ValueError: the loss has no form in logits (`uses_logits` is False).
        """
        if not self.uses_logits:
            raise ValueError(f"gradient_logits: expected a loss that uses logits, got {self!r}.")
        return self._from_logits().gradient(y_true, logits, **weighting)

    def weight(self, y_pred: Any, row_mask: Any = None) -> Array:
        """How much this batch's loss counts in the epoch's: its number of rows, whatever the sample weights.

        Keras shows sum(weight * loss) / sum(weight) over the batches of an epoch.
        """
        dtype = compute_dtype(y_pred)
        if row_mask is None:
            return jnp.asarray(jnp.shape(y_pred)[0], dtype)
        return jnp.sum(jnp.asarray(row_mask), dtype=dtype)

    def valid(self, y_true: Any, y_pred: Any) -> Array | None:
        """bool of the values' shape: which samples an `ignore_class` leaves; None where all count."""
        rule = self.rule
        return None if rule is None else rule.valid(rule.align(y_true, y_pred)[0], **dict(self.options))

    def _from_logits(self) -> "Loss":
        return replace(self, options=tuple(sorted({**dict(self.options), "from_logits": True}.items())))

    def _choose(self, y_pred: Any, logits: Any) -> tuple[Any, dict[str, Any]]:
        """What to compute from: the logits where there are any and the loss wants them."""
        options = dict(self.options)
        if logits is None or not self.uses_logits:
            return y_pred, options
        return logits, {**options, "from_logits": True}

    def hide_padding(self, y_true: Any, y_pred: Any, logits: Any, row_mask: Any) -> tuple[Any, Any, Any]:
        """The arrays with harmless content in the rows that are padding."""
        if row_mask is None:
            return y_true, y_pred, logits
        rows = jnp.asarray(row_mask)
        target, prediction = (None, None) if self.rule is None else self.rule.neutral
        hidden = _fill(y_true, rows, target), _fill(y_pred, rows, prediction)
        return *hidden, None if logits is None else _fill(logits, rows, prediction)

    def _weighting(
        self, y_true: Any, y_pred: Any, values: Array, sample_weight: Any, row_mask: Any, mask: Any
    ) -> Weighting:
        if row_mask is not None:
            row_mask = self._rows_of(values, jnp.asarray(row_mask), jnp.ndim(y_pred))
        own = self.valid(y_true, y_pred)
        if own is not None:
            mask = own if mask is None else own & jnp.asarray(mask, bool)
        return make_weighting(values, self.reduction, sample_weight, mask, row_mask)

    def _rows_of(self, values: Array, row_mask: Array, ndim: int) -> Array | None:
        """The row mask as far as it applies to the values. Raises ValueError where rows are one value."""
        rule = self.rule
        if rule is not None and couples_rows(rule, max(ndim, 1), dict(self.options)):
            if rule.is_additive:
                return row_mask if values.ndim == 0 else None
        elif values.ndim > 0 and values.shape[0] == row_mask.shape[0]:
            return row_mask
        raise ValueError(
            f"row_mask: expected a loss with one value a row, got {self!r} with values of shape "
            f"{values.shape}. Padded rows cannot be left out of it."
        )

    def _automatic_gradient(
        self, y_true: Any, y_pred: Any, sample_weight: Any, row_mask: Any, mask: Any
    ) -> Array:
        def total(prediction: Array) -> Array:
            return jnp.sum(
                self(y_true, prediction, sample_weight=sample_weight, row_mask=row_mask, mask=mask)
            )

        return jax.grad(total)(jnp.asarray(y_pred, compute_dtype(y_pred)))


def _fill(x: Any, rows: Array, content: float | None) -> Array:
    """`x` with `content` in padded rows; without content, with the first row that exists."""
    x = jnp.asarray(x)
    if x.ndim == 0 or x.shape[0] != rows.shape[0]:
        raise ValueError(
            f"row_mask: expected one entry a row, got {rows.shape} for an array of shape {x.shape}."
        )
    filler = x[jnp.argmax(rows)] if content is None else jnp.asarray(content, x.dtype)
    return jnp.where(expand_rows(rows, x.shape), x, filler)


def defaults_of(function: Callable[..., Any]) -> dict[str, Any]:
    """A loss function's own options and their defaults."""
    parameters = inspect.signature(function).parameters.values()
    own = (p for p in parameters if p.kind is p.KEYWORD_ONLY and p.name not in ("sample_weight", "reduction"))
    return {p.name: p.default for p in own}
