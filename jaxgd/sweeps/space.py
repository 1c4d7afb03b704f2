"""Where the values of a sweep come from: ranges, grids, random draws. Plain values, nothing that computes."""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from jaxgd._checks import check_integer, check_real, unknown_name, wrong

SCALES = ("linear", "log")


@dataclass(frozen=True)
class Range:
    """Every number between two bounds, evenly or by order of magnitude.

    Args:
      low, high: the bounds, low < high; above 0 on the log scale.
      scale: "linear" or "log".

    Raises:
      TypeError, ValueError: bounds that are no numbers or no range, or an unknown scale.
    >>> Range(1e-4, 1e-1, "log").values(4)
    (0.0001, 0.001, 0.01, 0.1)
    """

    low: float
    high: float
    scale: str = "linear"

    def __post_init__(self) -> None:
        check_real("low", self.low)
        check_real("high", self.high)
        if self.scale not in SCALES:
            raise unknown_name("scale", self.scale, SCALES)
        if not self.low < self.high:
            raise wrong("range", f"{self.low}..{self.high}", "a lower bound below the upper one")
        if self.scale == "log" and self.low <= 0:
            raise wrong("range", f"{self.low}..{self.high}:log", "bounds above 0 on the log scale")

    def values(self, count: int) -> tuple[float, ...]:
        """`count` numbers with the bounds among them, evenly spaced on the scale."""
        check_integer("count", count, 2)
        return tuple(self.at(place / (count - 1)) for place in range(count))

    def at(self, share: float) -> float:
        """The number at a share of the way from low to high, to twelve digits so that 0.001 is 0.001."""
        if share in (0.0, 1.0):
            return float(self.high if share else self.low)
        if self.scale == "linear":
            number = self.low + share * (self.high - self.low)
        else:
            number = math.exp(math.log(self.low) + share * (math.log(self.high) - math.log(self.low)))
        return float(f"{number:.12g}")


def log_range(low: float, high: float, count: int) -> tuple[float, ...]:
    """`count` numbers, each the same factor above the one before.

    >>> log_range(1e-3, 1e-1, 3)
    (0.001, 0.01, 0.1)
    """
    return Range(low, high, "log").values(count)


def linear_range(low: float, high: float, count: int) -> tuple[float, ...]:
    """`count` evenly spaced numbers.

    >>> linear_range(0, 1, 3)
    (0.0, 0.5, 1.0)
    """
    return Range(low, high).values(count)


def product(grid: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    """Every combination of the axes' values, the last axis fastest; one empty combination without axes.

    Raises:
      TypeError: an axis that is no list of values. ValueError: one without values, or with a value twice.
    >>> product({"a": [1, 2], "b": ["x"]})
    [{'a': 1, 'b': 'x'}, {'a': 2, 'b': 'x'}]
    """
    values = [_axis(name, axis) for name, axis in grid.items()]
    return [dict(zip(grid, combination, strict=True)) for combination in itertools.product(*values)]


def random_search(space: Mapping[str, Any], count: int, seed: int = 0) -> list[dict[str, Any]]:
    """`count` combinations drawn at random.

    Args:
      space: {axis: a `Range` that is drawn from, or a list of values one of which is chosen}.
      count: how many, at least 1.
      seed: equal seeds draw equal combinations, and a larger count begins with those of a smaller one.

    Raises:
      TypeError, ValueError: an empty space, or an axis that is neither.
    >>> random_search({"learning_rate": Range(1e-3, 1e-1, "log"), "hidden": [(8,), (16,)]}, 1)
    [{'learning_rate': 0.012520653815, 'hidden': (16,)}]
    """
    check_integer("count", count, 1)
    check_integer("seed", seed, 0)
    if not space:
        raise ValueError("space: expected at least one axis, got none.")
    for name, axis in space.items():
        if not isinstance(axis, Range):
            _axis(name, axis)
    draws = np.random.RandomState(seed)  # frozen by NumPy, as Generator's streams are not
    return [{name: _drawn(axis, draws) for name, axis in space.items()} for _ in range(count)]


def _drawn(axis: Any, draws: np.random.RandomState) -> Any:
    share = draws.random_sample()
    return axis.at(share) if isinstance(axis, Range) else axis[int(share * len(axis))]


def _axis(name: str, axis: Any) -> list[Any]:
    if isinstance(axis, Range):
        raise TypeError(f"{name}: expected values, got a range; say how many: Range(...).values(5).")
    if isinstance(axis, str) or not isinstance(axis, Sequence | np.ndarray):
        raise TypeError(f"{name}: expected a list of values, got {axis!r}.")
    values = axis.tolist() if isinstance(axis, np.ndarray) else list(axis)
    if not values:
        raise ValueError(f"{name}: expected at least one value, got none.")
    twice = [value for place, value in enumerate(values) if value in values[:place]]
    if twice:
        raise ValueError(f"{name}: expected each value once, got {twice[0]!r} twice.")
    return values
