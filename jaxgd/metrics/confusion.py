"""Metrics of the confusion matrix: counts, precision, recall, and the best of one at a given other."""

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp

from jaxgd._checks import check_integer, check_real
from jaxgd._types import Array, PyTree
from jaxgd.metrics import _confusion as confusion
from jaxgd.metrics._metric import Batch, Definition, Direction

_CLASSIFIER = (("class_id", None), ("thresholds", None), ("top_k", None))


def _thresholds(thresholds: Any, top_k: int | None = None) -> tuple[float, ...]:
    if thresholds is not None:
        return confusion.as_tuple(thresholds)
    return (0.5,) if top_k is None else (confusion.NEVER,)


def _check(thresholds: Any = None, top_k: int | None = None, class_id: int | None = None) -> None:
    if thresholds is not None:
        confusion.check_thresholds(thresholds)
    if top_k is not None:
        check_integer("top_k", top_k, 1)
    if class_id is not None:
        check_integer("class_id", class_id, 0)


def _make(
    read: Callable[[PyTree], Array], kept: tuple[str, ...], direction: Direction, **rest: Any
) -> Definition:
    """A metric that reads the sums in `kept` at each threshold; one threshold gives a scalar."""

    def sums(
        batch: Batch, thresholds: Any = None, top_k: int | None = None, class_id: int | None = None
    ) -> PyTree:
        bounds = _thresholds(thresholds, top_k)
        counted = confusion.confusion_sums(batch, bounds, confusion.is_even(bounds), top_k, class_id)
        return {name: counted[name] for name in kept}

    def result(totals: PyTree, **options: Any) -> Array:
        value = read(totals)
        return value[0] if value.shape[0] == 1 else value

    return Definition(sums, result, direction, **rest)


def _count(name: str) -> Definition:
    return _make(lambda sums: sums[name], (name,), None, defaults=(("thresholds", None),), check=_check)


TRUE_POSITIVES, FALSE_POSITIVES = _count("tp"), _count("fp")
TRUE_NEGATIVES, FALSE_NEGATIVES = _count("tn"), _count("fn")

PRECISION = _make(confusion.precision_of, ("tp", "fp"), "max", defaults=_CLASSIFIER, check=_check)
"""tp / (tp + fp), 0 if nothing is positive; a prediction is positive strictly above a threshold (0.5)."""

RECALL = _make(confusion.recall_of, ("tp", "fn"), "max", defaults=_CLASSIFIER, check=_check)
"""tp / (tp + fn), 0 if there is nothing to find."""


def _at(option: str, constrained: Callable[[PyTree], Array], best: Callable[[PyTree], Array]) -> Definition:
    """The best of one rate over the thresholds at which another is at least the option's value."""

    def check(**options: Any) -> None:
        check_real(option, options.get(option), 0.0, 1.0)
        check_integer("num_thresholds", options.get("num_thresholds", 200), 1)
        if options.get("class_id") is not None:
            check_integer("class_id", options["class_id"], 0)

    def sums(batch: Batch, num_thresholds: int = 200, class_id: int | None = None, **options: Any) -> PyTree:
        bounds = confusion.even_thresholds(num_thresholds)
        return confusion.confusion_sums(batch, bounds, num_thresholds > 1, class_id=class_id)

    def result(totals: PyTree, **options: Any) -> Array:
        is_feasible = constrained(totals) >= options[option]
        return jnp.max(jnp.where(is_feasible, best(totals), 0), initial=0)

    defaults = (("class_id", None), ("num_thresholds", 200), (option, None))
    return Definition(sums, result, "max", defaults, check)


SENSITIVITY_AT_SPECIFICITY = _at("specificity", confusion.specificity_of, confusion.recall_of)
SPECIFICITY_AT_SENSITIVITY = _at("sensitivity", confusion.recall_of, confusion.specificity_of)
PRECISION_AT_RECALL = _at("recall", confusion.recall_of, confusion.precision_of)
RECALL_AT_PRECISION = _at("precision", confusion.precision_of, confusion.recall_of)
