"""Sums that do not depend on the order of their terms, so that any number of processes finds the same bits.

Each number is cut into two whole numbers, of 30 bits below the largest one's first bit and of the 30 below
those. Whole numbers add up exactly; what is cut off is less than 2**-60 of the largest number.

References: Demmel and Nguyen (2015), "Parallel reproducible summation" (pre-rounding at fixed bins).
"""

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import numpy as np

Exchange: TypeAlias = Callable[[Any], list[Any]]
"""Gives what every process brings, as JSON takes it, in the order of the processes."""

_BITS = 30
_LARGEST = 2.0**500
"""From here on sums of squares are too large for float64."""
_AT_ONCE = 16_384
"""Rows that are looked at together."""


class Extent(NamedTuple):
    """Of the present numbers of each column: how many, the least, and the largest; float64[columns] each."""

    rows: np.ndarray
    low: np.ndarray
    high: np.ndarray

    @classmethod
    def of(cls, values: np.ndarray) -> "Extent":
        """Of float64[rows, columns], NaN for missing."""
        width = values.shape[1]
        count, low, high = np.zeros(width), np.full(width, np.inf), np.full(width, -np.inf)
        for first in range(0, len(values), _AT_ONCE):
            block = values[first : first + _AT_ONCE]
            count += len(block) - np.isnan(block).sum(axis=0)
            low, high = np.fmin(low, np.fmin.reduce(block)), np.fmax(high, np.fmax.reduce(block))
        return cls(count, low, high)

    def about(self, mean: np.ndarray) -> "Extent":
        """Of the distances from the mean."""
        return Extent(self.rows, self.low - mean, self.high - mean)

    def exponent(self) -> np.ndarray:
        """int[columns]: the power of two above every number's size; not below -400, whose square is none."""
        size = np.maximum(np.abs(self.low), np.abs(self.high))
        return np.maximum(np.frexp(np.where(np.isfinite(size), size, 0.0))[1], -400)


def joined(extents: list[Extent]) -> Extent:
    """Of all parts together."""
    counts, lows, highs = (np.stack(each) for each in zip(*extents, strict=True))
    return Extent(counts.sum(axis=0), lows.min(axis=0), highs.max(axis=0))


def part_sum(values: np.ndarray, exponent: np.ndarray, about: np.ndarray | None = None) -> np.ndarray:
    """int64[2, columns]: the sum of a part of the rows, missing ones apart, in whole numbers.

    Args:
      values: float64[rows, columns], NaN for missing; below 2**500 in size.
      exponent: of all parts; see `Extent`. Of squares it is that of the squares.
      about: float64[columns]: sums the squares of the distances from it instead.
    """
    total, scale = np.zeros((2, values.shape[1]), np.int64), np.ldexp(1.0, _BITS - exponent)
    for first in range(0, len(values), _AT_ONCE):
        block = values[first : first + _AT_ONCE]
        present = ~np.isnan(block)
        block = np.where(present, block if about is None else np.square(block - about), 0.0) * scale
        whole = np.rint(block)
        rest = np.rint((block - whole) * 2.0**_BITS)
        # whole numbers below 2**30 and fewer rows than 2**20: their sums are exact as floats
        total += [whole.sum(axis=0).astype(np.int64), rest.sum(axis=0).astype(np.int64)]
    return total


def mean_of(parts: list[np.ndarray], exponent: np.ndarray, count: np.ndarray) -> np.ndarray:
    """float64[columns]: the sum of all parts over the count, NaN where that is zero."""
    whole, rest = np.stack(parts).sum(axis=0)
    total = np.ldexp(whole + np.ldexp(rest.astype(np.float64), -_BITS), exponent - _BITS)
    return np.divide(total, count, out=np.full(len(total), np.nan), where=count > 0)


class Moments(NamedTuple):
    """Mean and variance of the present numbers of each column, float64[columns], and their extent."""

    mean: np.ndarray
    variance: np.ndarray
    extent: Extent


def alone(value: Any) -> list[Any]:
    """The exchange of a single process."""
    return [value]


def moments(values: np.ndarray, exchange: Exchange = alone) -> Moments:
    """Mean and variance of the columns of float64[rows, columns], NaN for missing.

    Args:
      values: of this process.
      exchange: gives what every process gives it, in their order, as JSON takes it; one is alone without it.

    Raises:
      ValueError: a number of 2**500 or more in size, in any process.

    >>> moments(np.array([[1.0, 5.0], [2.0, np.nan], [6.0, 5.0]])).mean.tolist()
    [3.0, 5.0]
    """
    extents = exchange([each.tolist() for each in Extent.of(values)])
    extent = joined([Extent(*(np.asarray(each, np.float64) for each in one)) for one in extents])
    if (np.maximum(-extent.low, extent.high) >= _LARGEST)[extent.rows > 0].any():
        raise ValueError("values: expected numbers below 2**500 in size; scale the column down.")
    exponent = extent.exponent()
    mean = mean_of(_all(exchange, part_sum(values, exponent)), exponent, extent.rows)
    exponent = 2 * extent.about(mean).exponent()
    squares = _all(exchange, part_sum(values, exponent, mean))
    return Moments(mean, mean_of(squares, exponent, extent.rows), extent)


def _all(exchange: Exchange, part: np.ndarray) -> list[np.ndarray]:
    return [np.asarray(each, np.int64) for each in exchange(part.tolist())]
