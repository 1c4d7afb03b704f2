"""What a loss is apart from its reduction: a value for each sample, and the derivative beside it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import jax.numpy as jnp

from jaxgd._types import Array
from jaxgd.losses._align import align
from jaxgd.losses._reduction import check_reduction, make_weighting

RULES: dict[Callable[..., Array], "Rule"] = {}
"""The rule behind each public loss function."""

_Function = TypeVar("_Function", bound=Callable[..., Array])


def _valid_everywhere(y_true: Array, **options: Any) -> None:
    return None


@dataclass(frozen=True)
class Rule:
    """The parts of one loss. All functions get aligned arrays and the loss's own options.

    Attributes:
      values: (y_true, y_pred, **options) -> one value a sample.
      slope: the same arguments -> d(value of the sample) / d(y_pred), of y_pred's shape.
      align: brings targets and predictions to one dtype and to shapes that belong together.
      neutral: a target and a prediction at which value and slope are finite; zeros where rows are summed
        together, so that a padded row adds nothing.
      valid: which samples a mask of the loss's own keeps (None: all).
      takes_logits: whether Keras would use the logits of a sigmoid or softmax instead of its output.
      axis: the dimension that the values lose, where no option says so; None for all.
    """

    values: Callable[..., Array]
    slope: Callable[..., Array]
    align: Callable[[Any, Any], tuple[Array, Array]] = align
    neutral: tuple[float, float] = (1.0, 0.5)
    valid: Callable[..., Array | None] = _valid_everywhere
    takes_logits: bool = False
    axis: int | None = -1

    @property
    def is_additive(self) -> bool:
        """Whether a row of neutral content adds nothing to sums over rows."""
        return self.neutral == (0.0, 0.0)


def implements(rule: Rule) -> Callable[[_Function], _Function]:
    """Declares that a public function reduces the values of `rule`; the function stays as it is."""

    def register(function: _Function) -> _Function:
        RULES[function] = rule
        return function

    return register


def evaluate(
    rule: Rule, y_true: Any, y_pred: Any, sample_weight: Any, reduction: str | None, **options: Any
) -> Array:
    """The reduced loss: what every public function returns."""
    y_true, y_pred = rule.align(y_true, y_pred)
    values = rule.values(y_true, y_pred, **options)
    mask = rule.valid(y_true, **options)
    return make_weighting(values, check_reduction(reduction), sample_weight, mask).apply(values)


def along(rule: Rule, cotangent: Array, options: dict[str, Any]) -> Array:
    """d loss / d values with the dimension back that the values lost, ready to multiply a slope."""
    axis = options.get("axis", rule.axis)
    return cotangent if axis is None or cotangent.ndim == 0 else jnp.expand_dims(cotangent, axis)


def couples_rows(rule: Rule, ndim: int, options: dict[str, Any]) -> bool:
    """Whether a value depends on more than one row: its axis takes in the batch."""
    axis = options.get("axis", rule.axis)
    if axis is None:
        return True
    axes = axis if isinstance(axis, tuple) else (axis,)
    return any(index % ndim == 0 for index in axes)
