"""F-scores: the harmonic mean of precision and recall, by class."""

from functools import partial
from typing import Any

import jax.numpy as jnp

from jaxgd._checks import check_real, is_traced_or_array, wrong
from jaxgd._types import Array, PyTree
from jaxgd.losses._ties import EPSILON
from jaxgd.metrics._metric import Batch, Definition

_AVERAGES = (None, "micro", "macro", "weighted")


def _check(average: str | None = None, beta: Any = 1.0, threshold: Any = None) -> None:
    if average not in _AVERAGES:
        raise wrong("average", average, f"one of {_AVERAGES}")
    if not is_traced_or_array(beta) and check_real("beta", beta) <= 0:
        raise wrong("beta", beta, "a number above 0")
    if (
        threshold is not None
        and not is_traced_or_array(threshold)
        and not 0 < check_real("threshold", threshold) <= 1
    ):
        raise wrong("threshold", threshold, "a number above 0, at most 1")


def _marked(y_pred: Array, threshold: Any) -> Array:
    """Which classes are predicted: those above the threshold, or all that share the largest score."""
    if threshold is not None:
        return y_pred > threshold
    return (y_pred >= jnp.max(y_pred, axis=-1, keepdims=True)) & (jnp.abs(y_pred) > 1e-9)


def _sums(batch: Batch, average: str | None = None, threshold: Any = None, **options: Any) -> PyTree:
    if batch.y_pred.ndim != 2 or batch.y_true.shape != batch.y_pred.shape:
        raise ValueError(
            f"y_true, y_pred: expected both of shape [batch, classes], got {batch.y_true.shape} and "
            f"{batch.y_pred.shape}."
        )
    target = batch.y_true.astype(batch.y_pred.dtype)
    marked = _marked(batch.y_pred, threshold).astype(target.dtype)
    weights = 1 if batch.weights is None else batch.weights.reshape(-1, 1)
    axis = None if average == "micro" else 0
    terms = {
        "tp": marked * target,
        "fp": marked * (1 - target),
        "fn": (1 - marked) * target,
        "support": target,
    }
    return {name: jnp.sum(term * weights, axis=axis) for name, term in terms.items()}


def _result(sums: PyTree, average: str | None = None, beta: Any = 1.0, threshold: Any = None) -> Array:
    precision = sums["tp"] / (sums["tp"] + sums["fp"] + EPSILON)
    recall = sums["tp"] / (sums["tp"] + sums["fn"] + EPSILON)
    score = precision * recall / (beta**2 * precision + recall + EPSILON) * (1 + beta**2)
    if average == "weighted":
        return jnp.sum(score * (sums["support"] / (jnp.sum(sums["support"]) + EPSILON)))
    return score if average is None else jnp.mean(score)


_make = partial(Definition, _sums, _result, "max", check=_check)

F1_SCORE = _make(defaults=(("average", None), ("threshold", None)))
"""F1 of each class, or averaged; denominators have 1e-7 added, so a perfect score is 0.9999999."""

FBETA_SCORE = _make(defaults=(("average", None), ("beta", 1.0), ("threshold", None)))
"""F-beta of each class, or averaged."""
