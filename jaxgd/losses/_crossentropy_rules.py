"""The numbers behind the three cross-entropies: from logits, from probabilities, and their derivatives.

From logits nothing is clipped and the derivative is (link(z) - y). From probabilities the prediction is
clipped to [1e-7, 1 - 1e-7] as TensorFlow clips it, and what is clipped passes no gradient.
"""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax.custom_derivatives import SymbolicZero

from jaxgd._types import Array, Scalar
from jaxgd.losses import _ties

LOW, HIGH = _ties.EPSILON, 1.0 - _ties.EPSILON


def smooth(y_true: Array, amount: Scalar, num_classes: int) -> Array:
    """Targets moved by `amount` towards the uniform distribution."""
    if isinstance(amount, int | float) and amount == 0:
        return y_true
    return y_true * (1.0 - amount) + amount / num_classes


def from_sigmoid_logits(y_true: Array, logits: Array) -> Array:
    """-(y ln s + (1 - y) ln(1 - s)), s = sigmoid(logits), element by element; exact at any size of logit."""
    is_positive = logits >= 0
    rectified = jnp.where(is_positive, logits, 0)
    return rectified - logits * y_true + jnp.log1p(jnp.exp(jnp.where(is_positive, -logits, logits)))


def from_sigmoid_probability(y_true: Array, y_pred: Array) -> Array:
    """-(y ln p + (1 - y) ln(1 - p)), p clipped, element by element."""
    clipped = _ties.clip(y_pred, LOW, HIGH)
    return -(y_true * jnp.log(clipped) + (1 - y_true) * jnp.log(1 - clipped))


def sigmoid_logits_slope(y_true: Array, logits: Array) -> Array:
    return jax.nn.sigmoid(logits) - y_true


def sigmoid_probability_slope(y_true: Array, y_pred: Array) -> Array:
    slope = (1 - y_true) / (1 - y_pred) - y_true / y_pred
    return jnp.where(_ties.is_within(y_pred, LOW, HIGH), slope, 0)


@partial(jax.custom_jvp, nondiff_argnums=(2,))
def from_softmax_logits(y_true: Array, logits: Array, axis: int) -> Array:
    """-sum(y ln softmax(logits)), whose derivative is softmax(logits) - y even if y does not sum to 1."""
    return -jnp.sum(y_true * jax.nn.log_softmax(logits, axis), axis)


@partial(from_softmax_logits.defjvp, symbolic_zeros=True)
def _from_softmax_logits_jvp(axis: int, primals: Any, tangents: Any) -> tuple[Array, Array]:
    (y_true, logits), (y_true_dot, logits_dot) = primals, tangents
    value = from_softmax_logits(y_true, logits, axis)
    tangent = jnp.zeros_like(value)
    if not isinstance(logits_dot, SymbolicZero):
        tangent = tangent + jnp.sum(softmax_logits_slope(y_true, logits, axis) * logits_dot, axis)
    if not isinstance(y_true_dot, SymbolicZero):
        tangent = tangent - jnp.sum(jax.nn.log_softmax(logits, axis) * y_true_dot, axis)
    return value, tangent


def softmax_logits_slope(y_true: Array, logits: Array, axis: int) -> Array:
    return jax.nn.softmax(logits, axis) - y_true


def from_softmax_probability(y_true: Array, y_pred: Array, axis: int) -> Array:
    """-sum(y ln q), q = p / sum(p), clipped."""
    share = y_pred / jnp.sum(y_pred, axis, keepdims=True)
    return -jnp.sum(y_true * jnp.log(_ties.clip(share, LOW, HIGH)), axis)


def softmax_probability_slope(y_true: Array, y_pred: Array, axis: int) -> Array:
    total = jnp.sum(y_pred, axis, keepdims=True)
    share = y_pred / total
    share_slope = jnp.where(_ties.is_within(share, LOW, HIGH), -y_true / share, 0)
    return through_share(share_slope, share, total, axis)


def through_share(share_slope: Array, share: Array, total: Array, axis: int) -> Array:
    """d/dp of a function of q = p / sum(p), from its d/dq."""
    return (share_slope - jnp.sum(share_slope * share, axis, keepdims=True)) / total


def is_class(labels: Array, num_classes: int) -> Array:
    """bool[..., classes]: the one-hot form of integer labels."""
    return labels[..., None] == jnp.arange(num_classes, dtype=labels.dtype)


def _is_outside(labels: Array, num_classes: int) -> Array:
    return (labels < 0) | (labels >= num_classes)


def from_label_logits(labels: Array, logits: Array) -> Array:
    """-ln softmax(logits) at the label; NaN, gradient included, for a label that is no class."""
    is_outside = _is_outside(labels, logits.shape[-1])
    # A label that is no class picks every class, so that its NaN reaches every logit's derivative.
    is_picked = is_class(labels, logits.shape[-1]) | is_outside[..., None]
    picked = jnp.sum(jnp.where(is_picked, jax.nn.log_softmax(logits), 0), -1)
    return picked * jnp.where(is_outside, jnp.nan, -jnp.ones((), logits.dtype))


def label_logits_slope(labels: Array, logits: Array) -> Array:
    slope = jax.nn.softmax(logits) - is_class(labels, logits.shape[-1])
    return jnp.where(_is_outside(labels, logits.shape[-1])[..., None], jnp.nan, slope)


def from_label_probability(labels: Array, y_pred: Array) -> Array:
    """Cross-entropy of the logits ln(clip(p)): p is renormalised after clipping."""
    return from_label_logits(labels, jnp.log(_ties.clip(y_pred, LOW, HIGH)))


def label_probability_slope(labels: Array, y_pred: Array) -> Array:
    slope = label_logits_slope(labels, jnp.log(jnp.clip(y_pred, LOW, HIGH))) / y_pred
    return jnp.where(_ties.is_within(y_pred, LOW, HIGH), slope, 0)
