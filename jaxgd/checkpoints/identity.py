"""What a run is, in plain values that can be compared: two runs of one identity give the same bits."""

import dataclasses
import hashlib
import re
from collections.abc import Mapping
from functools import partial
from typing import Any

import jax
import numpy as np

from jaxgd._named import Named
from jaxgd.checkpoints.arrays import as_numpy, digest, dtype_name, named_leaves, shown

_ADDRESS = re.compile(r" at 0x[0-9a-f]+")


def describe(value: Any) -> Any:
    """A setting as JSON takes it, the same in every process.

    Dataclasses become their fields, arrays their dtype, shape and checksum. A function is known by its module
    and name: what it does is not looked at.

    >>> describe({"rate": 0.5, "sizes": (3, 2)})
    {'rate': 0.5, 'sizes': [3, 2]}
    """
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if np.isfinite(value) else str(value)
    if isinstance(value, np.generic | np.ndarray | jax.Array):
        return _array(value)
    if isinstance(value, Mapping):
        return {str(name): describe(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [describe(item) for item in value]
    return _object(value)


def tree_digest(tree: Any) -> str:
    """One checksum of all arrays of a pytree and of their names."""
    whole = hashlib.sha256()
    for name, leaf in named_leaves(tree).items():
        whole.update(f"{name} {_array(leaf)}\n".encode())
    return whole.hexdigest()[:16]


def differences(saved: Any, given: Any, where: str = "") -> list[str]:
    """One line for every place in which two descriptions differ.

    >>> differences({"seed": 0, "batch_size": 32}, {"seed": 1, "batch_size": 32})
    ['seed: saved 0, now 1']
    """
    if isinstance(saved, Mapping) and isinstance(given, Mapping):
        lines = []
        for name in (*saved, *(name for name in given if name not in saved)):
            place = f"{where}.{name}" if where else str(name)
            lines += differences(saved.get(name), given.get(name), place)
        return lines
    if isinstance(saved, list) and isinstance(given, list) and len(saved) == len(given):
        pairs = enumerate(zip(saved, given, strict=True))
        return [line for place, both in pairs for line in differences(*both, f"{where}[{place}]")]
    return [] if saved == given else [f"{where}: saved {_short(saved)}, now {_short(given)}"]


def _array(value: Any) -> Any:
    array = as_numpy(value)
    if array.ndim == 0 and array.dtype.kind in "biuf":
        return describe(array.item())
    return f"{shown(dtype_name(value), array.shape)} {digest(array)[:16]}"


def _object(value: Any) -> Any:
    if isinstance(value, Named):
        return {"name": value.name, "function": _function(value.function), "options": describe(value.options)}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {field.name: describe(getattr(value, field.name)) for field in dataclasses.fields(value)}
        return {"kind": type(value).__name__, **fields}
    if isinstance(value, partial):
        return {"function": _function(value.func), "options": describe([value.args, value.keywords])}
    return _function(value) if callable(value) else _ADDRESS.sub("", repr(value))


def _function(value: Any) -> str:
    name = getattr(value, "__qualname__", None)
    return f"{value.__module__}.{name}" if name else _ADDRESS.sub("", repr(value))


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
