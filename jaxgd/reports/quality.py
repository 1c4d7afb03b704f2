"""How good predictions are beyond one number: who is taken for whom, what is left over, what is promised."""

from typing import NamedTuple

import numpy as np

BINS = 10
FEW = 5
"""Rows of which a share says nothing yet."""


class Bin(NamedTuple):
    """Rows whose predictions lie together."""

    promised: float
    """Mean prediction: a probability, or a value."""
    found: float
    """Share of the rows for which it came true, or mean target."""
    rows: int


def confusion(labels: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """How often a class (row) was predicted as another (column): int[classes, classes].

    >>> confusion(np.array([0, 1, 1]), np.array([0, 0, 1]), 2).tolist()
    [[1, 0], [1, 1]]
    """
    return np.bincount(labels * classes + predicted, minlength=classes**2).reshape(classes, classes)


def predicted_labels(predictions: np.ndarray) -> np.ndarray:
    """The class of each row: the largest of several outputs, one output against one half."""
    if predictions.shape[1] == 1:
        return (predictions[:, 0] > 0.5).astype(int)
    return predictions.argmax(axis=1)


def class_calibration(labels: np.ndarray, predictions: np.ndarray) -> list[Bin]:
    """Promised probability against how often it came true, in equal steps of probability.

    Of one output: that of the second class. Of several: that of the class predicted.
    """
    if predictions.shape[1] == 1:
        promised, came_true = predictions[:, 0], labels == 1
    else:
        promised, came_true = predictions.max(axis=1), labels == predictions.argmax(axis=1)
    place = np.clip((promised * BINS).astype(int), 0, BINS - 1)
    return [_bin(promised, came_true, place == each) for each in range(BINS) if (place == each).any()]


def value_calibration(values: np.ndarray, predictions: np.ndarray) -> list[Bin]:
    """Mean prediction against mean target, in steps of equally many rows by prediction."""
    order = np.argsort(predictions, kind="stable")
    parts = [part for part in np.array_split(order, min(BINS, len(order))) if len(part)]
    return [_bin(predictions, values, part) for part in parts]


def joined(bins: list[Bin]) -> list[Bin]:
    """Steps for a picture: those of few rows together with the next, and the last few with those before.

    >>> [each.rows for each in joined([Bin(0.4, 1.0, 1), Bin(0.6, 0.5, 4), Bin(0.9, 1.0, 9), Bin(1, 1, 2)])]
    [5, 11]
    """
    groups: list[Bin] = []
    for each in bins:
        if groups and groups[-1].rows < FEW:
            groups[-1] = _together(groups[-1], each)
        else:
            groups.append(each)
    if len(groups) > 1 and groups[-1].rows < FEW:
        last = groups.pop()
        groups[-1] = _together(groups[-1], last)
    return groups


def _together(one: Bin, other: Bin) -> Bin:
    rows = one.rows + other.rows
    means = [(a * one.rows + b * other.rows) / rows for a, b in zip(one[:2], other[:2], strict=True)]
    return Bin(means[0], means[1], rows)


def expected_error(bins: list[Bin]) -> float:
    """The expected calibration error: mean distance of promised and found, weighted by rows.

    >>> expected_error([Bin(0.9, 0.8, 3), Bin(0.5, 0.5, 1)])
    0.075
    """
    total = sum(each.rows for each in bins)
    return round(sum(abs(each.promised - each.found) * each.rows for each in bins) / max(total, 1), 12)


def _bin(promised: np.ndarray, found: np.ndarray, which: np.ndarray) -> Bin:
    chosen = promised[which]
    return Bin(float(chosen.mean()), float(found[which].mean()), len(chosen))
