"""Losses: value, gradient by automatic differentiation, gradient by the loss's own formula."""

import functools
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxgd import losses
from jaxgd.parity.case import Case, Family, Results, options_of
from jaxgd.parity.catalogue import loss_data, loss_plain
from jaxgd.parity.comparator import Tolerance
from jaxgd.parity.judge import FLOAT32, FLOAT64, largest

REDUCTIONS = ("sum_over_batch_size", "sum", "mean_with_sample_weight", "none")
WEIGHTS = ("none", "fractional", "zeros")
REGIMES = ("saturated", "scale 1e-3")
LINKS = {
    "binary_crossentropy": "sigmoid",
    "binary_focal_crossentropy": "sigmoid",
    "categorical_crossentropy": "softmax",
    "categorical_focal_crossentropy": "softmax",
    "sparse_categorical_crossentropy": "softmax",
    "mean_squared_error": "sigmoid",
}


def cases() -> Iterator[Case]:
    """Every loss x reduction x weights x precision; short batches; saturation; edges; logits."""
    for case in _plain_cases():
        yield case
        yield replace(case, dtype="float32")
    for subject, link in LINKS.items():
        for reference in ("eager", "function", "xla"):
            setting = options_of(reduction="sum_over_batch_size", link=link, kind=loss_data.LOGITS[subject])
            for regime in ("normal", "saturated"):
                case = Case("loss", subject, (), setting, regime=regime, reference=reference)
                yield case
                yield replace(case, dtype="float32")


def _plain_cases() -> Iterator[Case]:
    for subject, kind, options in loss_data.VARIANTS:
        own = options_of(**options)
        for reduction in REDUCTIONS:
            for weights in WEIGHTS if reduction == "sum_over_batch_size" else WEIGHTS[1:]:
                setting = options_of(kind=kind, reduction=reduction, weights=weights)
                yield Case("loss", subject, own, setting)
        setting = options_of(kind=kind, reduction="sum_over_batch_size")
        for regime in REGIMES:
            yield Case("loss", subject, own, setting, regime=regime)
        for weights in ("none", "fractional"):
            short = options_of(kind=kind, reduction="sum_over_batch_size", rows="short", weights=weights)
            yield Case("loss", subject, own, short)
    for number, (subject, options, _, _) in enumerate(loss_data.EDGES):
        setting = options_of(reduction="none", edge=number)
        yield Case("loss", subject, options_of(**options), setting, regime="edge")


def inputs(case: Case) -> Results:
    """Targets, predictions, weights, and which rows exist."""
    edge = case.get("edge")
    if edge is not None:
        y_true, y_pred = (np.asarray(each, float) for each in loss_data.EDGES[edge][2:])
        y_true = y_true.astype(np.int32) if case.subject.startswith("sparse") else y_true
        return _prepared(case, y_true, y_pred, None, np.ones(len(y_pred), bool))
    rng = case.rng(case.get("kind"))
    y_true, y_pred = loss_data.make(case.get("kind"), case.regime, rng)
    rows = np.arange(len(y_pred)) < (11 if case.get("rows") else len(y_pred))
    return _prepared(case, y_true, y_pred, loss_data.weights(case.get("weights"), rng), rows)


def _prepared(case: Case, y_true: Any, y_pred: Any, weights: Any, rows: np.ndarray) -> Results:
    weights = None if weights is None else case.cast(weights)
    return {"y_true": case.cast(y_true), "y_pred": case.cast(y_pred), "weights": weights, "rows": rows}


@functools.partial(jax.jit, static_argnames=("loss", "link"))
def _value_and_gradients(loss: losses.Loss, link: Any, y_true: Any, y_pred: Any, weighting: Any) -> Results:
    def value_of(prediction: Any) -> Any:
        if link is None:
            return loss(y_true, prediction, **weighting)
        output = getattr(jax.nn, link)(prediction)
        return loss(y_true, output, logits=prediction, **weighting)

    value = value_of(y_pred)
    by_jax = jax.grad(lambda prediction: jnp.sum(value_of(prediction)))(y_pred)
    if link is None:
        by_hand = loss.gradient(y_true, y_pred, **weighting)
    else:
        by_hand = loss.gradient_logits(y_true, y_pred, **weighting) if loss.uses_logits else by_jax
    return {"value": value, "gradient": by_jax, "gradient by hand": by_hand}


def got(case: Case, inputs: Results) -> Results:
    """What jaxgd computes, the rows that do not exist filled with NaN."""
    loss = losses.get(case.subject, case.get("reduction"), **dict(case.options))
    rows, y_true, y_pred = inputs["rows"], inputs["y_true"], inputs["y_pred"]
    weighting = {} if inputs["weights"] is None else {"sample_weight": inputs["weights"]}
    if not rows.all():
        y_true, y_pred = _spoiled(y_true, rows), _spoiled(y_pred, rows)
        weighting["row_mask"] = rows
    results = _value_and_gradients(loss, case.get("link"), y_true, y_pred, weighting)
    gradients = {name: np.asarray(results[name]) for name in ("gradient", "gradient by hand")}
    kept = {name: _kept(gradient, rows) for name, gradient in gradients.items()}
    return {"value": results["value"], **kept}


def plain(case: Case, inputs: Results) -> Results | None:
    """What optax computes, for the mean without weights and at the edges."""
    function = loss_plain.make(case)
    is_mean = case.get("reduction") == "sum_over_batch_size"
    is_simple = case.get("edge") is not None or (is_mean and case.get("weights") == "none")
    if function is None or not is_simple:
        return None
    y_true, y_pred = jnp.asarray(inputs["y_true"]), jnp.asarray(inputs["y_pred"])
    return loss_plain.value_and_gradient(function, y_true, y_pred, is_mean)


def _spoiled(array: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Impossible content in the rows that do not exist."""
    spoiled = array.copy()
    spoiled[~rows] = 99 if array.dtype.kind == "i" else np.nan
    return spoiled


def _kept(gradient: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """The gradient of the rows that exist; NaN everywhere if another row has any."""
    return gradient[rows] if not gradient[~rows].any() else np.full_like(gradient[rows], np.nan)


def tolerance(case: Case) -> Tolerance:
    """Relative to the largest value, but where terms cancel, to what they are made of."""
    floor = 1e-30
    if case.get("link") and case.regime == "saturated":
        floor = 1e-3  # the slope of a sigmoid is y (1 - y), and 1 - y cancels; unsaturated gradients are 1e-2
    if case.subject == "log_cosh" and case.regime.startswith("scale"):
        floor = 1e-2  # e + softplus(-2 e) - ln 2: terms of size 1 for a value of 3e-6
    return Tolerance(norm=FLOAT64 if case.dtype == "float64" else FLOAT32, floor=floor)


def gate(case: Case, expected: Results) -> str:
    """The gradient is not zero, but where the case is about that."""
    if case.regime in ("edge", "saturated"):
        return ""
    return "" if largest({"gradient": expected["gradient"]}) > 0 else "the gradient is zero"


LOSS = Family("loss", cases, inputs, got, tolerance, gate, plain)
