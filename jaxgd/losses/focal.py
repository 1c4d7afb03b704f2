"""Focal cross-entropies: what is predicted well already counts less."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp

from jaxgd._checks import wrong
from jaxgd._types import Array, Scalar
from jaxgd.losses import _crossentropy_rules as rules
from jaxgd.losses import _ties
from jaxgd.losses._rule import Rule, evaluate, implements


def _class_weight(target: Array, alpha: Scalar, apply_class_balancing: bool) -> Array | float:
    return target * alpha + (1 - target) * (1 - alpha) if apply_class_balancing else 1.0


def _binary_focal(
    y_true: Array,
    y_pred: Array,
    apply_class_balancing: bool = False,
    alpha: Scalar = 0.25,
    gamma: Scalar = 2.0,
    from_logits: bool = False,
    label_smoothing: Scalar = 0.0,
    axis: int = -1,
) -> Array:
    target = rules.smooth(y_true, label_smoothing, 2)
    entropy_of = rules.from_sigmoid_logits if from_logits else rules.from_sigmoid_probability
    probability = jax.nn.sigmoid(y_pred) if from_logits else y_pred
    hit = target * probability + (1 - target) * (1 - probability)
    value = jnp.power(1.0 - hit, gamma) * entropy_of(target, y_pred)
    return jnp.mean(_class_weight(target, alpha, apply_class_balancing) * value, axis=axis)


def _binary_focal_slope(
    y_true: Array,
    y_pred: Array,
    apply_class_balancing: bool = False,
    alpha: Scalar = 0.25,
    gamma: Scalar = 2.0,
    from_logits: bool = False,
    label_smoothing: Scalar = 0.0,
    axis: int = -1,
) -> Array:
    target = rules.smooth(y_true, label_smoothing, 2)
    entropy_of = rules.from_sigmoid_logits if from_logits else rules.from_sigmoid_probability
    entropy_slope = rules.sigmoid_logits_slope if from_logits else rules.sigmoid_probability_slope
    probability = jax.nn.sigmoid(y_pred) if from_logits else y_pred
    probability_slope = probability * (1 - probability) if from_logits else 1.0
    miss = 1.0 - (target * probability + (1 - target) * (1 - probability))
    hit_slope = -gamma * jnp.power(miss, gamma - 1) * probability_slope
    factor_slope = hit_slope * target - hit_slope * (1 - target)
    slope = factor_slope * entropy_of(target, y_pred) + jnp.power(miss, gamma) * entropy_slope(target, y_pred)
    return _class_weight(target, alpha, apply_class_balancing) * slope / y_pred.shape[axis]


_BINARY_FOCAL = Rule(_binary_focal, _binary_focal_slope, takes_logits=True)


@implements(_BINARY_FOCAL)
def binary_focal_crossentropy(
    y_true: Any,
    y_pred: Any,
    *,
    sample_weight: Any = None,
    reduction: str | None = "sum_over_batch_size",
    apply_class_balancing: bool = False,
    alpha: Scalar = 0.25,
    gamma: Scalar = 2.0,
    from_logits: bool = False,
    label_smoothing: Scalar = 0.0,
    axis: int = -1,
) -> Array:
    """Binary cross-entropy times (1 - p_t)**gamma, p_t the probability of what is true.

    value = mean(w (1 - p_t)**gamma BCE(y, p)), p_t = y p + (1 - y)(1 - p),
    w = y alpha + (1 - y)(1 - alpha) if apply_class_balancing, else 1

    Args:
      apply_class_balancing: whether alpha weighs the two classes.
      alpha, gamma: may be traced. The others, Returns, Raises: as `binary_crossentropy`.
    Keras: BinaryFocalCrossentropy. With logits, the cross-entropy factor uses them unclipped.
    >>> round(float(binary_focal_crossentropy([[1.0]], [[0.5]])), 6)
    0.173287
    """
    options = {
        "apply_class_balancing": apply_class_balancing,
        "alpha": alpha,
        "gamma": gamma,
        "from_logits": from_logits,
        "label_smoothing": label_smoothing,
        "axis": axis,
    }
    return evaluate(_BINARY_FOCAL, y_true, y_pred, sample_weight, reduction, **options)


def _of_classes(alpha: Any, y_pred: Array) -> Any:
    """One weight for all classes, or one for each on the last axis, which Keras rounds to float32."""
    if not isinstance(alpha, tuple | list):
        return alpha
    if len(alpha) != y_pred.shape[-1]:
        raise wrong("alpha", alpha, f"a number, or one for each of the {y_pred.shape[-1]} classes")
    return jnp.asarray(alpha, jnp.float32).astype(y_pred.dtype)


def _categorical_focal(
    y_true: Array,
    y_pred: Array,
    alpha: Any = 0.25,
    gamma: Scalar = 2.0,
    from_logits: bool = False,
    label_smoothing: Scalar = 0.0,
    axis: int = -1,
) -> Array:
    target = rules.smooth(y_true, label_smoothing, y_true.shape[-1])
    probability = jax.nn.softmax(y_pred, axis) if from_logits else y_pred
    share = probability / jnp.sum(probability, axis, keepdims=True)
    clipped = _ties.clip(share, rules.LOW, rules.HIGH)
    entropy = -target * jnp.log(clipped)
    return jnp.sum(jnp.power(1.0 - clipped, gamma) * _of_classes(alpha, y_pred) * entropy, axis)


def _categorical_focal_slope(
    y_true: Array,
    y_pred: Array,
    alpha: Any = 0.25,
    gamma: Scalar = 2.0,
    from_logits: bool = False,
    label_smoothing: Scalar = 0.0,
    axis: int = -1,
) -> Array:
    target = rules.smooth(y_true, label_smoothing, y_true.shape[-1])
    probability = jax.nn.softmax(y_pred, axis) if from_logits else y_pred
    total = jnp.sum(probability, axis, keepdims=True)
    share = probability / total
    clipped = jnp.clip(share, rules.LOW, rules.HIGH)
    miss = 1.0 - clipped
    slope = gamma * jnp.power(miss, gamma - 1) * jnp.log(clipped) - jnp.power(miss, gamma) / clipped
    share_slope = _of_classes(alpha, y_pred) * target * slope
    share_slope = jnp.where(_ties.is_within(share, rules.LOW, rules.HIGH), share_slope, 0)
    probability_slope = rules.through_share(share_slope, share, total, axis)
    if not from_logits:
        return probability_slope
    return probability * (probability_slope - jnp.sum(probability_slope * probability, axis, keepdims=True))


_CATEGORICAL_FOCAL = Rule(_categorical_focal, _categorical_focal_slope)


@implements(_CATEGORICAL_FOCAL)
def categorical_focal_crossentropy(
    y_true: Any,
    y_pred: Any,
    *,
    sample_weight: Any = None,
    reduction: str | None = "sum_over_batch_size",
    alpha: Scalar | Sequence[float] = 0.25,
    gamma: Scalar = 2.0,
    from_logits: bool = False,
    label_smoothing: Scalar = 0.0,
    axis: int = -1,
) -> Array:
    """Categorical cross-entropy with every term times alpha (1 - q)**gamma.

    value = sum(alpha (1 - q)**gamma (-y ln q)), q = y_pred / sum(y_pred), clipped to [1e-7, 1 - 1e-7]

    Args:
      alpha: a weight for all classes, which may be traced, or a list with one for each class.
      gamma: may be traced. The others, Returns, Raises: as `categorical_crossentropy`.
    Keras: CategoricalFocalCrossentropy. It clips from logits too.
    >>> round(float(categorical_focal_crossentropy([[0.0, 1.0]], [[0.5, 0.5]])), 6)
    0.043322
    """
    options = {
        "alpha": tuple(alpha) if isinstance(alpha, list) else alpha,
        "gamma": gamma,
        "from_logits": from_logits,
        "label_smoothing": label_smoothing,
        "axis": axis,
    }
    return evaluate(_CATEGORICAL_FOCAL, y_true, y_pred, sample_weight, reduction, **options)
