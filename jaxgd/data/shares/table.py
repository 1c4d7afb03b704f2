"""`SharedTable`: the rows of a file that this process has read, and what all processes know of the rest."""

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from jaxgd.data.errors import DEFAULT_MAX_BYTES, DataError
from jaxgd.data.reading import read
from jaxgd.data.shares.files import (
    NpyShare,
    ParquetShare,
    Process,
    ShareFile,
    TextShare,
    UndividedError,
    sample_of,
)
from jaxgd.data.streams.kinds import BOOL, FLOAT, INT, TEXT, as_kind, common_kind, kind_of
from jaxgd.data.table import Table, fingerprint_of
from jaxgd.data.text_files import typed

SMALLEST = 2**20
"""Bytes below which every process reads a file whole: to divide it would cost more."""

_OPENERS: dict[str, Any] = {
    ".npy": NpyShare,
    ".parquet": ParquetShare,
    ".csv": lambda path, process: TextShare(path, process, ","),
    ".tsv": lambda path, process: TextShare(path, process, "\t"),
}


@dataclass(eq=False)
class SharedTable:
    """A file of which this process has read its share.

    Attributes:
      own: the rows of this process; its columns are of the kinds that all rows together have.
      first: the number of the first of them.
      num_rows, names, source, format, fingerprint: of the whole table, as `Table` has them.
      kinds: {column: kind}.
    """

    own: Table
    first: int
    num_rows: int
    names: tuple[str, ...]
    source: str
    format: str
    fingerprint: str
    kinds: dict[str, str]
    process: Process = field(repr=False)
    file: ShareFile = field(repr=False)

    @property
    def rows_read(self) -> int:
        """How many rows this process has made into columns so far."""
        return self.file.rows_read

    def take(self, rows: np.ndarray) -> Table:
        """Some rows of the file, int64 in increasing order; those that others have read are read here too.

        Raises:
          DataError, OSError: they cannot be read.
        """
        stop = self.first + self.own.num_rows
        before, behind = rows[rows < self.first], rows[rows >= stop]
        inside = rows[(rows >= self.first) & (rows < stop)]
        parts = [self._read_again(before), self._read_again(behind)]
        if len(inside):
            parts.insert(1, self.own.take(inside - self.first))
        return _one_table([each for each in parts if each is not None])

    def _read_again(self, rows: np.ndarray) -> Table | None:
        if not len(rows):
            return None
        first, stop = int(rows[0]), int(rows[-1]) + 1
        found = {name: _as(column, self.kinds[name]) for name, column in self.file.read(first, stop).items()}
        return Table.from_columns(found, self.source, self.format).take(rows - first)


def read_shared(path_or_name: str | os.PathLike[str], process: Process) -> Table | SharedTable:
    """The share of a process; a whole table where that is small, or of a kind that cannot be read in parts.

    All processes must call it. Text that cannot be cut where its rows end is read whole by all of them.

    Raises:
      DataError: as `data.read`, the limit being that of a share; a file that is not what the others have.
    """
    path = Path(path_or_name)
    if path.suffix.lower() not in _OPENERS:
        return read(path_or_name)
    try:
        return _read_divided(path, process)
    except UndividedError as error:
        if path.stat().st_size > DEFAULT_MAX_BYTES:
            raise DataError(str(error)) from error
        return read(path)
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error}).") from error
    except MemoryError as error:
        raise DataError(f"{path}: does not fit in memory. Start more processes.") from error


def _read_divided(path: Path, process: Process) -> Table | SharedTable:
    """Raises as `read_shared`; UndividedError in all processes, OSError, MemoryError."""
    size = path.stat().st_size if path.is_file() else None
    _check_alike(path, process, "no file" if size is None else f"{size:,} bytes")
    if size is None or size < SMALLEST:
        return read(path)
    _check_alike(path, process, sample_of(path))
    file = _OPENERS[path.suffix.lower()](path, process)
    if min(each[1] - each[0] for each in process.exchange(file.own)) < 1:
        return read(path)
    return _agreed(path, process, file, file.read(*file.own))


def _check_alike(path: Path, process: Process, found: str) -> None:
    """Raises DataError for a file of which another thing is found than by process 0."""
    everybody = process.exchange(found)
    for number, each in enumerate(everybody):
        if each != everybody[0]:
            raise DataError(
                f"{path}: process {number} has another file ({each}) than process 0 ({everybody[0]}). Give "
                "all of them the same one."
            )


def _agreed(path: Path, process: Process, file: ShareFile, found: dict[str, Any]) -> SharedTable:
    """The share, its columns as what all shares make of them."""
    suffix = path.suffix.lower().removeprefix(".")
    first, stop = file.own
    source = f"{path}, rows {first + 1:,} to {stop:,}"
    plain = {name: typed(each) if _is_text(each) else each for name, each in found.items()}
    table = Table.from_columns(plain, source, suffix)
    all_kinds = process.exchange([kind_of(column) for column in table.columns])
    kinds: dict[str, str] = {}
    for of_one in all_kinds:
        pairs = zip(table.names, of_one, strict=True)
        kinds |= {name: common_kind(kinds.get(name), kind) for name, kind in pairs}
    if any(kind_of(table[name]) != kind for name, kind in kinds.items()):
        table = Table.from_columns({n: _as(each, kinds[n]) for n, each in found.items()}, source, suffix)
    sums = process.exchange(table.column_sums(first))
    fingerprint = fingerprint_of(table.names, table.kinds, file.num_rows, sums)
    whole = (file.num_rows, table.names, str(path), suffix, fingerprint)
    return SharedTable(table, first, *whole, kinds, process, file)


def _is_text(column: Any) -> bool:
    return not isinstance(column, np.ndarray)


def _as(column: Any, kind: str) -> np.ndarray:
    """Cells as the kind that the column has in all rows together."""
    if _is_text(column):
        return as_kind(column, kind)
    if kind == TEXT and column.dtype == bool:  # with gaps in another share, where it is text
        return np.where(column, "true", "false").astype(object)
    return column.astype({INT: np.int64, FLOAT: np.float64, BOOL: np.bool_}[kind]) if kind != TEXT else column


def _one_table(parts: list[Table]) -> Table:
    """Rows of one table after the other."""
    first = parts[0]
    if len(parts) == 1:
        return first
    columns = {name: np.concatenate([each[name] for each in parts]) for name in first.names}
    return Table.from_columns(columns, first.source, first.format)
