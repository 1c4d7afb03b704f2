"""Named columns of equal length, as NumPy arrays. Nothing here reads a file or decides what one means."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from jaxgd._row_sums import rows_sum
from jaxgd.data.errors import DataError, unknown


@dataclass(frozen=True)
class ColumnSummary:
    """What one column holds: its name, kind (`number` or `category`), counts of distinct and missing cells.

    >>> Table.from_columns({"size": [1.5, None, 1.5]}).describe()[0]
    ColumnSummary(name='size', kind='number', distinct=1, missing=1, example='1.5')
    """

    name: str
    kind: str
    distinct: int
    missing: int
    example: str


@dataclass(frozen=True, eq=False)
class Table:
    """Rows of raw data: columns of one length, with names, and where they came from.

    Attributes:
      names: the columns' names, distinct, in the order of the source.
      columns: one read-only array [num_rows] a name: float64, int64, bool, or object (str). A missing cell is
        NaN in float64 and None in object; int64 and bool have none.
      source: a description of where the rows came from, for messages.
      format: `csv`, `tsv`, `parquet`, `npz`, `npy`, `embedded` or `memory`.
      is_former: whether means and variances are sums in the order of the rows; see `as_recorded`.

    Raises:
      DataError: no rows, no columns, lengths that differ, a name that is empty or met twice.

    >>> table = Table.from_columns({"size": [1.0, 2.0], "color": ["red", None]})
    >>> table.num_rows, table.names, table["color"].tolist()
    (2, ('size', 'color'), ['red', None])
    """

    names: tuple[str, ...]
    columns: tuple[np.ndarray, ...]
    source: str = "memory"
    format: str = "memory"
    is_former: bool = False

    def __post_init__(self) -> None:
        check_names(self.names, self.source)
        if len(self.names) != len(self.columns):
            raise DataError(
                f"{self.source}: {len(self.columns)} columns, expected {len(self.names)}, one a name."
            )
        for name, column in zip(self.names, self.columns, strict=True):
            _check_length(name, column, self.columns[0], self.source)
            column.setflags(write=False)

    @classmethod
    def from_columns(
        cls, columns: Mapping[str, Any], source: str = "memory", format: str = "memory"
    ) -> "Table":
        """A table of arrays, lists or other sequences; cells of text lose the blanks around them.

        Args:
          columns: {name: values [num_rows]} of numbers, bools, or text; None (and blank text) is missing.

        Raises:
          DataError: what the class raises, or a column that is not one-dimensional numbers, bools or text.

        >>> Table.from_columns({"n": [1, 2]})["n"].dtype
        dtype('int64')
        """
        arrays = tuple(as_column(values, name, source) for name, values in columns.items())
        return cls(tuple(columns), arrays, source, format)

    @property
    def num_rows(self) -> int:
        """How many rows there are: at least one."""
        return len(self.columns[0])

    def __len__(self) -> int:
        return self.num_rows

    def __getitem__(self, name: str) -> np.ndarray:
        """The column called `name`, [num_rows]. Raises DataError with the nearest name."""
        if name not in self._places:
            raise unknown("column", name, self.names, self.source)
        return self.columns[self._places[name]]

    def __contains__(self, name: object) -> bool:
        return name in self._places

    def take(self, rows: Sequence[int] | np.ndarray) -> "Table":
        """The table of some rows, in the order given.

        Args:
          rows: int[k], each in [0, num_rows), k at least 1.

        Raises:
          DataError: no rows, or a row that there is not.

        >>> Table.from_columns({"n": [5, 6, 7]}).take([2, 0])["n"].tolist()
        [7, 5]
        """
        places = np.asarray(rows, dtype=np.int64)
        if places.size and not 0 <= places.min() <= places.max() < self.num_rows:
            raise DataError(f"{self.source}: row numbers outside [0, {self.num_rows}).")
        return replace(self, columns=tuple(column[places] for column in self.columns))

    def describe(self) -> tuple[ColumnSummary, ...]:
        """One summary a column, in order: name, kind, distinct values, missing cells, the first value.

        >>> Table.from_columns({"color": ["red", "blue"]}).describe()[0].kind
        'category'
        """
        return tuple(_summary(name, column) for name, column in zip(self.names, self.columns, strict=True))

    @cached_property
    def fingerprint(self) -> str:
        """Of names, types, values and their order, in hexadecimal: equal content, equal in every format.

        >>> Table.from_columns({"n": [1, 2]}).fingerprint[:8]
        'ceb1da6f'
        """
        return fingerprint_of(self.names, self.kinds, self.num_rows, [self.column_sums()])

    @property
    def kinds(self) -> tuple[str, ...]:
        """NumPy's letter of each column's type: f, i, b or O."""
        return tuple(column.dtype.kind for column in self.columns)

    def column_sums(self, first: int = 0) -> list[int]:
        """A checksum of each column, which those of the other rows are added to.

        Args:
          first: the number of the first row here among all rows.
        """
        return [rows_sum(_as_words(column), first) for column in self.columns]

    def is_known_as(self, fingerprint: str) -> bool:
        """Whether a fingerprint is this table's, or what an earlier version recorded as that."""
        return fingerprint == self.fingerprint or fingerprint == self._former_fingerprint

    def as_recorded(self, fingerprint: str) -> "Table":
        """The same rows for a run that knows them by this fingerprint.

        Means and variances are found as the version that recorded it found them, to the last bit: what was
        begun with them goes on.
        """
        return replace(self, is_former=fingerprint != self.fingerprint)

    @cached_property
    def _former_fingerprint(self) -> str:
        """The sha256 of all cells."""
        digest = hashlib.sha256(b"jaxgd table 1\0")
        for name, column in zip(self.names, self.columns, strict=True):
            _update_digest(digest, name, column)
        return digest.hexdigest()

    @cached_property
    def _places(self) -> dict[str, int]:
        return {name: place for place, name in enumerate(self.names)}


def fingerprint_of(
    names: Sequence[str], kinds: Sequence[str], num_rows: int, sums: Sequence[Sequence[int]]
) -> str:
    """The fingerprint of a table of which each of several parts has given its `column_sums`.

    It tells data apart that are not the same; it is no protection against who would make them so.
    """
    digest = hashlib.sha256(f"jaxgd table 2\0{num_rows}".encode())
    for name, kind, of_parts in zip(names, kinds, zip(*sums, strict=True), strict=True):
        label = name.encode()
        digest.update(f"\0{len(label)}:".encode() + label + f"{kind}{sum(of_parts) % 2**64:016x}".encode())
    return digest.hexdigest()


def _as_words(column: np.ndarray) -> np.ndarray:
    """[rows] of words of 64 bits; of text a checksum of each cell."""
    if column.dtype.kind == "f":
        return np.where(np.isnan(column), np.nan, column)
    if column.dtype != object:
        return column.astype(np.int64)
    words = {cell: _word(cell) for cell in set(column.tolist())}
    return np.fromiter((words[cell] for cell in column.tolist()), np.uint64, len(column))


def _word(cell: str | None) -> int:
    if cell is None:
        return 0
    return int.from_bytes(hashlib.blake2b(cell.encode(), digest_size=8).digest(), "little")


def check_names(names: Sequence[str], source: str) -> None:
    """Raises DataError unless the columns' names are distinct and not empty."""
    if not names:
        raise DataError(f"{source}: no columns.")
    seen: set[str] = set()
    for place, name in enumerate(names, start=1):
        if not name:
            raise DataError(f"{source}: column {place} has no name.")
        if name in seen:
            raise DataError(f"{source}: column {place} is called {name!r}, as an earlier column is.")
        seen.add(name)


def is_missing(column: np.ndarray) -> np.ndarray:
    """bool[num_rows]: which cells of a table's column hold nothing."""
    if column.dtype == object:
        return np.fromiter((cell is None for cell in column), dtype=bool, count=len(column))
    if column.dtype.kind == "f":
        return np.isnan(column)
    return np.zeros(len(column), dtype=bool)


def is_numeric(column: np.ndarray) -> bool:
    """Whether a table's column holds numbers (bools are a category)."""
    return column.dtype.kind in "if"


def as_column(values: Any, name: str, source: str) -> np.ndarray:
    """Values as one of the four kinds of array that a table holds. Raises DataError for any other."""
    column = np.asarray(values) if hasattr(values, "dtype") else _from_sequence(values, name, source)
    if column.ndim != 1:
        raise DataError(f"{source}, column {name!r}: expected one dimension, got shape {column.shape}.")
    if column.dtype.kind == "b":
        return column.astype(np.bool_)
    if column.dtype.kind in "iu":
        fits = column.dtype.kind == "i" or not column.size or column.max() <= np.iinfo(np.int64).max
        return column.astype(np.int64 if fits else np.float64)
    if column.dtype.kind == "f":
        with np.errstate(invalid="ignore"):  # a signalling NaN is one like any other
            return column.astype(np.float64)
    if column.dtype.kind in "UO":
        return _text_column(column, name, source)
    raise DataError(f"{source}, column {name!r}: expected numbers, bools or text, got {column.dtype}.")


def _from_sequence(values: Sequence[Any], name: str, source: str) -> np.ndarray:
    """A list as an array; None among numbers becomes NaN."""
    cells = list(values)
    present = [cell for cell in cells if cell is not None]
    if len(present) < len(cells) and all(isinstance(cell, int | float) for cell in present):
        cells = [float("nan") if cell is None else float(cell) for cell in cells]
    if any(isinstance(cell, str) for cell in present):
        return np.array(cells, dtype=object)
    try:
        return np.array(cells)
    except ValueError as error:
        raise DataError(f"{source}, column {name!r}: expected one value a row ({error}).") from error


def _text_column(column: np.ndarray, name: str, source: str) -> np.ndarray:
    """object[num_rows] of stripped text; blank text and None are missing."""
    cells = np.empty(len(column), dtype=object)
    for row, cell in enumerate(column.tolist()):
        if cell is not None and not isinstance(cell, str):
            kind = type(cell).__name__
            raise DataError(f"{source}, column {name!r}, row {row + 1}: expected text, got {kind}.")
        cells[row] = (cell.strip() or None) if cell is not None else None
    return cells


def _check_length(name: str, column: np.ndarray, first: np.ndarray, source: str) -> None:
    """Raises DataError unless a column has rows, and as many as the first."""
    if len(column) != len(first):
        raise DataError(f"{source}, column {name!r}: {len(column)} rows, expected {len(first)}.")
    if not len(column):
        raise DataError(f"{source}: no rows.")


def _summary(name: str, column: np.ndarray) -> ColumnSummary:
    present = column[~is_missing(column)]
    distinct = len(set(present.tolist())) if present.dtype == object else len(np.unique(present))
    example = str(present[0]) if len(present) else ""
    return ColumnSummary(
        name, "number" if is_numeric(column) else "category", distinct, len(column) - len(present), example
    )


def _update_digest(digest: Any, name: str, column: np.ndarray) -> None:
    """Adds a column, every part after its length so that no two contents run together the same way."""
    label = name.encode()
    digest.update(f"{len(label)}:".encode() + label + f"{column.dtype.kind}{len(column)}:".encode())
    if column.dtype == object:
        cells = [b"" if cell is None else cell.encode() for cell in column]
        lengths = [-1 if cell is None else len(data) for cell, data in zip(column, cells, strict=True)]
        digest.update(np.array(lengths, dtype="<i8").tobytes() + b"".join(cells))
    elif column.dtype.kind == "f":
        digest.update(np.where(np.isnan(column), np.nan, column).astype("<f8").tobytes())
    else:
        digest.update(np.ascontiguousarray(column).astype(column.dtype.newbyteorder("<")).tobytes())
