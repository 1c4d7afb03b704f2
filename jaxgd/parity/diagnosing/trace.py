"""What is diagnosed: parameters and gradients of a run, step by step, and nothing about what made them."""

import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from jaxgd._checks import wrong
from jaxgd.parity.trace.format import MANIFEST, read_trace

MIN_STEPS = 5


@dataclass(frozen=True)
class Run:
    """Parameters before and after every step, and the gradient of every step.

    Args:
      params: {name: [steps + 1, ...]}, float32 or float64.
      grads: {name: [steps, ...]}, the same names and shapes.

    Raises:
      ValueError: names, shapes or types do not fit together, there are fewer than 5 steps, nothing moved, or
        a value is not finite.

    >>> Run({"w": np.zeros((9, 2))}, {"w": np.zeros((8, 3))})
    Traceback (most recent call last):
    ValueError: grads/w: expected an array of shape (8, 2), got (8, 3).
    """

    params: Mapping[str, np.ndarray]
    grads: Mapping[str, np.ndarray]

    def __post_init__(self) -> None:
        if not self.params or set(self.params) != set(self.grads):
            raise wrong("grads", sorted(self.grads), f"the names of params {sorted(self.params)}")
        for name, values in self.params.items():
            _check_leaf(name, values, self.grads[name], self.steps)
        if self.steps < MIN_STEPS:
            raise wrong("steps", self.steps, f"at least {MIN_STEPS}")
        if all(np.all(values == values[0]) for values in self.params.values()):
            raise ValueError("params: expected parameters that move, got equal ones at every step.")

    @property
    def steps(self) -> int:
        """Number of steps."""
        return len(next(iter(self.params.values()))) - 1

    @property
    def dtype(self) -> np.dtype:
        """The narrowest type among the parameters: its rounding is what a fit cannot go below."""
        return min((values.dtype for values in self.params.values()), key=lambda dtype: dtype.itemsize)


def _check_leaf(name: str, values: np.ndarray, grads: np.ndarray, steps: int) -> None:
    for kind, array in (("params", values), ("grads", grads)):
        if array.dtype not in (np.float32, np.float64):
            raise wrong(f"{kind}/{name}", str(array.dtype), "float32 or float64")
        if not np.all(np.isfinite(array)):
            raise ValueError(f"{kind}/{name}: expected finite values, got NaN or infinity.")
    for kind, array, length in (("params", values, steps + 1), ("grads", grads, steps)):
        expected = (length, *values.shape[1:])
        if array.shape != expected:
            raise ValueError(f"{kind}/{name}: expected an array of shape {expected}, got {array.shape}.")


def read_run(path: str | Path) -> Run:
    """The run in a trace or an NPZ file with `params/NAME` [steps + 1, ...] and `grads/NAME` [steps, ...].

    Parameters without a gradient and other arrays are ignored. Nothing is unpickled; a trace's checksums are
    checked.

    Raises:
      OSError: the file cannot be read.
      ValueError: it is no such file.
    """
    arrays = _arrays(path)
    params, grads = _below(arrays, "params/"), _below(arrays, "grads/")
    if not params or not grads:
        raise ValueError(
            f"{path}: expected arrays named params/NAME and grads/NAME, got {sorted(arrays)[:8]}."
        )
    return Run({name: values for name, values in params.items() if name in grads}, grads)


def _arrays(path: str | Path) -> Mapping[str, np.ndarray]:
    try:
        with np.load(path, allow_pickle=False) as file:
            if MANIFEST not in file.files:
                return {name: file[name] for name in file.files if name.startswith(("params/", "grads/"))}
    except (ValueError, EOFError, AttributeError, TypeError, zipfile.BadZipFile, zlib.error) as error:
        raise ValueError(f"{path}: expected an NPZ file of plain arrays: {error}") from error
    return read_trace(path).arrays


def _below(arrays: Mapping[str, Any], prefix: str) -> dict[str, np.ndarray]:
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}
