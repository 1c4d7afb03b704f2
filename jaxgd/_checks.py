"""Errors that say what, got and expected. Every check of an argument goes through here."""

import difflib
import math
from collections.abc import Iterable, Mapping
from numbers import Integral, Real
from typing import Any


def of_keras(value: Any) -> bool:
    """Whether a value is an object of Keras, which is not imported for that."""
    kinds = type(value).__mro__
    return any(each.__module__.split(".")[0] in ("keras", "tf_keras") for each in kinds)


def unknown_name(
    kind: str, name: object, known: Iterable[str], left_out: Mapping[str, str] | None = None
) -> ValueError:
    """The error for a name that is not in a registry, with the nearest name that is.

    `left_out` has names of Keras that are not known on purpose, in lower case and without underscores, to why
    and what to do instead.
    """
    instead = (left_out or {}).get(str(name).lower().replace("_", ""))
    if instead:
        return ValueError(f"{kind} {name!r} cannot be had by its name: {instead}.")
    names = sorted(known)
    near = difflib.get_close_matches(str(name).lower(), names, n=1, cutoff=0.5)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    return ValueError(f"unknown {kind} {name!r}.{hint} Known: {', '.join(names)}.")


def wrong(name: str, got: object, expected: str) -> ValueError:
    """The error for an argument whose value is out of range."""
    return ValueError(f"{name}: expected {expected}, got {got!r}.")


def check_integer(name: str, value: Any, minimum: int) -> int:
    """`value` as an int of at least `minimum`. Raises TypeError or ValueError."""
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise TypeError(f"{name}: expected an integer, got {value!r} ({type(value).__name__}).")
    if value < minimum:
        raise wrong(name, value, f"an integer of at least {minimum}")
    return int(value)


def check_real(name: str, value: Any, minimum: float = -math.inf, maximum: float = math.inf) -> float:
    """`value` as a finite float within [minimum, maximum]. Raises TypeError or ValueError."""
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"{name}: expected a number, got {value!r} ({type(value).__name__}).")
    number = float(value)
    if not math.isfinite(number) or not minimum <= number <= maximum:
        raise wrong(name, value, f"a finite number in [{minimum:g}, {maximum:g}]")
    return number


def is_traced_or_array(value: Any) -> bool:
    """Whether a hyperparameter is an array (perhaps traced), whose value cannot be checked here."""
    return hasattr(value, "dtype") and hasattr(value, "shape") and not isinstance(value, Real)
