"""The axes of a sweep as text: `learning_rate=1e-4..1e-1:log:5`, `hidden=64,128/64,none`."""

import re
from collections.abc import Sequence
from typing import Any

from jaxgd.sweeps.space import SCALES, Range

_NUMBER = r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?"
_WHOLE = ("epochs", "batch_size", "patience", "hidden")


def parse_axis(text: str) -> tuple[str, Any]:
    """An axis from `NAME=VALUES`.

    VALUES are separated by commas; layers of one network by slashes; `low..high:scale:count` is a range, and
    without a count a `Range` to draw from.

    Raises:
      ValueError: no such form, or a range of words.
    >>> parse_axis("learning_rate=0.001..0.1:log:3")
    ('learning_rate', (0.001, 0.01, 0.1))
    >>> parse_axis("hidden=64,128/64,none")
    ('hidden', ((64,), (128, 64), ()))
    """
    name, equals, values = text.partition("=")
    name = name.strip().replace("-", "_")
    if not equals or not name:
        raise ValueError(f"grid: expected NAME=VALUES such as learning_rate=0.1,0.01, got {text!r}.")
    if not values.strip():
        raise ValueError(f"grid: {name}: expected at least one value, got none.")
    if ".." in values:
        return name, _range(name, values.strip())
    return name, tuple(_value(name, value.strip()) for value in values.split(","))


def _range(name: str, text: str) -> Any:
    bounds, *rest = text.split(":")
    low, _, high = bounds.partition("..")
    scale = rest.pop(0) if rest and rest[0] in SCALES else "linear"
    if len(rest) > 1 or not all(part.isdigit() for part in rest):
        raise ValueError(
            f"grid: {name}: expected low..high, low..high:log or low..high:log:count, got {text!r}."
        )
    try:
        span = Range(_number(low), _number(high), scale, whole=name in _WHOLE)
        values = span.values(int(rest[0])) if rest else None
    except ValueError as error:
        raise ValueError(f"grid: {name}: {error}") from None
    if name != "hidden":
        return span if values is None else values
    if values is None:
        raise ValueError(f"grid: hidden: how many? hidden=low..high:{scale}:5, each one layer's width.")
    return tuple((int(width),) for width in values)


def _number(text: str) -> float:
    if not re.fullmatch(_NUMBER, text.strip()):
        raise ValueError(f"expected a range of numbers, got {text.strip()!r} in it.")
    return float(text)


def _value(name: str, text: str) -> Any:
    if name == "hidden":
        return _widths(text)
    if re.fullmatch(r"[-+]?[0-9]+", text):
        return int(text)
    if re.fullmatch(_NUMBER, text):
        return float(text)
    if not text:
        raise ValueError(f"grid: {name}: expected a value between the commas, got none.")
    return None if text.lower() == "none" else text


def _widths(text: str) -> tuple[int, ...]:
    if text.lower() == "none":
        return ()
    if not re.fullmatch(r"[0-9]+(/[0-9]+)*", text):
        raise ValueError(f"grid: hidden: expected widths such as 64 or 128/64, got {text!r}.")
    return tuple(int(width) for width in text.split("/"))


def parse_grid(texts: Sequence[str]) -> dict[str, Any]:
    """{axis: values or `Range`} from several texts. Raises ValueError, also for an axis given twice."""
    axes: dict[str, Any] = {}
    for text in texts:
        name, values = parse_axis(text)
        if name in axes:
            raise ValueError(f"grid: the axis {name!r} is given twice.")
        axes[name] = values
    return axes
