"""Cross-entropies: binary, categorical (one-hot targets), sparse (integer labels), generalised."""

from typing import Any

import jax.numpy as jnp
import numpy as np

from jaxgd._checks import wrong
from jaxgd._types import Array, Scalar
from jaxgd.losses import _crossentropy_rules as rules
from jaxgd.losses._align import align_labels
from jaxgd.losses._rule import Rule, evaluate, implements


def _binary(
    y_true: Array, y_pred: Array, from_logits: bool = False, label_smoothing: Scalar = 0.0, axis: int = -1
) -> Array:
    target = rules.smooth(y_true, label_smoothing, 2)
    value = rules.from_sigmoid_logits if from_logits else rules.from_sigmoid_probability
    return jnp.mean(value(target, y_pred), axis=axis)


def _binary_slope(
    y_true: Array, y_pred: Array, from_logits: bool = False, label_smoothing: Scalar = 0.0, axis: int = -1
) -> Array:
    target = rules.smooth(y_true, label_smoothing, 2)
    slope = rules.sigmoid_logits_slope if from_logits else rules.sigmoid_probability_slope
    return slope(target, y_pred) / y_pred.shape[axis]


_BINARY = Rule(_binary, _binary_slope, takes_logits=True)


@implements(_BINARY)
def binary_crossentropy(
    y_true: Any,
    y_pred: Any,
    *,
    sample_weight: Any = None,
    reduction: str | None = "sum_over_batch_size",
    from_logits: bool = False,
    label_smoothing: Scalar = 0.0,
    axis: int = -1,
) -> Array:
    """Cross-entropy of independent yes-or-no outputs.

    value = mean(-(y ln p + (1 - y) ln(1 - p))), p = sigmoid(y_pred) if from_logits, else clipped to
    [1e-7, 1 - 1e-7], where a clipped p passes no gradient; y = y_true (1 - s) + s / 2.

    Args:
      y_true: targets in [0, 1], [batch, outputs].
      y_pred: probabilities, or logits if `from_logits`, [batch, outputs].
      label_smoothing: s in [0, 1]; may be traced.
      axis: the dimension to average. The others, Returns, Raises: as `mean_squared_error`.
    Keras: BinaryCrossentropy.
    >>> round(float(binary_crossentropy([[1.0]], [[0.0]], from_logits=True)), 6)
    0.693147
    """
    options = {"from_logits": from_logits, "label_smoothing": label_smoothing, "axis": axis}
    return evaluate(_BINARY, y_true, y_pred, sample_weight, reduction, **options)


def _categorical(
    y_true: Array, y_pred: Array, from_logits: bool = False, label_smoothing: Scalar = 0.0, axis: int = -1
) -> Array:
    target = rules.smooth(y_true, label_smoothing, y_true.shape[-1])
    value = rules.from_softmax_logits if from_logits else rules.from_softmax_probability
    return value(target, y_pred, axis)


def _categorical_slope(
    y_true: Array, y_pred: Array, from_logits: bool = False, label_smoothing: Scalar = 0.0, axis: int = -1
) -> Array:
    target = rules.smooth(y_true, label_smoothing, y_true.shape[-1])
    slope = rules.softmax_logits_slope if from_logits else rules.softmax_probability_slope
    return slope(target, y_pred, axis)


_CATEGORICAL = Rule(_categorical, _categorical_slope, takes_logits=True)


@implements(_CATEGORICAL)
def categorical_crossentropy(
    y_true: Any,
    y_pred: Any,
    *,
    sample_weight: Any = None,
    reduction: str | None = "sum_over_batch_size",
    from_logits: bool = False,
    label_smoothing: Scalar = 0.0,
    axis: int = -1,
) -> Array:
    """Cross-entropy of one class out of several, with one-hot (or any) target distributions.

    value = -sum(y ln q), q = softmax(y_pred) if from_logits, else y_pred / sum(y_pred) clipped to
    [1e-7, 1 - 1e-7]; y = y_true (1 - s) + s / classes.

    Args:
      y_true: distributions, [batch, classes].
      y_pred: probabilities, or logits if `from_logits`, [batch, classes].
      label_smoothing: s in [0, 1]; may be traced.
      axis: the dimension of the classes. The others, Returns, Raises: as `mean_squared_error`.
    Keras: CategoricalCrossentropy. The gradient from logits is softmax - y, as TensorFlow has it, also
      for targets that do not sum to 1.
    >>> round(float(categorical_crossentropy([[0.0, 1.0]], [[0.0, 0.0]], from_logits=True)), 6)
    0.693147
    """
    options = {"from_logits": from_logits, "label_smoothing": label_smoothing, "axis": axis}
    return evaluate(_CATEGORICAL, y_true, y_pred, sample_weight, reduction, **options)


def _kept(labels: Array, ignore_class: int | None = None, **options: Any) -> Array | None:
    return None if ignore_class is None else labels != ignore_class


def _without_ignored(labels: Array, y_pred: Array, kept: Array | None) -> tuple[Array, Array]:
    if kept is None:
        return labels, y_pred
    return jnp.where(kept, labels, 0), jnp.where(kept[..., None], y_pred, 0)


def _check_last(axis: int, y_pred: Array) -> None:
    if axis not in (-1, y_pred.ndim - 1):
        expected = "the last dimension, -1, which holds the classes (Keras on TensorFlow has no other either)"
        raise wrong("axis", axis, expected)


def _sparse(
    labels: Array,
    y_pred: Array,
    from_logits: bool = False,
    ignore_class: int | None = None,
    axis: int = -1,
) -> Array:
    _check_last(axis, y_pred)
    kept = _kept(labels, ignore_class)
    labels, y_pred = _without_ignored(labels, y_pred, kept)
    value = rules.from_label_logits if from_logits else rules.from_label_probability
    return value(labels, y_pred) if kept is None else jnp.where(kept, value(labels, y_pred), 0)


def _sparse_slope(
    labels: Array,
    y_pred: Array,
    from_logits: bool = False,
    ignore_class: int | None = None,
    axis: int = -1,
) -> Array:
    _check_last(axis, y_pred)
    kept = _kept(labels, ignore_class)
    labels, y_pred = _without_ignored(labels, y_pred, kept)
    slope = rules.label_logits_slope if from_logits else rules.label_probability_slope
    return slope(labels, y_pred) if kept is None else jnp.where(kept[..., None], slope(labels, y_pred), 0)


_SPARSE = Rule(_sparse, _sparse_slope, align=align_labels, neutral=(0, 0.5), valid=_kept, takes_logits=True)


@implements(_SPARSE)
def sparse_categorical_crossentropy(
    y_true: Any,
    y_pred: Any,
    *,
    sample_weight: Any = None,
    reduction: str | None = "sum_over_batch_size",
    from_logits: bool = False,
    ignore_class: int | None = None,
    axis: int = -1,
) -> Array:
    """Cross-entropy of one class out of several, with integer labels.

    value = -ln softmax(z)[label], z = y_pred if from_logits, else ln(y_pred clipped to [1e-7, 1 - 1e-7])

    Args:
      y_true: integer labels, [batch] or [batch, 1]. A label outside [0, classes) makes the loss and its
        gradient NaN; `check_labels` finds it beforehand.
      y_pred: probabilities, or logits if `from_logits`, [batch, classes].
      ignore_class: samples with this label count 0, and the mean is over the others.
      axis: the dimension of the classes, which has to be the last, as in Keras on TensorFlow.
        The others, Returns: as `mean_squared_error`.
    Raises:
      ValueError: there is not one label for each row of y_pred, `axis` is not the last one, or the reduction
        is unknown.
    Keras: SparseCategoricalCrossentropy. TensorFlow raises InvalidArgumentError for a label out of range.
    >>> round(float(sparse_categorical_crossentropy([1], [[0.0, 0.0]], from_logits=True)), 6)
    0.693147
    """
    options = {"from_logits": from_logits, "ignore_class": ignore_class, "axis": axis}
    return evaluate(_SPARSE, y_true, y_pred, sample_weight, reduction, **options)


def _check_q(q: Scalar) -> None:
    if isinstance(q, int | float) and not 0 < q < 1:
        raise wrong("q", q, "a number strictly between 0 and 1")


def _generalized(labels: Array, y_pred: Array, q: Scalar = 0.5) -> Array:
    _check_q(q)
    chosen = jnp.sum(y_pred * rules.is_class(labels, y_pred.shape[-1]), axis=-1)
    return (1 - jnp.power(chosen, q)) / q


def _generalized_slope(labels: Array, y_pred: Array, q: Scalar = 0.5) -> Array:
    hit = rules.is_class(labels, y_pred.shape[-1]).astype(y_pred.dtype)
    return -jnp.power(jnp.sum(y_pred * hit, axis=-1, keepdims=True), q - 1) * hit


_GENERALIZED = Rule(_generalized, _generalized_slope, align=align_labels, neutral=(0, 0.5))


@implements(_GENERALIZED)
def categorical_generalized_cross_entropy(
    y_true: Any,
    y_pred: Any,
    *,
    sample_weight: Any = None,
    reduction: str | None = "sum_over_batch_size",
    q: Scalar = 0.5,
) -> Array:
    """Between cross-entropy (q near 0) and absolute error (q near 1): less moved by wrong labels.

    value = (1 - p[label]**q) / q

    Args:
      y_true: integer labels, [batch] or [batch, 1]; a label outside [0, classes) has p = 0.
      y_pred: probabilities, [batch, classes].
      q: strictly between 0 and 1; may be traced. The others, Returns: as `mean_squared_error`.
    Raises:
      ValueError: q out of range, not one label for each row of y_pred, or an unknown reduction.
    Keras: CategoricalGeneralizedCrossEntropy, for labels [batch]; its labels [batch, 1] against
      [batch, classes] give batch x batch values there.
    >>> float(categorical_generalized_cross_entropy([0], [[0.25, 0.75]]))
    1.0
    """
    return evaluate(_GENERALIZED, y_true, y_pred, sample_weight, reduction, q=q)


def check_labels(y: Any, num_classes: int, ignore_class: int | None = None) -> None:
    """Refuses labels that are no class, on the host, before anything is compiled.

    Args:
      y: labels, any shape, concrete.
      num_classes: labels run from 0 to num_classes - 1.
      ignore_class: a label that may occur besides.
    Raises:
      ValueError: a label is not a whole number or out of range; names the first and counts them.
    Keras: TensorFlow raises InvalidArgumentError at the step that meets the label.
    >>> check_labels([0, 2], num_classes=3)
    """
    labels = np.asarray(y)
    bad = ~((labels >= 0) & (labels < num_classes) & (labels == np.floor(labels)))
    if ignore_class is not None:
        bad &= labels != ignore_class
    if bad.any():
        where = tuple(int(index) for index in np.argwhere(bad)[0])
        raise ValueError(
            f"labels: expected whole numbers from 0 to {num_classes - 1}, got {labels[where]!r} at row "
            f"{where[0] if where else 0} ({int(bad.sum())} of {labels.size} labels are out of range)."
        )
