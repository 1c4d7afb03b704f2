"""CSV and TSV files: cut into blocks at the ends of rows, every row's fields counted, in bounded memory."""

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from jaxgd.data.errors import DataError
from jaxgd.data.streams.index import BadFileError, FileIndex, Place
from jaxgd.data.streams.text_numbers import as_numbers, number_types, says_what_it_means
from jaxgd.data.text_files import check_header, clean

_BLOCK_BYTES = 8 * 2**20
_LONGEST_ROW = 64 * 2**20
_BOM = b"\xef\xbb\xbf"
_QUOTE, _NEWLINE, _RETURN = 34, 10, 13


@dataclass(frozen=True)
class TextFiles:
    """Files of one separator."""

    separator: str

    def index_files(self, paths: Sequence[Path]) -> Iterator[FileIndex | BadFileError]:
        """The columns of each file and where its blocks begin, or what is wrong with it."""
        for path in paths:
            try:
                yield self._index(path)
            except DataError as error:
                yield BadFileError(str(error))
            except OSError as error:
                yield BadFileError(f"{path}: cannot be read ({error.strerror or error}).")

    def read_columns(
        self, path: Path, index: FileIndex, place: Place, names: Sequence[str]
    ) -> dict[str, Any]:
        """{name: polars series of text [rows], null for missing} of a block."""
        import polars as pl

        try:
            frame = self._parsed(path, index, place, dict.fromkeys(names, pl.String))
        except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
            reason = (str(error).splitlines() or [""])[0][:200]
            raise BadFileError(f"{path}, {place.shown()}: cannot be read ({reason}).") from error
        if len(frame) != place.rows:
            raise BadFileError(f"{path}, {place.shown()}: {len(frame)} rows, expected {place.rows}.")
        return {name: clean(frame[name]) for name in names}

    def read_likely(
        self, path: Path, index: FileIndex, place: Place, names: Sequence[str], likely: Mapping[str, str]
    ) -> dict[str, Any] | None:
        """As `read_columns`, but arrays of numbers for columns that are `likely` int or float.

        None if they are not for certain what the slow way over words would find.
        """
        import polars as pl

        types = number_types({name: kind for name, kind in likely.items() if name in names})
        if not types or not says_what_it_means(self._data(path, place), self.separator):
            return None
        try:
            frame = self._parsed(path, index, place, {**dict.fromkeys(names, pl.String), **types})
        except (pl.exceptions.PolarsError, pl.exceptions.PanicException):
            return None
        if len(frame) != place.rows:
            return None
        return {name: as_numbers(frame[name]) if name in types else clean(frame[name]) for name in names}

    def read_plain(
        self, path: Path, index: FileIndex, place: Place, kinds: Mapping[str, str], beside: Sequence[str]
    ) -> tuple[np.ndarray, dict[str, Any]] | None:
        """The columns of `kinds` as numbers [rows, columns], those beside as `read_columns` gives them.

        None if the parser of numbers does not take a cell, which says little about it: blanks around it
        or quotes are enough.
        """
        import polars as pl

        types = number_types(kinds)
        try:
            frame = self._parsed(path, index, place, {**types, **dict.fromkeys(beside, pl.String)})
        except (pl.exceptions.PolarsError, pl.exceptions.PanicException):
            return None
        if len(frame) != place.rows:
            return None
        return frame.select(list(kinds)).to_numpy(), {name: clean(frame[name]) for name in beside}

    def _parsed(self, path: Path, index: FileIndex, place: Place, types: Mapping[str, Any]) -> Any:
        """A polars frame of the columns of `types`. Raises what polars raises."""
        import polars as pl

        return pl.read_csv(
            io.BytesIO(self._without_blank_lines(self._data(path, place), path, place)),
            has_header=False,
            columns=[index.names.index(name) for name in types],
            schema={name: types.get(name, pl.String) for name in index.names},
            separator=self.separator,
        )

    def _data(self, path: Path, place: Place) -> bytes:
        with path.open("rb") as stream:
            stream.seek(place.offset)
            return stream.read(place.size)

    def header(self, path: Path) -> tuple[tuple[str, ...], int]:
        """The names of the columns, and where the first row begins. Raises BadFileError, OSError."""
        with path.open("rb") as stream:
            return self._header(stream, path)

    def quotes(self, path: Path, start: int, stop: int) -> int:
        """How many quotes stand between two places of a file."""
        return sum(block.count(_QUOTE.to_bytes()) for block in _blocks(path, start, stop))

    def next_row(self, path: Path, place: int, quoted: bool) -> int:
        """Where the next row begins behind a place; the end of the file if none does.

        Args:
          quoted: whether the place is inside of a field in quotes.
        """
        for block in _blocks(path, place, path.stat().st_size):
            data = np.frombuffer(block, np.uint8)
            before = np.searchsorted(np.flatnonzero(data == _QUOTE), np.flatnonzero(data == _NEWLINE))
            outside = np.flatnonzero(data == _NEWLINE)[(before + quoted) % 2 == 0]
            if len(outside):
                return place + int(outside[0]) + 1
            place, quoted = place + len(block), (block.count(_QUOTE.to_bytes()) + quoted) % 2 == 1
        return place

    def places(self, path: Path, start: int, stop: int, width: int, size: int) -> tuple[Place, ...]:
        """Blocks of whole rows, of about so many bytes, between two places of a file.

        Rows are counted from the first one.
        """
        with path.open("rb") as stream:
            return tuple(self._places(stream, start, width, path, stop, min(size, _BLOCK_BYTES)))

    def _index(self, path: Path) -> FileIndex:
        with path.open("rb") as stream:
            names, start = self._header(stream, path)
            places = tuple(self._places(stream, start, len(names), path))
        if not places:
            raise BadFileError(f"{path}: a header and no rows.")
        return FileIndex(path, names, (), places)

    def _header(self, stream: Any, path: Path) -> tuple[tuple[str, ...], int]:
        """The names of the columns, and where the first row begins."""
        head = stream.read(_BLOCK_BYTES)
        skipped = len(_BOM) if head.startswith(_BOM) else 0
        while head[skipped : skipped + 1] in (b"\n", b"\r"):
            skipped += 1
        ends = self._row_ends(np.frombuffer(head[skipped:], np.uint8), path, 0)[0]
        stop = skipped + (int(ends[0]) + 1 if len(ends) else len(head) - skipped)
        try:
            line = head[skipped:stop].decode("utf-8")
        except UnicodeDecodeError as error:
            raise BadFileError(f"{path}: expected UTF-8 text in the header ({error}).") from error
        rows = csv.reader(io.StringIO(line, newline=""), delimiter=self.separator, strict=True)
        try:
            names = [name.strip() for name in next(rows, [])]
            if next(rows, None):
                raise BadFileError(f"{path}, header: ends in a carriage return alone. End lines with \\n.")
        except csv.Error as error:
            raise BadFileError(f"{path}, header: {error}.") from error
        check_header(names, path, self.separator)
        return tuple(names), stop

    def _places(
        self,
        stream: Any,
        start: int,
        width: int,
        path: Path,
        last: int | None = None,
        at_once: int | None = None,
    ) -> Iterator[Place]:
        """Blocks of whole rows, in order, up to a place or the end."""
        first, group, rest = 0, 0, b""
        stream.seek(start)
        while True:
            most = at_once or _BLOCK_BYTES
            most = most if last is None else min(most, last - stream.tell())
            more = stream.read(most)
            data = rest + more
            if not more and data and not data.endswith(b"\n"):
                data += b"\n"  # the last line has no end of its own
            if not data:
                return
            ends, separators = self._row_ends(np.frombuffer(data, np.uint8), path, first)
            if not len(ends):
                if not more or len(data) > _LONGEST_ROW:
                    raise BadFileError(f"{path}, row {first + 1:,}: a quote that is never closed.")
                rest = data
                continue
            size = int(ends[-1]) + 1
            rows = self._checked_rows(data[:size], ends, separators, width, path, first)
            if rows:
                yield Place(first, rows, group, start, min(size, stream.tell() - start))
            first, group, start, rest = first + rows, group + 1, start + size, data[size:]
            if not more:
                return

    def _row_ends(self, data: np.ndarray, path: Path, first: int) -> tuple[np.ndarray, np.ndarray]:
        """Where rows end, and where fields do; what stands in quotes ends neither."""
        newlines = np.flatnonzero(data == _NEWLINE)
        separators = np.flatnonzero(data == ord(self.separator))
        quotes = np.flatnonzero(data == _QUOTE)
        if not len(quotes):
            return newlines, separators
        self._check_quotes(data, quotes, path, first)
        outside = [np.searchsorted(quotes, places) % 2 == 0 for places in (newlines, separators)]
        return newlines[outside[0]], separators[outside[1]]

    def _check_quotes(self, data: np.ndarray, quotes: np.ndarray, path: Path, first: int) -> None:
        """Raises BadFileError for a quote in the middle of a field."""
        around = (ord(self.separator), _NEWLINE, _RETURN, _QUOTE)
        opening, closing = quotes[::2], quotes[1::2]
        before = np.where(opening > 0, data[opening - 1], _NEWLINE)
        after = data[np.minimum(closing + 1, len(data) - 1)]
        after = np.where(closing + 1 < len(data), after, _NEWLINE)
        if not (np.isin(before, around).all() and np.isin(after, around).all()):
            raise BadFileError(f"{path}, after row {first:,}: a quote in the middle of a field.")

    def _checked_rows(
        self, data: bytes, ends: np.ndarray, separators: np.ndarray, width: int, path: Path, first: int
    ) -> int:
        """How many rows end at `ends`. Raises BadFileError for one whose width is not the header's."""
        counts = np.diff(np.searchsorted(separators, ends), prepend=0)
        starts = np.concatenate([[0], ends[:-1] + 1])
        lengths = ends - starts
        raw = np.frombuffer(data, np.uint8)
        blank = (lengths == 0) | ((lengths == 1) & (raw[starts] == _RETURN))
        wrong = ~blank & (counts != width - 1)
        if wrong.any():
            at = int(np.argmax(wrong))
            row = first + int((~blank[:at]).sum()) + 1
            raise BadFileError(
                f"{path}, row {row:,}: {counts[at] + 1} fields, expected {width} as in the header."
            )
        return int((~blank).sum())

    def _without_blank_lines(self, data: bytes, path: Path, place: Place) -> bytes:
        """What the reader of rows would take for rows of one empty cell; those in quotes stay."""
        if data.count(b"\n") == place.rows:
            return data
        ends = self._row_ends(np.frombuffer(data, np.uint8), path, place.first)[0].tolist()
        bounds = [0, *(end + 1 for end in ends), len(data)]
        rows = (data[start:stop] for start, stop in pairwise(bounds))
        return b"".join(row for row in rows if row.strip(b"\r\n"))


def _blocks(path: Path, start: int, stop: int) -> Iterator[bytes]:
    """The bytes between two places of a file, some at a time."""
    with path.open("rb") as stream:
        stream.seek(start)
        while start < stop and (block := stream.read(min(_BLOCK_BYTES, stop - start))):
            yield block
            start += len(block)
