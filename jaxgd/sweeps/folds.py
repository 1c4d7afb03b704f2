"""Rows of a k-fold cross-validation."""

from typing import Any

import numpy as np

from jaxgd._checks import check_integer


def fold_rows(num_rows: int, folds: int, seed: int = 0, labels: Any = None) -> list[np.ndarray]:
    """The held-out rows of each fold: together all rows, none twice, sizes differing by one at most.

    Args:
      num_rows: rows of the data, at least `folds`.
      folds: at least 2.
      seed: of the order that is cut into folds; equal seeds cut alike on every machine.
      labels: [num_rows] classes; each fold then has its share of every class.

    Returns: `folds` int64 arrays, in increasing order.
    Raises:
      TypeError, ValueError: a number out of range.
    >>> [rows.tolist() for rows in fold_rows(5, 2)]
    [[1, 2, 4], [0, 3]]
    """
    check_integer("folds", folds, 2)
    check_integer("num_rows", num_rows, 1)
    if folds > num_rows:
        raise ValueError(f"folds: expected at most as many as there are rows ({num_rows}), got {folds}.")
    order = np.random.RandomState(seed).permutation(num_rows)
    if labels is not None:  # dealt out class by class, so that each fold gets its share
        order = order[np.argsort(np.asarray(labels)[order], kind="stable")]
    return [np.sort(order[place::folds]) for place in range(folds)]
