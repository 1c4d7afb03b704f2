"""The files of a stream: looked up, held against each other, and their blocks read as tables."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from jaxgd._aligned import aligned_finite
from jaxgd._checks import unknown_name
from jaxgd.data.errors import DataError
from jaxgd.data.streams import npy_files, parquet_files
from jaxgd.data.streams.index import BadFileError, FileIndex, Mark, Place
from jaxgd.data.streams.kinds import FLOAT, INT, as_kind
from jaxgd.data.streams.listing import list_files, shown_place
from jaxgd.data.streams.text_files import TextFiles
from jaxgd.data.table import Table
from jaxgd.data.text_files import typed

ON_BAD_FILE = ("stop", "skip")
"""What is done about a file that cannot be read: stop at once, or leave it out and say so."""

_READERS: dict[str, Any] = {
    "parquet": parquet_files,
    "npy": npy_files,
    "csv": TextFiles(","),
    "tsv": TextFiles("\t"),
}
WarnFn = Callable[[str], None]


@dataclass(frozen=True, eq=False)
class Files:
    """Files of one kind with equal columns.

    Attributes:
      where: what was asked for, as messages name it.
      kind: `parquet`, `csv`, `tsv` or `npy`.
      indices: of the files that are read, in order; marks: what they were then.
      skipped: {path: why} of the files that were left out.
      kinds: {column: kind} of columns of text files, once all were looked through.
    """

    where: str
    kind: str
    indices: tuple[FileIndex, ...]
    marks: tuple[Mark, ...]
    skipped: dict[str, str]
    kinds: dict[str, str] = field(default_factory=dict)

    @property
    def is_text(self) -> bool:
        """Whether the files have no types of their own."""
        return self.kind in ("csv", "tsv")

    @property
    def names(self) -> tuple[str, ...]:
        """Of the columns."""
        return self.indices[0].names

    def table(
        self, file: int, place: Place, names: Sequence[str], likely: Mapping[str, str] | None = None
    ) -> Table:
        """Some columns of a block.

        Args:
          likely: {column: kind} that text is thought to have; it is read sooner if that is right.

        Raises: BadFileError, or DataError.
        """
        index, reader, cells = self.indices[file], _READERS[self.kind], None
        if likely and self.is_text:
            cells = reader.read_likely(index.path, index, place, names, likely)
        if cells is None:
            cells = reader.read_columns(index.path, index, place, names)
        return self._table(file, place, cells)

    def plain(
        self, file: int, place: Place, names: Sequence[str], beside: Sequence[str], dtype: str
    ) -> tuple[np.ndarray, Table | None] | None:
        """Columns of numbers without gaps, dtype[rows, columns], as they are trained on; a table of others.

        None if they cannot be read so: `table` says why, or reads them in its own way.
        """
        index, kinds = self.indices[file], {name: self.kinds.get(name, FLOAT) for name in names}
        found = _READERS[self.kind].read_plain(index.path, index, place, kinds, beside)
        if found is None:
            return None
        matrix = aligned_finite(found[0], dtype)
        if matrix is None:
            return None
        return matrix, self._table(file, place, found[1]) if beside else None

    def may_be_numbers(self, names: Sequence[str]) -> bool:
        """Whether columns hold numbers, or are text in which there may be nothing else."""
        if self.is_text:
            return all(self.kinds.get(name, FLOAT) in (INT, FLOAT) for name in names)
        types = dict(zip(self.names, self.indices[0].types, strict=True))
        return all(types[name].lower().startswith(("int", "uint", "float")) for name in names)

    def change(self, file: int) -> str | None:
        """What has changed about a file since it was looked at, or None."""
        return self.marks[file].change()

    def _table(self, file: int, place: Place, cells: Mapping[str, Any]) -> Table:
        if self.is_text:
            cells = {name: self._cells(name, column) for name, column in cells.items()}
        return Table.from_columns(cells, f"{self.indices[file].path}, {place.shown()}", self.kind)

    def _cells(self, name: str, column: Any) -> np.ndarray:
        if isinstance(column, np.ndarray):
            return column.astype(np.float64) if self.kinds.get(name) == FLOAT else column
        return as_kind(column, self.kinds[name]) if name in self.kinds else typed(column)


def open_files(where: Any, on_bad_file: str, warn: WarnFn) -> Files:
    """The files that `where` stands for.

    Args:
      where: a folder, a pattern or a list of paths.
      on_bad_file: one of `ON_BAD_FILE`.
      warn: is told of each file that is left out.

    Raises:
      DataError: no files, or of several kinds, or with different columns; none that can be read.
      BadFileError: one that cannot be read, unless it is left out.
    """
    if on_bad_file not in ON_BAD_FILE:
        raise unknown_name("on_bad_file", on_bad_file, ON_BAD_FILE)
    kind, paths = list_files(where)
    indices, marks, skipped = [], [], {}
    for path, found in zip(paths, _READERS[kind].index_files(paths), strict=True):
        try:
            index, mark = _whole(found, path), _mark(path)
        except BadFileError as error:
            if on_bad_file == "stop":
                advice = "Give on_bad_file='skip' (--on-bad-file skip) to leave such files out."
                raise BadFileError(f"{error} {advice}") from error
            skipped[str(path)] = str(error)
            warn(f"left out: {error}")
            continue
        indices.append(index)
        marks.append(mark)
        _check_like(indices[0], index)
    if not indices:
        raise DataError(f"{shown_place(where)}: none of {len(paths)} files can be read.")
    return Files(shown_place(where), kind, tuple(indices), tuple(marks), skipped)


def _whole(found: FileIndex | BadFileError, path: Path) -> FileIndex:
    if isinstance(found, BadFileError):
        is_empty = path.is_file() and not path.stat().st_size
        raise BadFileError(f"{path}: the file is empty.") if is_empty else found
    return found


def _mark(path: Path) -> Mark:
    try:
        return Mark.of(path)
    except OSError as error:
        raise BadFileError(f"{path}: cannot be read ({error.strerror or error}).") from error


def _check_like(first: FileIndex, other: FileIndex) -> None:
    """Raises DataError for other columns, or columns of another type, than the first file has."""
    for name in other.names:
        if name not in first.names:
            raise DataError(
                f"{other.path}: has a column {name!r}, which {first.path} has not "
                f"({', '.join(first.names)}). All files need equal columns."
            )
    for name in first.names:
        if name not in other.names:
            raise DataError(f"{other.path}: has no column {name!r}, as {first.path} has.")
    if first.names != other.names:
        place = next(
            k for k, pair in enumerate(zip(first.names, other.names, strict=True)) if len(set(pair)) > 1
        )
        raise DataError(
            f"{other.path}: column {place + 1} is {other.names[place]!r}, expected {first.names[place]!r} as "
            f"in {first.path}."
        )
    for name, kind, expected in zip(first.names, other.types, first.types, strict=bool(first.types)):
        if kind != expected:
            raise DataError(
                f"{other.path}, column {name!r}: is {kind}, expected {expected} as in {first.path}. Write "
                "the files with equal types."
            )
