"""What is known of a file before its rows are looked at: columns, blocks, and how to tell a change."""

import hashlib
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from jaxgd.data.errors import DataError

_AT_ONCE = 2**20


class Place(NamedTuple):
    """Rows of a file that are read at once.

    `group` is the number of the row group, or of the block; `offset` and `size` are bytes, where the format
    needs them.
    """

    first: int
    rows: int
    group: int
    offset: int = 0
    size: int = 0

    def shown(self) -> str:
        """As messages name it."""
        return f"row group {self.group} (rows {self.first + 1:,} to {self.first + self.rows:,})"


@dataclass(frozen=True)
class FileIndex:
    """A file's columns and blocks.

    Attributes:
      path: of the file.
      names: of the columns, in order.
      types: of the columns as the format names them; empty where it has none.
      places: of its blocks, in order.
    """

    path: Path
    names: tuple[str, ...]
    types: tuple[str, ...]
    places: tuple[Place, ...]


class BadFileError(DataError):
    """A file that cannot be read: it may be left out, where a run was asked to leave such files out."""


@dataclass
class Mark:
    """What a file was when it was looked at: by its status at once, by its checksum for certain."""

    path: Path
    size: int
    modified: int
    checksum: str = field(repr=False)

    @classmethod
    def of(cls, path: Path) -> "Mark":
        """The mark of a file as it is now. Raises OSError, or BadFileError if it changes meanwhile."""
        before = _status(path)
        mark = cls(path, *before, _checksum(path))
        if _status(path) != before:
            raise BadFileError(f"{path}: the file changes while it is read. Wait until it is written.")
        return mark

    def change(self) -> str | None:
        """What has changed, in words; None if nothing has. Only a new date is looked into further."""
        try:
            size, modified = _status(self.path)
            if size != self.size:
                return f"the file has changed since the run began: {self.size:,} bytes, now {size:,}"
            if modified != self.modified and _checksum(self.path) != self.checksum:
                return "the file has changed since the run began: its size is the same, its content is not"
            self.modified = modified  # written again with the same bytes, or only touched
        except FileNotFoundError:
            return "the file has vanished since the run began"
        except OSError as error:
            return f"the file cannot be read any more ({error.strerror or error})"
        return None


def _status(path: Path) -> tuple[int, int]:
    status = os.stat(path)
    return status.st_size, status.st_mtime_ns


def _checksum(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while part := stream.read(_AT_ONCE):
            digest.update(part)
    return digest.hexdigest()
