"""Arrays at addresses at which a device that is a CPU takes them over without a copy."""

import math
from typing import Any

import numpy as np

_ALIGNMENT = 64
_ROWS_AT_ONCE = 2048
"""Of columns that lie one behind the other, more would not stay in the processor's cache."""


def aligned_zeros(shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    """As `numpy.zeros`.

    >>> array = aligned_zeros((3, 2), np.float32)
    >>> array.shape, array.ctypes.data % 64
    ((3, 2), 0)
    """
    size = math.prod(shape) * np.dtype(dtype).itemsize
    room = np.zeros(size + _ALIGNMENT, np.uint8)
    start = -room.ctypes.data % _ALIGNMENT
    return room[start : start + size].view(dtype).reshape(shape)


def aligned(rows: np.ndarray, dtype: Any) -> np.ndarray:
    """A copy of `rows`, one behind the other, in `dtype`.

    >>> aligned(np.arange(6).reshape(2, 3).T, np.float32).tolist()
    [[0.0, 3.0], [1.0, 4.0], [2.0, 5.0]]
    """
    copy = aligned_zeros(rows.shape, dtype)
    for start in range(0, len(rows), _ROWS_AT_ONCE):
        copy[start : start + _ROWS_AT_ONCE] = rows[start : start + _ROWS_AT_ONCE]
    return copy
