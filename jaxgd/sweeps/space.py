"""Where the values of a sweep come from: ranges, grids, random draws. Plain values, nothing that computes."""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from jaxgd._checks import check_integer, check_real, unknown_name, wrong

SCALES = ("linear", "log")
_MISSES = 1000
"""Draws one after the other of what was drawn before, after which the rest is looked for."""
MOST = 1_000_000
"""Values of an axis, combinations, members: more are a slip of the pen, and would fill the memory."""


@dataclass(frozen=True)
class Range:
    """Every number between two bounds, evenly or by order of magnitude.

    Args:
      low, high: the bounds, low < high; above 0 on the log scale.
      scale: "linear" or "log".
      whole: whether the numbers are integers, as those of epochs are; then the bounds are too.

    Raises:
      TypeError, ValueError: bounds that are no numbers or no range, or an unknown scale.
    >>> Range(1e-4, 1e-1, "log").values(4)
    (0.0001, 0.001, 0.01, 0.1)
    """

    low: float
    high: float
    scale: str = "linear"
    whole: bool = False

    def __post_init__(self) -> None:
        check_real("low", self.low)
        check_real("high", self.high)
        if self.scale not in SCALES:
            raise unknown_name("scale", self.scale, SCALES)
        if not self.low < self.high:
            raise wrong("range", f"{self.low}..{self.high}", "a lower bound below the upper one")
        if self.scale == "log" and self.low <= 0:
            raise wrong("range", f"{self.low}..{self.high}:log", "bounds above 0 on the log scale")
        if self.whole and not (float(self.low).is_integer() and float(self.high).is_integer()):
            raise wrong("range", f"{self.low}..{self.high}", "whole numbers as bounds")

    def values(self, count: int) -> tuple[float, ...]:
        """`count` numbers with the bounds among them, evenly spaced on the scale."""
        check_count("count", check_integer("count", count, 2))
        return tuple(self.at(place / (count - 1)) for place in range(count))

    def at(self, share: float) -> float:
        """The number at a share of the way from low to high, to twelve digits so that 0.001 is 0.001."""
        number = self._at(share)
        return round(number) if self.whole else number

    def drawn(self, share: float) -> float:
        """The number that a draw of `share`, in [0, 1), means: whole numbers have even chances."""
        if not self.whole:
            return self.at(share)
        low, high = round(self.low), round(self.high)
        if self.scale == "linear":
            return low + int(share * (high - low + 1))
        lowest, highest = math.log(low - 0.5), math.log(high + 0.5)
        return min(max(round(math.exp(lowest + share * (highest - lowest))), low), high)

    def _at(self, share: float) -> float:
        if share in (0.0, 1.0):
            return float(self.high if share else self.low)
        if self.scale == "linear":
            number = self.low + share * (self.high - self.low)
        else:
            number = math.exp(math.log(self.low) + share * (math.log(self.high) - math.log(self.low)))
        return number if self.whole else float(f"{number:.12g}")


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
      TypeError: an axis that is no list of values.
      ValueError: one without values, or with a value twice; more than a million combinations.
    >>> product({"a": [1, 2], "b": ["x"]})
    [{'a': 1, 'b': 'x'}, {'a': 2, 'b': 'x'}]
    """
    values = [_axis(name, axis) for name, axis in grid.items()]
    check_count("grid", math.prod(len(axis) for axis in values))
    return [dict(zip(grid, combination, strict=True)) for combination in itertools.product(*values)]


def random_search(space: Mapping[str, Any], count: int, seed: int = 0) -> list[dict[str, Any]]:
    """`count` combinations drawn at random, none of them twice.

    Args:
      space: {axis: a `Range` that is drawn from, or a list of values one of which is chosen}.
      count: how many, at least 1.
      seed: equal seeds draw equal combinations, and a larger count begins with those of a smaller one.

    Raises:
      TypeError, ValueError: an empty space, an axis that is neither, or more than there are combinations.
    >>> random_search({"learning_rate": Range(1e-3, 1e-1, "log"), "hidden": [(8,), (16,)]}, 1)
    [{'learning_rate': 0.012520653815, 'hidden': (16,)}]
    """
    check_count("count", check_integer("count", count, 1))
    check_integer("seed", seed, 0)
    if not space:
        raise ValueError("space: expected at least one axis, got none.")
    there = math.prod(_choices(name, axis) for name, axis in space.items())
    if count > there:
        raise wrong("count", count, f"at most {there}, which are all combinations")
    draws = np.random.RandomState(seed)  # frozen by NumPy, as Generator's streams are not
    places: dict[tuple[float, ...], None] = {}  # keeps the order in which they were drawn
    misses = 0
    while len(places) < count and misses < _MISSES:
        place = tuple(_place(axis, draws.random_sample()) for axis in space.values())
        misses = misses + 1 if place in places else 0
        places[place] = None
    if len(places) < count:
        places |= dict.fromkeys(_rest(space, places, draws)[: count - len(places)])
    return [
        {name: _value(axis, place) for (name, axis), place in zip(space.items(), each, strict=True)}
        for each in places
    ]


def _rest(
    space: Mapping[str, Any], drawn: Mapping[tuple[float, ...], None], draws: np.random.RandomState
) -> list[tuple[float, ...]]:
    """The few combinations that were not drawn yet, in any order."""
    numbers = [_places(axis) for axis in space.values()]
    if math.prod(len(each) for each in numbers) > MOST:
        raise ValueError(f"count: expected fewer, as the ranges have hardly more than {len(drawn)} numbers.")
    rest = [place for place in itertools.product(*numbers) if place not in drawn]
    return [rest[number] for number in draws.permutation(len(rest))]


def check_count(name: str, count: int) -> None:
    """Raises ValueError for more than a million."""
    if count > MOST:
        raise ValueError(f"{name}: expected at most {MOST:,}, got {count:,}; draw some of them at random.")


def _choices(name: str, axis: Any) -> float:
    """How many values an axis has."""
    if not isinstance(axis, Range):
        return len(_axis(name, axis))
    return round(axis.high) - round(axis.low) + 1 if axis.whole else math.inf


def _place(axis: Any, share: float) -> float:
    """A number of the range, or a place in the list."""
    return axis.drawn(share) if isinstance(axis, Range) else int(share * len(axis))


def _places(axis: Any) -> range:
    """All places of an axis; too many of a range of other than whole numbers."""
    if not isinstance(axis, Range):
        return range(len(axis))
    return range(round(axis.low), round(axis.high) + 1) if axis.whole else range(MOST + 1)


def _value(axis: Any, place: float) -> Any:
    return place if isinstance(axis, Range) else axis[int(place)]


def _axis(name: str, axis: Any) -> list[Any]:
    if isinstance(axis, Range):
        raise TypeError(f"{name}: expected values, got a range; say how many: Range(...).values(5).")
    if isinstance(axis, str) or not isinstance(axis, Sequence | np.ndarray):
        raise TypeError(f"{name}: expected a list of values, got {axis!r}.")
    values = axis.tolist() if isinstance(axis, np.ndarray) else list(axis)
    if not values:
        raise ValueError(f"{name}: expected at least one value, got none.")
    twice = _first_twice(values)
    if twice:
        raise ValueError(f"{name}: expected each value once, got {twice[0]!r} twice.")
    return values


def _first_twice(values: list[Any]) -> list[Any]:
    """The first value that was there before, if any."""
    try:
        if len(set(values)) == len(values):
            return []
    except TypeError:  # lists and the like, of which there are few
        pass
    return next(([value] for place, value in enumerate(values) if value in values[:place]), [])
