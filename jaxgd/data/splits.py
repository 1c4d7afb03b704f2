"""Which rows are held out: a deterministic function of the number of rows and a seed."""

import math
from typing import Any

import numpy as np

from jaxgd._checks import check_integer, check_real, wrong
from jaxgd.data.errors import DataError


def split_rows(n: int, fraction: float, seed: int, stratify: Any = None) -> tuple[np.ndarray, np.ndarray]:
    """The rows to train on and the rows held out, at random.

    held out = round(n * fraction), kept within [1, n - 1]

    Args:
      n: the number of rows, at least 2.
      fraction: the held-out share, above 0 and below 1.
      seed: in [0, 2**32): equal arguments give equal rows, on every machine and with every version of NumPy.
      stratify: [n] labels; each then has its share of the held-out rows (largest remainders first), and keeps
        at least one row to train on.

    Returns:
      Two int64 arrays, in increasing order, that share no row and together hold all of them.

    Raises:
      DataError: fewer than two rows; `stratify` not of length n; labels that leave no row to hold out.
      TypeError, ValueError: n, fraction or seed of another type or out of range.

    >>> train, held_out = split_rows(5, 0.4, seed=0)
    >>> train.tolist(), held_out.tolist()
    ([1, 3, 4], [0, 2])
    """
    check_integer("n", n, 0)
    check_integer("seed", seed, 0)
    check_real("fraction", fraction)
    if not 0 < fraction < 1:
        raise wrong("fraction", fraction, "a share above 0 and below 1")
    if seed >= 2**32:
        raise wrong("seed", seed, "an integer below 2**32")
    if n < 2:
        raise DataError(f"{n} rows cannot be split, expected at least 2.")
    num_held_out = min(max(math.floor(n * fraction + 0.5), 1), n - 1)
    order = np.random.RandomState(seed).permutation(n)  # frozen by NumPy, as Generator's streams are not
    chosen = order[:num_held_out] if stratify is None else _stratified(order, num_held_out, stratify)
    held_out = np.zeros(n, dtype=bool)
    held_out[chosen] = True
    return np.flatnonzero(~held_out), np.flatnonzero(held_out)


def _stratified(order: np.ndarray, num_held_out: int, stratify: Any) -> np.ndarray:
    """The first rows of each label in a random order, as many as its quota."""
    labels = np.asarray(stratify)
    if labels.shape != order.shape:
        raise DataError(f"stratify: expected shape {order.shape}, got {labels.shape}.")
    _, codes, counts = np.unique(labels, return_inverse=True, return_counts=True)
    quotas = _quotas(counts, num_held_out)
    if not quotas.any():
        raise DataError("stratify: every label has one row only, so none can be held out.")
    shuffled = codes[order]
    chosen = [order[shuffled == label][:quota] for label, quota in enumerate(quotas)]
    return np.concatenate(chosen)


def _quotas(counts: np.ndarray, total: int) -> np.ndarray:
    """How many rows of each label are held out: proportional, by largest remainder, one always left."""
    shares = counts * (total / counts.sum())
    quotas = np.minimum(np.floor(shares).astype(np.int64), counts - 1)
    by_remainder = np.argsort(-(shares - quotas), kind="stable")
    while quotas.sum() < total and (quotas < counts - 1).any():
        for label in by_remainder:
            if quotas.sum() < total and quotas[label] < counts[label] - 1:
                quotas[label] += 1
    return quotas
