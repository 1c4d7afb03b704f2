"""What a table's column means: numbers, categories, gaps. Every error names the column and where it is."""

from collections.abc import Sequence

import numpy as np

from jaxgd.data import cells
from jaxgd.data.errors import DataError
from jaxgd.data.table import Table, is_missing, is_numeric

UNKNOWN, ABSENT = -1, -2
"""The codes of a category that is not in a list, and of a missing cell."""

MOSTLY_NUMBERS = 0.9
"""From this share of numbers on, a column of text is taken for numbers with mistakes in them."""


def place(table: Table, name: str, row: int | None = None) -> str:
    """How messages say where a column, or a cell of it, is. Rows are counted from 1, without the header."""
    return f"{table.source}, column {name!r}" + ("" if row is None else f", row {row + 1}")


def check_present(table: Table, name: str, advice: str = "") -> None:
    """Raises DataError where cells of a column are missing."""
    missing = is_missing(table[name])
    if missing.any():
        first, count = int(np.argmax(missing)) + 1, int(missing.sum())
        message = f"{place(table, name)}: {count} missing of {table.num_rows} (the first in row {first})."
        raise DataError(f"{message} {advice}".rstrip())


def numbers(table: Table, name: str) -> np.ndarray:
    """float64[rows], NaN for missing. Raises DataError for text, infinite values, values beyond float32."""
    column = table[name]
    if column.dtype == object:
        values = _parse(table, name)
    elif is_numeric(column):
        values = column.astype(np.float64)
    else:
        raise DataError(f"{place(table, name)}: expected numbers, got {str(column[0]).lower()}.")
    _check_range(table, name, values)
    return values


def check_not_mostly_numbers(table: Table, name: str) -> None:
    """Raises DataError for a column of text in which nearly all cells are numbers: a few are mistakes."""
    column = table[name]
    if column.dtype != object:
        return
    present = [cell for cell in column if cell is not None]
    wrong = [cell for cell in present if not cells.is_number(cell)]
    coded = any(cells.has_leading_zero(cell) for cell in present)
    if not wrong or coded or len(present) - len(wrong) < MOSTLY_NUMBERS * len(present):
        return
    row = column.tolist().index(wrong[0])
    right = f"a number as in {len(present) - len(wrong)} of {len(present)} cells"
    advice = f"If these are categories, give categories=[{name!r}] (--category {name})."
    raise DataError(f"{place(table, name, row)}: expected {right}, got {_short(wrong[0])}. {advice}")


def category_names(table: Table, name: str) -> list[str]:
    """The distinct categories of a column, numbers by value and then text."""
    raw, _ = _distinct(table, name)
    return sorted({cell for cell in raw if cell is not None}, key=cells.category_order)


def category_codes(table: Table, name: str, categories: Sequence[str]) -> np.ndarray:
    """int64[rows]: the place of each cell in `categories`, or `UNKNOWN`, or `ABSENT`."""
    raw, inverse = _distinct(table, name)
    lookup: dict[str | None, int] = {category: code for code, category in enumerate(categories)}
    lookup[None] = ABSENT
    return np.array([lookup.get(cell, UNKNOWN) for cell in raw], dtype=np.int64)[inverse]


def _distinct(table: Table, name: str) -> tuple[list[str | None], np.ndarray]:
    """The names of a column's distinct cells (None for missing), and for each row the place of its own."""
    column = table[name]
    if column.dtype == object:
        raw = list(dict.fromkeys(column.tolist()))
        places = {cell: code for code, cell in enumerate(raw)}
        inverse = np.fromiter((places[cell] for cell in column.tolist()), dtype=np.int64, count=len(column))
    else:
        values, inverse = np.unique(column, return_inverse=True)
        raw = [None if cell != cell else cell for cell in values.tolist()]
    _check_finite(table, name)
    return [None if cell is None else cells.category_name(cell) for cell in raw], inverse


def _parse(table: Table, name: str) -> np.ndarray:
    """float64[rows] of a column of text. Raises DataError at the first cell that is no number."""
    values = np.full(table.num_rows, np.nan)
    for row, cell in enumerate(table[name]):
        if cell is not None and not cells.is_number(cell):
            raise DataError(f"{place(table, name, row)}: expected a number, got {_short(cell)}.")
        if cell is not None:
            values[row] = float(cell)
    return values


def _check_finite(table: Table, name: str) -> None:
    column = table[name]
    if column.dtype.kind == "f" and np.isinf(column).any():
        _raise_infinite(table, name, column)


def _check_range(table: Table, name: str, values: np.ndarray) -> None:
    if np.isinf(values).any():
        _raise_infinite(table, name, values)
    too_large = np.abs(values) > np.finfo(np.float32).max
    if too_large.any():
        row, count = int(np.argmax(too_large)), int(too_large.sum())
        where = place(table, name, row)
        raise DataError(f"{where}: {values[row]:g} is too large for float32 ({count} such cells).")


def _raise_infinite(table: Table, name: str, values: np.ndarray) -> None:
    infinite = np.isinf(values)
    row = int(np.argmax(infinite))
    raise DataError(
        f"{place(table, name)}: {int(infinite.sum())} infinite values (the first in row {row + 1})."
    )


def _short(text: str) -> str:
    return repr(text if len(text) <= 60 else text[:57] + "...")
