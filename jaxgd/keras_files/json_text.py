"""JSON from and to a file: bounded, strict, and the same bytes for the same content."""

import json
import math
from typing import Any

from jaxgd.keras_files.errors import KerasFileError, check_mapping

MAX_BYTES = 4 * 2**20
MAX_VALUES = 250_000
MAX_DEPTH = 32


def parse_json(data: bytes, where: str) -> dict[str, Any]:
    """The object that `data` holds.

    Raises:
      KerasFileError: too long, too many values, too deep, not UTF-8, not JSON, a key that comes twice, NaN or
        infinity.
    """
    if len(data) > MAX_BYTES:
        raise KerasFileError(f"{where}: {len(data):,} bytes, more than {MAX_BYTES:,}.")
    if sum(data.count(mark) for mark in (b",", b"[", b"{")) > MAX_VALUES:
        raise KerasFileError(f"{where}: more than {MAX_VALUES:,} values.")
    try:
        value = json.loads(
            data.decode("utf-8"),
            object_pairs_hook=_without_twins,
            parse_constant=_refuse_constant,
            parse_float=_finite,
        )
    except RecursionError:
        raise KerasFileError(f"{where}: nested too deep.") from None
    except ValueError as error:
        raise KerasFileError(f"{where}: not valid JSON ({error}).") from error
    _check_depth(value, where)
    return check_mapping(value, where)


def dump_json(value: Any) -> bytes:
    """The bytes of a JSON value, keys in the order given."""
    return json.dumps(value, allow_nan=False).encode("utf-8")


def _without_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    keys = [key for key, _ in pairs]
    if len(set(keys)) < len(keys):
        raise ValueError("a key comes twice in one object")
    return dict(pairs)


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a number of JSON")


def _finite(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise ValueError(f"{digits} is too large")
    return number


def _check_depth(value: Any, where: str) -> None:
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [child for node in level for child in _children(node)]
        if not level:
            return
    raise KerasFileError(f"{where}: nested deeper than {MAX_DEPTH} levels.")


def _children(node: Any) -> list[Any]:
    if isinstance(node, dict):
        return list(node.values())
    return node if isinstance(node, list) else []
