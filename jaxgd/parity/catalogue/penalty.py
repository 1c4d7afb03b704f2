"""Regularizers and constraints: values, gradients, projections, on weights with zeros and of all sizes."""

import functools
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import jax
import numpy as np

from jaxgd import constraints, regularizers
from jaxgd.parity.case import Case, Family, Results, options_of
from jaxgd.parity.comparator import Tolerance
from jaxgd.parity.judge import FLOAT32, FLOAT64, largest

SHAPE = (6, 5)
REGIMES = ("normal", "zero rows", "scale 1e-3", "scale 1e-6", "extreme")
REGULARIZERS: list[tuple[str, dict[str, Any]]] = [
    ("L1", {}),
    ("L1", {"l1": 0.3}),
    ("L2", {}),
    ("L2", {"l2": 0.7}),
    ("L1L2", {"l1": 0.1, "l2": 0.2}),
    ("L1L2", {"l2": 0.2}),
    ("OrthogonalRegularizer", {"factor": 0.3, "mode": "rows"}),
    ("OrthogonalRegularizer", {"factor": 0.3, "mode": "columns"}),
]
CONSTRAINTS: list[tuple[str, dict[str, Any]]] = [
    ("MaxNorm", {}),
    ("MaxNorm", {"max_value": 0.3}),
    ("MaxNorm", {"max_value": 1.7, "axis": 1}),
    ("UnitNorm", {}),
    ("UnitNorm", {"axis": (0, 1)}),
    ("NonNeg", {}),
    ("MinMaxNorm", {}),
    ("MinMaxNorm", {"min_value": 1.1, "max_value": 1.3, "rate": 0.7, "axis": 1}),
]


def cases() -> Iterator[Case]:
    """Every regularizer and constraint x regime x precision x reference."""
    for kind, table in (("regularizer", REGULARIZERS), ("constraint", CONSTRAINTS)):
        for subject, options in table:
            for regime in REGIMES:
                case = Case(
                    "penalty", subject, options_of(**options), options_of(kind=kind), regime, "float32"
                )
                yield case
                yield replace(case, reference="function")
                if subject != "OrthogonalRegularizer":  # Keras's raises in float64
                    yield replace(case, dtype="float64")
                    yield replace(case, dtype="float64", reference="xla")


def inputs(case: Case) -> Results:
    """A matrix of the regime."""
    rng = case.rng()
    w = rng.standard_normal(SHAPE)
    if case.regime.startswith("scale"):
        w *= float(case.regime.split()[-1])
    if case.regime == "extreme":
        w *= 10 ** rng.uniform(-6, 6, SHAPE)
    if case.regime == "zero rows":
        w[2, 3] = w[:, 1] = w[4] = 0.0
    return {"w": case.cast(w)}


@functools.partial(jax.jit, static_argnames=("regularizer",))
def _penalty(regularizer: Any, w: Any) -> Results:
    value, gradient = jax.value_and_grad(regularizer)(w)
    return {"value": value, "gradient": gradient}


@functools.partial(jax.jit, static_argnames=("constraint",))
def _projection(constraint: Any, w: Any) -> Results:
    return {"values": constraint(w)}


def got(case: Case, inputs: Results) -> Results:
    """What jaxgd computes."""
    if case.get("kind") == "constraint":
        return _projection(constraints.get(case.subject, **dict(case.options)), inputs["w"])
    return _penalty(regularizers.get(case.subject, **dict(case.options)), inputs["w"])


def tolerance(case: Case) -> Tolerance:
    """The demands of the design."""
    return Tolerance(norm=FLOAT64 if case.dtype == "float64" else FLOAT32)


def gate(case: Case, expected: Results) -> str:
    """Nothing is zero everywhere."""
    return "" if largest(expected) > 0 and np.isfinite(largest(expected)) else "everything is zero"


PENALTY = Family("penalty", cases, inputs, got, tolerance, gate)
