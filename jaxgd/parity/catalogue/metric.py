"""Metrics streamed over batches of uneven size, with and without weights; the padding is NaN."""

import functools
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxgd import metrics
from jaxgd.parity.case import Case, Family, Results, options_of
from jaxgd.parity.catalogue.metric_data import BATCHES, FLOAT32_ONLY, ROWS, UNWEIGHTED, VARIANTS, make
from jaxgd.parity.comparator import Tolerance
from jaxgd.parity.judge import FLOAT32, FLOAT64, largest


def cases() -> Iterator[Case]:
    """Every metric x weights x precision."""
    for subject, kind, options in VARIANTS:
        for weights in ("none",) if subject in UNWEIGHTED else ("none", "fractional", "zeros"):
            case = Case("metric", subject, options_of(**options), options_of(kind=kind, weights=weights))
            yield replace(case, dtype="float32")
            if subject not in FLOAT32_ONLY:
                yield case


def inputs(case: Case) -> Results:
    """Three stacked batches, the last one short."""
    rng = case.rng(case.get("kind"))
    made = [make(case.get("kind"), rng) for _ in range(BATCHES)]
    y_true, y_pred = (case.cast(np.stack(arrays)) for arrays in zip(*made, strict=True))
    rows = np.ones((BATCHES, ROWS), bool)
    rows[-1, 15:] = False
    weights = rng.uniform(0.1, 3.0, rows.shape)
    if case.get("weights") == "zeros":
        weights = np.where(rng.uniform(size=rows.shape) < 0.4, 0.0, weights)
    given = [None] * BATCHES if case.get("weights") == "none" else case.cast(weights)
    return {"batches": (y_true, y_pred, given, rows)}


@functools.partial(jax.jit, static_argnames="metric")
def _results(metric: metrics.Metric, y_true: Any, y_pred: Any, weights: Any, rows: Any) -> Any:
    """The result after each batch, the sums added up in a scan."""

    def add(sums: Any, batch: Any) -> tuple[Any, Any]:
        sums = jax.tree.map(jnp.add, sums, metric.sums(*batch))
        return sums, metric.result(sums)

    batches = (y_true, y_pred, weights, rows)
    first = jax.tree.map(lambda x: x[0], batches)
    return jax.lax.scan(add, metric.zero(*first), batches)[1]


def got(case: Case, inputs: Results) -> Results:
    """What jaxgd computes."""
    y_true, y_pred, weights, rows = inputs["batches"]
    y_true, y_pred = y_true.copy(), y_pred.copy()
    y_true[~rows] = 77 if y_true.dtype.kind == "i" else np.nan
    y_pred[~rows] = np.nan
    metric = metrics.get(case.subject, **dict(case.options))
    given = None if case.get("weights") == "none" else weights
    return {"results": _results(metric, y_true, y_pred, given, rows)}


def tolerance(case: Case) -> Tolerance:
    """The demands of the design; Keras keeps some results in float32 whatever the precision."""
    return Tolerance(norm=FLOAT64 if case.dtype == "float64" else FLOAT32, same_dtype=False)


def gate(case: Case, expected: Results) -> str:
    """The result is not zero everywhere."""
    return "" if largest(expected) > 0 else "the metric is zero"


METRIC = Family("metric", cases, inputs, got, tolerance, gate)
