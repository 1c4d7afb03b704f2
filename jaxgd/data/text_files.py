"""CSV and TSV: strict about shape and encoding, and a column's type comes from all of its cells."""

import csv
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from jaxgd.data import cells
from jaxgd.data.errors import DataError
from jaxgd.data.table import check_names

_ROWS_AT_ONCE = 65_536


def read_text(path: Path, separator: str) -> dict[str, np.ndarray]:
    """The columns of a text file whose first line names them.

    Raises:
      DataError: not UTF-8, no header, a line with more or fewer fields than the header, quotes that do not
        match.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            return _read_stream(csv.reader(stream, delimiter=separator, strict=True), path, separator)
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: expected UTF-8 text, got byte {error.object[error.start]:#04x}.") from error


def _read_stream(reader: Any, path: Path, separator: str) -> dict[str, np.ndarray]:
    rows = _rows(reader, path)
    names = [name.strip() for name in next(rows, [])]
    check_header(names, path, separator)
    columns = _columns_of_text(_checked_rows(rows, len(names), reader, path), len(names))
    if not len(columns[0]):
        raise DataError(f"{path}: a header and no rows.")
    return {name: typed(column) for name, column in zip(names, columns, strict=True)}


def _rows(reader: Any, path: Path) -> Iterator[list[str]]:
    """The rows of fields, without blank lines."""
    try:
        yield from (row for row in reader if row)
    except csv.Error as error:
        raise DataError(f"{path}, line {reader.line_num}: {error}.") from error


def _checked_rows(rows: Iterator[list[str]], width: int, reader: Any, path: Path) -> Iterator[list[str]]:
    """The same rows. Raises DataError at the first whose width is not the header's."""
    for row in rows:
        if len(row) != width:
            raise DataError(
                f"{path}, line {reader.line_num}: {len(row)} fields, expected {width} as in the header."
            )
        yield row


def check_header(names: list[str], path: Path, separator: str) -> None:
    """Raises DataError for a header that does not name the columns."""
    if any("\0" in name for name in names):
        raise DataError(f"{path}: expected text, got binary data.")
    if not names:
        raise DataError(f"{path}: only blank lines, expected a header and rows.")
    check_names(names, f"{path}, header")
    if len(names) == 1 and any(mark in names[0] for mark in ",;\t"):
        raise DataError(f"{path}, header: expected names separated by {separator!r}, got {names[0][:60]!r}.")
    counted = names == [str(place) for place in range(len(names))]
    if all(cells.is_number(name) for name in names) and not counted:
        raise DataError(
            f"{path}, header: expected the names of columns, got numbers ({', '.join(names[:3])})."
        )


def _columns_of_text(rows: Iterator[list[str]], width: int) -> list[Any]:
    """One polars series of text a column, filled some rows at a time to keep few Python strings alive."""
    import polars as pl

    parts: list[list[Any]] = [[pl.Series([], dtype=pl.String)] for _ in range(width)]
    while block := list(islice(rows, _ROWS_AT_ONCE)):
        for column, fields in zip(parts, zip(*block, strict=True), strict=True):
            column.append(pl.Series(fields, dtype=pl.String))
    return [pl.concat(column) for column in parts]


def clean(column: Any) -> Any:
    """A polars series of text without the blanks around cells, null for those that say they are missing."""
    column = column.str.strip_chars()
    return column.set(column.is_in(cells.MISSING_MARKERS), None)


def typed(column: Any) -> np.ndarray:
    """bool, int64 or float64 where every present cell is one; else text."""
    column = clean(column)
    present = column.drop_nulls()
    if present.str.contains(cells.NUMBER).all() and not present.str.contains(cells.LEADING_ZERO).any():
        return _numbers(column, present)
    if len(present) == len(column) and present.str.to_lowercase().is_in(["true", "false"]).all():
        return (present.str.to_lowercase() == "true").to_numpy()
    return np.array(column.to_list(), dtype=object)


def _numbers(column: Any, present: Any) -> np.ndarray:
    """int64 where all cells are integers that fit and none is missing, else float64 with NaN for missing."""
    import polars as pl

    if len(present) == len(column) and column.str.contains(cells.INTEGER).all():
        whole = column.cast(pl.Int64, strict=False)
        if not whole.has_nulls():
            return whole.to_numpy()
    return column.cast(pl.Float64).fill_null(float("nan")).to_numpy()
