"""Blocks kept in a folder as they are trained on, so that only the first epoch parses and encodes them."""

import json
import warnings
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from jaxgd._aligned import aligned_empty
from jaxgd._atomic import replacing, tidy
from jaxgd.data.arrays import read_header
from jaxgd.data.errors import DataError

_LONGEST_HEAD = 1000


@dataclass
class RowsCache:
    """Blocks of one description of rows, a file each; a file that is not whole counts as not there.

    A file is a line of JSON (the arrays' names, the CRC of their bytes) and the arrays as NumPy writes them.

    Args:
      folder: of the files; it is made when the first one is written, and may be deleted at any time.
    """

    folder: Path
    trusted: set[int] = field(default_factory=set)
    """Blocks whose CRC this process has seen to be right."""
    writes: bool = True

    def read(self, block: int) -> dict[str, Any] | None:
        """The arrays of a block, or None if it has to be made."""
        try:
            with self._path(block).open("rb") as stream:
                return self._arrays(stream, block)
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def write(self, block: int, rows: Mapping[str, Any]) -> None:
        """Keep a block; once that fails, a warning says why, and no more is tried.

        What a killed run left of the block is removed.
        """
        arrays = {name: array for name, array in rows.items() if array is not None}
        if not self.writes:
            return
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            tidy(self.folder, [self._path(block).name])
            with replacing(self._path(block)) as stream:
                head = {"names": list(arrays), "crc": _crc(arrays)}
                stream.write(json.dumps(head).encode() + b"\n")
                for array in arrays.values():
                    np.save(stream, array, allow_pickle=False)
        except FileNotFoundError:
            return
        except OSError as error:
            self.writes = False
            reason = error.strerror or error
            warnings.warn(f"{self.folder}: rows cannot be kept ({reason}); the run goes on.", stacklevel=2)

    def _path(self, block: int) -> Path:
        return self.folder / f"{block:08}.rows"

    def _arrays(self, stream: BinaryIO, block: int) -> dict[str, Any]:
        head = json.loads(stream.readline(_LONGEST_HEAD))
        rows = {str(name): _read_array(stream) for name in head["names"]}
        if block not in self.trusted and _crc(rows) != head["crc"]:
            raise DataError("other bytes than were written")
        self.trusted.add(block)
        return rows


def _read_array(stream: BinaryIO) -> np.ndarray:
    header = read_header(stream, "a kept block")
    array = aligned_empty(header.shape, header.dtype)
    if stream.readinto(array.data.cast("B")) < header.num_bytes:  # pyright: ignore[reportAttributeAccessIssue]
        raise DataError("truncated")
    return array


def _crc(arrays: Mapping[str, np.ndarray]) -> int:
    value = 0
    for array in arrays.values():
        value = zlib.crc32(np.ascontiguousarray(array).data, value)
    return value
