"""Opening a file to read: only a file, and without waiting for one who writes."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

from jaxgd.keras_files.errors import KerasFileError


def path_text(path: str | bytes | os.PathLike[str]) -> str:
    """A path as text.

    Raises:
      TypeError: it is something else, such as an open file.
    """
    if not isinstance(path, str | bytes | os.PathLike):
        raise TypeError(
            f"path: expected the path of a file, got {type(path).__name__}; write bytes to a file first."
        )
    return os.fsdecode(path)


@contextmanager
def opened(path: str) -> Iterator[BinaryIO]:
    """A file, open to read.

    Raises:
      KerasFileError: it is a pipe or a device, which may never end; or it is empty.
      OSError: it cannot be opened.
    """
    with open(path, "rb", opener=_without_waiting) as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise KerasFileError("expected a file, got a pipe or a device; copy its bytes to a file first.")
        if status.st_size == 0:
            raise KerasFileError("the file is empty.")
        yield file


def _without_waiting(path: str, flags: int) -> int:
    """Opens at once also a pipe that nobody writes to."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))
