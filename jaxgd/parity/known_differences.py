"""Where jaxgd does not do what Keras does, on purpose: each with its reason and its measured size.

A case that a known difference applies to passes only if the difference is there and of that size: one that
has vanished fails the catalogue, and is then to be removed from this list.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

from jaxgd.parity.case import Case

PAIRING = ("Hinge", "SquaredHinge", "CategoricalHinge", "KLDivergence", "Poisson")
"""Metrics that in Keras broadcast targets [rows] against an output [rows, 1]."""


@dataclass(frozen=True)
class KnownDifference:
    """A disagreement that is wanted.

    Attributes:
      id: short name.
      applies: which cases it is seen in.
      reason: why jaxgd differs.
      least, most: bounds of the error (max |difference| / max |expected|) as measured; infinite where one
        side is NaN or infinite and the other is not.
    """

    id: str
    applies: Callable[[Case], bool]
    reason: str
    least: float
    most: float

    def verdict(self, error: float) -> str:
        """ "" if the difference is there and of its size, else what is wrong."""
        if error < self.least:
            return (
                f"known difference {self.id!r} has vanished: error {error:.3g}, known from {self.least:.3g}"
            )
        if error > self.most:
            return f"known difference {self.id!r} has grown: error {error:.3g}, known up to {self.most:.3g}"
        return ""


def _activation(*subjects: str, **wanted: str) -> Callable[[Case], bool]:
    def applies(case: Case) -> bool:
        exact = all(getattr(case, name) == value for name, value in wanted.items())
        return case.family == "activation" and case.subject in subjects and exact

    return applies


def _is_rewritten(case: Case) -> bool:
    """Whether a graph's schedule differs in one of the few steps of a case of `fit`."""
    schedule = dict(case.options).get("schedule", ("",))
    rounds = schedule[:3] == ("ExponentialDecay", 0.05, 3) or schedule[0] == "CosineDecayRestarts"
    return rounds and case.family == "fit" and case.dtype == "float64" and case.get("run") is None


def _pairs_rows(case: Case) -> bool:
    """Whether Keras broadcasts the targets of a case against the predictions of all rows."""
    if case.family == "metric":
        return case.get("kind") == "flat" and case.subject in PAIRING
    return case.family == "loss" and case.get("kind") == "labels_column"


KNOWN: tuple[KnownDifference, ...] = (
    KnownDifference(
        "gradient-at-infinity",
        _activation("hard_silu", "sparse_plus", regime="infinite"),
        "TensorFlow's gradient at infinity is NaN where the slope has a limit; jaxgd gives the limit",
        math.inf,
        math.inf,
    ),
    KnownDifference(
        "softmax-of-infinity",
        _activation("softmax", regime="infinite", dtype="float32"),
        "TensorFlow's float32 softmax of a row with infinity is NaN there, 0 elsewhere; jaxgd's is NaN.",
        math.inf,
        math.inf,
    ),
    KnownDifference(
        "exponential-minus-one",
        _activation("elu", "selu", regime="scale 1e-6"),
        "TensorFlow computes exp(x) - 1, which cancels for small x; jaxgd computes expm1(x).",
        1e-13,
        0.5,
    ),
    KnownDifference(
        "selu-slope-of-underflow",
        _activation("selu", regime="extreme"),
        "TensorFlow takes selu's slope from its output, which underflows to 0 for x > -1e-16: it then has "
        "the slope of the positive side.",
        0.1,
        1.0,
    ),
    KnownDifference(
        "selu-slope-at-0-by-xla",
        _activation("selu", regime="kinks", reference="xla"),
        "Compiled by XLA, TensorFlow's selu has at 0 the slope of the negative side; eager and in a graph "
        "that of the positive side, as jaxgd's.",
        0.1,
        1.0,
    ),
    KnownDifference(
        "sparsemax",
        lambda case: case.subject == "sparsemax" and ("form", "exact") in case.options,
        "Keras's sparsemax is wrong where more than one entry is positive; jaxgd's default is the projection "
        'onto the simplex, and form="keras" is Keras\'s.',
        0.1,
        10.0,
    ),
    KnownDifference(
        "sparsemax-ties-by-xla",
        lambda case: case.subject == "sparsemax" and case.reference == "xla" and "axis" in dict(case.options),
        "XLA sorts ties in another order than TensorFlow's kernel, which moves the gradient among them.",
        1e-3,
        10.0,
    ),
    KnownDifference(
        "generalized-crossentropy-of-0",
        lambda case: case.subject == "categorical_generalized_cross_entropy" and case.regime == "saturated",
        "TensorFlow's gradient of p**q at p = 0 is infinite, and times the zeros of the one-hot label NaN "
        "for the other classes; jaxgd's is 0 for them.",
        math.inf,
        math.inf,
    ),
    KnownDifference(
        "targets-paired-with-every-row",
        _pairs_rows,
        "Keras broadcasts labels [rows, 1] in CategoricalGeneralizedCrossEntropy, and targets [rows] beside "
        "an output [rows, 1] in five metrics, so that each prediction meets the targets of all rows, and "
        "values that are not reduced are [rows, rows]; jaxgd's predictions meet their own targets.",
        1e-4,
        math.inf,
    ),
    KnownDifference(
        "schedule-rewritten-in-a-graph",
        _is_rewritten,
        "TensorFlow's graph optimizer turns the float32 division of a schedule, step / decay_steps, into a "
        "product with the rounded reciprocal; what it rewrites depends on the graph around. jaxgd computes "
        "Keras's operations as written, and equals Keras to 1e-12 where it runs eagerly.",
        1e-10,
        1e-6,
    ),
    KnownDifference(
        "documented-rule",
        lambda case: case.family == "optimizer" and ("documented", True) in case.options,
        "Keras computes another rule than it documents: z of ScheduleFreeAdamW is read after it was changed, "
        "and relative_step=False of Adafactor is ignored. documented=True is the documented rule.",
        1e-3,
        10.0,
    ),
)


def find(case: Case) -> KnownDifference | None:
    """The known difference that a case is in, or None."""
    return next((known for known in KNOWN if known.applies(case)), None)
