"""Rows of text kept while their stream is in use: in a file without a name, which no kill leaves behind."""

import os
import shutil
import tempfile
import threading
import weakref
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from jaxgd._aligned import aligned_empty

SHARE = 0.25
"""Of what is free on the disk, at most so much is taken."""


class _Array(NamedTuple):
    name: str
    place: int
    shape: tuple[int, ...]
    dtype: np.dtype


@dataclass
class PassingRows:
    """Blocks by any key, until this object is gone. Where there is no room, blocks are made again instead.

    Args:
      folder: on the disk that is to hold the file; it is made when the first block is kept.
      writes: whether blocks are kept, or only read.

    >>> with tempfile.TemporaryDirectory() as folder:
    ...     kept = PassingRows(Path(folder), writes=True)
    ...     kept.write("a", {"x": np.arange(3.0)})
    ...     kept.read("a"), kept.read("b"), list(Path(folder).iterdir())
    ({'x': array([0., 1., 2.])}, None, [])
    """

    folder: Path
    writes: bool = False
    _file: Any = None
    _process: int = 0
    _size: int = 0
    _most: int = 0
    _blocks: dict[Hashable, list[_Array]] = field(default_factory=dict)
    _lock: Any = field(default_factory=threading.Lock)

    def __reduce__(self) -> Any:
        """A copy, in another process perhaps, begins with nothing."""
        return PassingRows, (self.folder, self.writes)

    def read(self, key: Hashable) -> dict[str, Any] | None:
        """The arrays of a block, or None if it has to be made."""
        with self._lock:
            if key not in self._blocks or self._process != os.getpid():  # a fork shares the place in a file
                return None
            try:
                return {each.name: self._array(each) for each in self._blocks[key]}
            except OSError:  # a disk that fails: nothing on it is believed any more
                self._most = 0
                self._blocks.clear()
                return None

    def write(self, key: Hashable, rows: Mapping[str, Any]) -> None:
        """Keep a block, if that is wanted and there is room for it."""
        if not self.writes:
            return
        arrays = {name: np.ascontiguousarray(rows[name]) for name in rows if rows[name] is not None}
        num_bytes = sum(array.nbytes for array in arrays.values())
        with self._lock:
            try:
                if self._process != os.getpid():
                    self._open()
                if self._size + num_bytes <= self._most:
                    self._blocks[key] = [self._put(name, array) for name, array in arrays.items()]
            except OSError:
                self._most = 0  # what is there can still be read

    def _open(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self._file = tempfile.TemporaryFile(dir=self.folder, buffering=0)  # noqa: SIM115
        weakref.finalize(self, self._file.close)
        self._process, self._size = os.getpid(), 0
        self._blocks.clear()
        self._most = int(shutil.disk_usage(self.folder).free * SHARE)

    def _put(self, name: str, array: np.ndarray) -> _Array:
        self._file.seek(self._size)
        left = array.reshape(-1).view(np.uint8).data
        while len(left):
            left = left[self._file.write(left) :]
        place, self._size = self._size, self._size + array.nbytes
        return _Array(name, place, array.shape, array.dtype)

    def _array(self, of: _Array) -> np.ndarray:
        array = aligned_empty(of.shape, of.dtype)
        self._file.seek(of.place)
        left = array.reshape(-1).view(np.uint8).data
        while len(left):
            count = self._file.readinto(left)
            if not count:
                raise OSError("the file is shorter than what was written to it")
            left = left[count:]
        return array


class PassingPart:
    """The blocks of one part of a stream's rows, by number."""

    def __init__(self, kept: PassingRows, part: Hashable) -> None:
        self.kept, self.part = kept, part

    def read(self, block: int) -> dict[str, Any] | None:
        """The arrays of a block, or None if it has to be made."""
        return self.kept.read((self.part, block))

    def write(self, block: int, rows: Mapping[str, Any]) -> None:
        """Keep a block, if that is wanted and there is room for it."""
        self.kept.write((self.part, block), rows)
