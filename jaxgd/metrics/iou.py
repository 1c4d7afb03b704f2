"""Intersection over union of classes, from an integer confusion matrix."""

from typing import Any

import jax.numpy as jnp

from jaxgd._checks import check_integer, check_real, wrong
from jaxgd._types import Array, PyTree
from jaxgd.losses._ties import EPSILON
from jaxgd.metrics._metric import Batch, Definition


def _check(num_classes: Any = None, target_class_ids: Any = None, **options: Any) -> None:
    num_classes = check_integer("num_classes", num_classes, 1)
    if target_class_ids is not None and not all(0 <= index < num_classes for index in target_class_ids):
        raise wrong("target_class_ids", target_class_ids, f"classes from 0 to {num_classes - 1}")


def _check_target(target_class_ids: Any = None, **options: Any) -> None:
    if target_class_ids is None:
        raise wrong("target_class_ids", None, "a list of classes")
    _check(target_class_ids=target_class_ids, **options)


def _check_binary(target_class_ids: Any = (0, 1), threshold: Any = 0.5) -> None:
    check_real("threshold", threshold)
    _check(num_classes=2, target_class_ids=target_class_ids)


def _count(
    labels: Array, predicted: Array, weights: Array | None, num_classes: int, ignore_class: int | None
) -> PyTree:
    """The confusion matrix int32[classes, classes]; what is no class, or is ignored, does not count."""
    labels, predicted = labels.astype(jnp.int32).reshape(-1), predicted.astype(jnp.int32).reshape(-1)
    if labels.shape != predicted.shape:
        raise ValueError(f"y_true: expected {predicted.size} labels, got {labels.size}.")
    counts = jnp.ones((), jnp.int32) if weights is None else weights.astype(jnp.int32)
    if counts.ndim and counts.size != labels.size:
        counts = jnp.repeat(counts.reshape(-1), labels.size // counts.size)
    counts = jnp.broadcast_to(counts.reshape(-1) if counts.ndim else counts, labels.shape)
    is_valid = (labels >= 0) & (labels < num_classes) & (predicted >= 0) & (predicted < num_classes)
    if ignore_class is not None:
        is_valid &= labels != ignore_class
    flat = jnp.where(is_valid, labels * num_classes + predicted, num_classes**2)
    matrix = jnp.zeros(num_classes**2, jnp.int32).at[flat].add(counts, mode="drop")
    return {"matrix": matrix.reshape(num_classes, num_classes)}


def _make_sums(sparse_true: bool, sparse_pred: bool) -> Any:
    def sums(
        batch: Batch,
        num_classes: int,
        ignore_class: int | None = None,
        sparse_y_true: bool = sparse_true,
        sparse_y_pred: bool = sparse_pred,
        axis: int = -1,
        **options: Any,
    ) -> PyTree:
        labels = batch.y_true if sparse_y_true else jnp.argmax(batch.y_true, axis)
        predicted = batch.y_pred if sparse_y_pred else jnp.argmax(batch.y_pred, axis)
        return _count(labels, predicted, batch.weights, num_classes, ignore_class)

    return sums


def _binary_sums(batch: Batch, threshold: float = 0.5, **options: Any) -> PyTree:
    return _count(batch.y_true, batch.y_pred >= threshold, batch.weights, 2, None)


def _result(sums: PyTree, target_class_ids: Any = None, **options: Any) -> Array:
    """The mean over the chosen classes that occur."""
    matrix = sums["matrix"]
    both = jnp.diagonal(matrix)
    either = jnp.sum(matrix, 0) + jnp.sum(matrix, 1) - both
    if target_class_ids is not None:
        chosen = jnp.asarray(target_class_ids)
        both, either = both[chosen], either[chosen]
    both, either = both.astype(jnp.float32), either.astype(jnp.float32)
    occurs = either > 1e-9
    ratio = jnp.where(occurs, both / (either + EPSILON), 0)
    return jnp.sum(ratio) / (jnp.sum(occurs) + EPSILON)


_SHARED = (("axis", -1), ("ignore_class", None), ("num_classes", None), ("sparse_y_pred", True))
_ONE_HOT = (("axis", -1), ("ignore_class", None), ("num_classes", None), ("sparse_y_pred", False))
_SPARSE_TRUE, _TARGET = ("sparse_y_true", True), ("target_class_ids", None)

IOU = Definition(_make_sums(True, True), _result, "max", (*_SHARED, _SPARSE_TRUE, _TARGET), _check_target)
"""Of `target_class_ids`, for integer targets and predictions."""

MEAN_IOU = Definition(_make_sums(True, True), _result, "max", (*_SHARED, _SPARSE_TRUE), _check)
"""Of every class that occurs."""

ONE_HOT_IOU = Definition(_make_sums(False, False), _result, "max", (*_ONE_HOT, _TARGET), _check_target)
"""The same for one-hot targets and scores."""

ONE_HOT_MEAN_IOU = Definition(_make_sums(False, False), _result, "max", _ONE_HOT, _check)

BINARY_IOU = Definition(
    _binary_sums, _result, "max", (("target_class_ids", (0, 1)), ("threshold", 0.5)), _check_binary
)
"""Of two classes, where a prediction at or above the threshold is class 1."""
