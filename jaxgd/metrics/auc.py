"""The area under the ROC, precision-recall or precision-recall-gain curve, by sums over thresholds."""

from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp

from jaxgd._checks import check_integer, wrong
from jaxgd._types import Array, PyTree
from jaxgd.losses import _ties
from jaxgd.losses._ties import divide_or_zero
from jaxgd.metrics import _confusion as confusion
from jaxgd.metrics._metric import Batch, Definition

_DEFAULTS = {
    "num_thresholds": 200,
    "curve": "ROC",
    "summation_method": "interpolation",
    "thresholds": None,
    "multi_label": False,
    "num_labels": None,
    "label_weights": None,
    "from_logits": False,
}


def _check(**options: Any) -> None:
    settings = {**_DEFAULTS, **options}
    if settings["curve"] not in ("ROC", "roc", "PR", "pr", "PRGAIN", "prgain"):
        raise wrong("curve", settings["curve"], "one of 'ROC', 'PR', 'PRGAIN'")
    if str(settings["summation_method"]).lower() not in ("interpolation", "majoring", "minoring"):
        raise wrong("summation_method", settings["summation_method"], "interpolation, majoring or minoring")
    check_integer("num_thresholds", settings["num_thresholds"], 2)
    if settings["num_labels"] and not settings["multi_label"]:
        raise ValueError("num_labels: expected None unless multi_label is True.")
    if settings["thresholds"] is not None:
        confusion.check_thresholds(settings["thresholds"])


def _bounds(num_thresholds: int, thresholds: Any) -> tuple[tuple[float, ...], bool]:
    """The thresholds with one below 0 and one above 1, and whether they are evenly spaced."""
    inner = (
        confusion.even_thresholds(num_thresholds)[1:-1] if thresholds is None else tuple(sorted(thresholds))
    )
    even = thresholds is None or confusion.is_even((0.0, *inner, 1.0))
    return (-_ties.EPSILON, *inner, 1.0 + _ties.EPSILON), even


def _sums(
    batch: Batch,
    num_thresholds: int = 200,
    thresholds: Any = None,
    multi_label: bool = False,
    label_weights: Any = None,
    from_logits: bool = False,
    **options: Any,
) -> PyTree:
    bounds, even = _bounds(num_thresholds, thresholds)
    if from_logits:
        batch = replace(batch, y_pred=jax.nn.sigmoid(batch.y_pred))
    if multi_label and batch.y_pred.ndim != 2:
        raise ValueError(
            f"y_pred: expected [batch, labels] with multi_label, got shape {batch.y_pred.shape}."
        )
    weights = None if multi_label else label_weights
    return confusion.confusion_sums(batch, bounds, even, label_weights=weights, by_label=multi_label)


def _result(
    sums: PyTree,
    curve: str = "ROC",
    summation_method: str = "interpolation",
    multi_label: bool = False,
    label_weights: Any = None,
    **options: Any,
) -> Array:
    area = jnp.sum(_areas(sums, curve.upper(), summation_method.lower()), axis=0)
    if not multi_label:
        return area
    if label_weights is None:
        return jnp.mean(area)
    weights = jnp.asarray(label_weights, area.dtype)
    return divide_or_zero(jnp.sum(area * weights), jnp.sum(weights))


def _areas(sums: PyTree, curve: str, method: str) -> Array:
    """The area between each two neighbouring thresholds."""
    if curve == "PR" and method == "interpolation":
        return _interpolated_precision_recall(sums)
    x, y = {"ROC": _roc, "PR": _precision_recall, "PRGAIN": _gain}[curve](sums)
    heights = {
        "interpolation": (y[:-1] + y[1:]) / 2.0,
        "minoring": jnp.minimum(y[:-1], y[1:]),
        "majoring": jnp.maximum(y[:-1], y[1:]),
    }
    return (x[:-1] - x[1:]) * heights[method]


def _roc(sums: PyTree) -> tuple[Array, Array]:
    return confusion.false_positive_rate_of(sums), confusion.recall_of(sums)


def _precision_recall(sums: PyTree) -> tuple[Array, Array]:
    return confusion.recall_of(sums), confusion.precision_of(sums)


def _gain(sums: PyTree) -> tuple[Array, Array]:
    """Recall gain (not below 0) and precision gain; 0 and 1 where nothing is found."""
    odds = divide_or_zero(sums["tp"] + sums["fn"], sums["tn"] + sums["fp"])
    recall = 1.0 - odds * divide_or_zero(sums["fn"], sums["tp"])
    precision = 1.0 - odds * divide_or_zero(sums["fp"], sums["tp"])
    nothing = sums["tp"] == 0
    return jnp.maximum(jnp.where(nothing, 0, recall), 0), jnp.where(nothing, 1, precision)


def _interpolated_precision_recall(sums: PyTree) -> Array:
    """Davis and Goadrich's interpolation: true positives linear in positives between two thresholds."""
    tp, positives = sums["tp"], sums["tp"] + sums["fp"]
    gained = tp[:-1] - tp[1:]
    slope = divide_or_zero(gained, jnp.maximum(positives[:-1] - positives[1:], 0))
    intercept = tp[1:] - slope * positives[1:]
    both = (positives[:-1] > 0) & (positives[1:] > 0)
    ratio = jnp.where(both, divide_or_zero(positives[:-1], jnp.maximum(positives[1:], 0)), 1)
    total = jnp.maximum(tp[1:] + sums["fn"][1:], 0)
    return divide_or_zero(slope * (gained + intercept * jnp.log(ratio)), total)


AUC = Definition(_sums, _result, "max", tuple(sorted(_DEFAULTS.items())), _check)
"""The area under a curve of 200 thresholds; 0 if there is only one class."""
