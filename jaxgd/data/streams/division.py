"""Which rows are held out: those whose number, scattered by a seed, falls below the share."""

import numpy as np

_GOLDEN = 0x9E3779B97F4A7C15


def held_out(first: int, count: int, share: float, seed: int) -> np.ndarray:
    """bool[count]: which of the rows from number `first` on are held out.

    Each row is decided on by its number and the seed alone, so that no list of rows is kept. Of n rows about
    n * share are held out; the count varies as that of tosses does.

    References: Steele, Lea and Flood (2014), "Fast splittable pseudorandom number generators" (the mixing).

    >>> held_out(0, 10_000, 0.3, seed=3).mean().round(1).item()
    0.3
    """
    if not share:
        return np.zeros(count, bool)
    with np.errstate(over="ignore"):
        word = np.arange(first, first + count, dtype=np.uint64) + np.uint64(seed % 2**32 * 2**31 + 1)
        word = word * np.uint64(_GOLDEN)
        word = (word ^ (word >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        word = (word ^ (word >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        word = word ^ (word >> np.uint64(31))
    return (word >> np.uint64(11)).astype(np.float64) < share * 2.0**53
