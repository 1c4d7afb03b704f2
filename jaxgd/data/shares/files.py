"""Files of which rows can be read alone: how many there are, which are this process's, and any of them."""

import hashlib
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from jaxgd.data.errors import DEFAULT_MAX_BYTES, DataError, check_bytes
from jaxgd.data.parquet import read_parquet
from jaxgd.data.streams import npy_files
from jaxgd.data.streams.index import BadFileError, FileIndex, Place
from jaxgd.data.streams.parquet_index import RefusedError, row_groups
from jaxgd.data.streams.text_files import TextFiles
from jaxgd.data.sums import Exchange

_SAMPLES, _SAMPLE_BYTES = 256, 4096
_BLOCKS, _SMALLEST_BLOCK = 64, 1024
"""Of a share of text: blocks are parsed whole, and who wants a few rows of one should not parse much."""


class Process(NamedTuple):
    """Which of how many processes this is, and how they tell each other what they found."""

    number: int
    processes: int
    exchange: Exchange

    def share(self, total: int) -> tuple[int, int]:
        """The first of `total` things that is this process's, and the first that is no longer."""
        return total * self.number // self.processes, total * (self.number + 1) // self.processes


class UndividedError(Exception):
    """Text that is not cut at the ends of its rows, or that is damaged: who reads it whole finds out."""


class ShareFile(ABC):
    """A file whose rows can be read alone.

    Attributes:
      num_rows: of the file.
      own: the first row of this process, and the first that is no longer its own.
      rows_read: how many rows this process has made into columns, those that it dropped again included.
    """

    num_rows: int
    own: tuple[int, int]
    rows_read: int = 0

    @abstractmethod
    def read(self, first: int, stop: int) -> dict[str, Any]:
        """{name: column} of some rows: arrays, or of text polars series in which missing cells are null.

        Raises:
          DataError, OSError: they cannot be read.
        """


class NpyShare(ShareFile):
    """Rows of an NPY file, read by position. Raises DataError for a damaged file, or too large a share."""

    def __init__(self, path: Path, process: Process) -> None:
        (found,) = npy_files.index_files([path])
        if isinstance(found, BadFileError):
            raise found
        self.index, self.num_rows = found, sum(place.rows for place in found.places)
        self.own = process.share(self.num_rows)
        cells = (self.own[1] - self.own[0]) * len(found.names)
        check_bytes(8 * cells, DEFAULT_MAX_BYTES, f"{path}, the share of process {process.number}")

    def read(self, first: int, stop: int) -> dict[str, Any]:
        self.rows_read += stop - first
        place = Place(first, stop - first, 0)
        found = npy_files.read_columns(self.index.path, self.index, place, self.index.names)
        return {name: each.astype(np.int64) if each.dtype == bool else each for name, each in found.items()}


class ParquetShare(ShareFile):
    """Rows of a Parquet file: the row groups that they are in are decoded."""

    def __init__(self, path: Path, process: Process) -> None:
        try:
            self.path, self.num_rows = path, sum(row_groups(str(path)))
        except RefusedError as error:
            raise DataError(f"{path}{error}") from error
        self.own = process.share(self.num_rows)

    def read(self, first: int, stop: int) -> dict[str, Any]:
        self.rows_read += stop - first
        return read_parquet(self.path, DEFAULT_MAX_BYTES, (first, stop))


class TextShare(ShareFile):
    """Rows of a CSV or TSV file: those that begin in this process's part of its bytes.

    Whether a line ends a row depends on the quotes before it: each process counts those of its part.

    Raises:
      UndividedError: some process could not tell its rows; all raise it.
      DataError: a share that is too large.
    """

    def __init__(self, path: Path, process: Process, separator: str) -> None:
        self.path, self.reader = path, TextFiles(separator)
        try:
            self.names, start = self.reader.header(path)
        except DataError as error:
            raise UndividedError(str(error)) from error
        size = path.stat().st_size - start
        low, high = (start + each for each in process.share(size))
        check_bytes(high - low, DEFAULT_MAX_BYTES, f"{path}, the share of process {process.number}")
        quotes = process.exchange(self.reader.quotes(path, low, high))
        quoted = sum(quotes[: process.number]) % 2 == 1
        begin = low if not process.number else self.reader.next_row(path, low, quoted)
        begins = [*process.exchange(begin), start + size]
        places = self._own_places(begins[process.number], begins[process.number + 1])
        everybody = process.exchange(places)
        refused = [each for each in everybody if isinstance(each, str)]
        if refused:
            raise UndividedError(refused[0])
        self._gather(everybody, process.number)

    def _own_places(self, begin: int, end: int) -> list[list[int]] | str:
        """The blocks of this process, or why there are none."""
        try:
            size = max((end - begin) // _BLOCKS, _SMALLEST_BLOCK)
            found = self.reader.places(self.path, begin, end, len(self.names), size) if end > begin else ()
        except DataError as error:
            return f"{error} Rows are counted from byte {begin:,} of the file."
        return [[place.rows, place.offset, place.size] for place in found]

    def _gather(self, everybody: list[list[list[int]]], number: int) -> None:
        """The blocks of all processes, with the numbers of their rows."""
        rows = [sum(place[0] for place in places) for places in everybody]
        self.num_rows, first = sum(rows), 0
        self.own = sum(rows[:number]), sum(rows[: number + 1])
        self.places = []
        for count, offset, size in (place for places in everybody for place in places):
            self.places.append(Place(first, count, len(self.places), offset, size))
            first += count

    def read(self, first: int, stop: int) -> dict[str, Any]:
        import polars as pl

        index = FileIndex(self.path, self.names, (), ())
        parts: dict[str, list[Any]] = {name: [] for name in self.names}
        for place in self.places:
            begin, end = max(first - place.first, 0), min(stop - place.first, place.rows)
            if begin < end:
                self.rows_read += place.rows
                found = self.reader.read_columns(self.path, index, place, self.names)
                for name, column in found.items():
                    parts[name].append(column[begin:end])
        return {name: pl.concat(each) for name, each in parts.items()}


def sample_of(path: Path) -> str:
    """The size of a file and a checksum of bytes spread over it: what differs if another file was given."""
    size, digest = path.stat().st_size, hashlib.sha256()
    with path.open("rb") as stream:
        for place in np.linspace(0, max(size - _SAMPLE_BYTES, 0), _SAMPLES).astype(int).tolist():
            stream.seek(place)
            digest.update(stream.read(_SAMPLE_BYTES))
    return f"{size:,} bytes, {digest.hexdigest()[:16]}"
