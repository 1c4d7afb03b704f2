"""Arrays at addresses at which a CPU's device takes them over without a copy; their memory is used again."""

import math
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

_ALIGNMENT = 64
_ROWS_AT_ONCE = 2048
"""Of columns that lie one behind the other, more would not stay in the processor's cache."""


class Rooms:
    """Memory for arrays, used again once no array, of NumPy or of a device, holds it any more.

    New memory is given by the system page by page, which costs as much as filling it does.
    """

    def __init__(self) -> None:
        self._all: list[np.ndarray] = []

    def room(self, size: int) -> np.ndarray:
        """uint8[size or more], with what was in it before."""
        for place in range(len(self._all)):
            if sys.getrefcount(self._all[place]) > _REFERENCES:
                continue
            if size <= self._all[place].size <= 2 * size:
                return self._all[place]
            del self._all[place]  # of another size than is wanted now
            break
        self._all.append(np.empty(size, np.uint8))
        return self._all[-1]


_REFERENCES = 2
"""To a room that nobody else holds: the list's and the argument's."""


class _OfThread(threading.local):
    rooms: Rooms | None = None


_of_thread = _OfThread()


@contextmanager
def used_again() -> Iterator[None]:
    """In this thread, arrays of this module take memory that arrays before them have given back."""
    before, _of_thread.rooms = _of_thread.rooms, Rooms()
    try:
        yield
    finally:
        _of_thread.rooms = before


def aligned_empty(shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    """As `numpy.empty`.

    >>> array = aligned_empty((3, 2), np.float32)
    >>> array.shape, array.ctypes.data % 64
    ((3, 2), 0)
    """
    size = math.prod(shape) * np.dtype(dtype).itemsize
    rooms = _of_thread.rooms
    room = np.empty(size + _ALIGNMENT, np.uint8) if rooms is None else rooms.room(size + _ALIGNMENT)
    start = -room.ctypes.data % _ALIGNMENT
    return room[start : start + size].view(dtype).reshape(shape)


def aligned_finite(rows: np.ndarray, dtype: Any) -> np.ndarray | None:
    """`rows`, one behind the other, in `dtype` and aligned; None if a number in it is not finite.

    It is a copy unless they are all that already.

    >>> aligned_finite(np.arange(6).reshape(2, 3).T, np.float32).tolist()
    [[0.0, 3.0], [1.0, 4.0], [2.0, 5.0]]
    >>> aligned_finite(np.array([[1.0, np.nan]]), np.float32) is None
    True
    """
    is_there = rows.dtype == dtype and rows.flags.c_contiguous and rows.ctypes.data % _ALIGNMENT == 0
    copy = rows if is_there else aligned_empty(rows.shape, dtype)
    for start in range(0, len(rows), _ROWS_AT_ONCE):
        some = copy[start : start + _ROWS_AT_ONCE]
        if not is_there:
            some[:] = rows[start : start + _ROWS_AT_ONCE]
        if not np.isfinite(some).all():
            return None
    return copy
