"""A registered function together with the options that were set: hashable, callable, printable.

Descriptions (models, runs) hold these instead of closures, so that two equal descriptions are one
compiled program.
"""

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Named:
    """`function(*args, **options)`, equal to another when name, function and options are.

    >>> shift = Named("shift", lambda x, by=1: x + by, (("by", 3),))
    >>> shift(1), repr(shift)
    (4, 'shift(by=3)')
    """

    name: str
    function: Callable[..., Any]
    options: tuple[tuple[str, Hashable], ...] = ()

    def __call__(self, *args: Any, **overrides: Any) -> Any:
        return self.function(*args, **{**dict(self.options), **overrides})

    def __repr__(self) -> str:
        settings = ", ".join(f"{key}={value!r}" for key, value in self.options)
        return f"{self.name}({settings})" if settings else self.name


def sorted_options(options: dict[str, Hashable]) -> tuple[tuple[str, Hashable], ...]:
    """Keyword options in the one order that makes equal descriptions equal."""
    return tuple(sorted(options.items()))
