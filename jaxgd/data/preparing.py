"""`prepare`: from a table to x, y and the encoding that treats later rows alike."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from jaxgd.data import columns
from jaxgd.data.encoding import Encoding
from jaxgd.data.encoding_column import MISSING, EncodingColumn
from jaxgd.data.errors import DataError, unknown
from jaxgd.data.table import Table, is_missing, is_numeric
from jaxgd.data.targets import MAX_CLASSES, analyse_target, choose_target, integers_again, too_many

_GAP_ADVICE = "Give missing='mean' or missing='drop' (--missing mean, --missing drop), or fill them."


@dataclass(frozen=True, eq=False)
class Prepared:
    """Arrays to train on, and how they were made.

    Attributes:
      x: float32[rows, features], raw numbers (nothing is standardised) and categories as 0 or 1.
      y: [rows], float32 for a regression, else int32 labels.
      encoding: how later rows become the same features, and predictions values or class names.
      rows: int64[rows], the rows of the table that were kept; all of them unless `missing="drop"`.

    >>> prepared = prepare(Table.from_columns({"size": [1, 2, 3], "price": [0.5, 1.5, 2.5]}))
    >>> prepared.x.shape, prepared.y.tolist()
    ((3, 1), [0.5, 1.5, 2.5])
    """

    x: np.ndarray
    y: np.ndarray
    encoding: Encoding
    rows: np.ndarray


def prepare(
    table: Table,
    target: str | None = None,
    task: str | None = None,
    missing: str = "error",
    *,
    categories: Collection[str] = (),
    exclude: Collection[str] = (),
    dtype: Any = np.float32,
) -> Prepared:
    """The features and the target of a table.

    A number is one feature, as it is. Text and bools are categories: one feature, 0 or 1, for each that
    occurs.

    The target, unless named: a column called target, label, class or y (in this order, in upper or lower
    case), else the last column. The task, unless given: text and bools are classes; so are integers with at
    most 20 distinct values that are met twice each on average (or two values only), and numbers that are
    0.0 and 1.0 alone; other numbers are a regression. Two classes are `binary`, more are `multiclass`; the
    labels are places in the sorted list of classes.

    Args:
      table: at least one column besides the target.
      target: the column to predict.
      task: `regression`, `binary` or `multiclass`, whatever the target's values suggest.
      missing: `error` refuses missing cells; `mean` puts a column's mean for a missing number and zeros for a
        missing category, but needs every target; `drop` leaves out rows with any.
      categories: columns that are categories although they hold numbers.
      exclude: columns that are left out.
      dtype: of the features, and of a regression's target.

    Returns:
      x [rows, features]; y [rows], int32 for classes; the encoding; the rows kept.

    Raises:
      DataError: the target, a column of `categories` or `exclude`, or an option is unknown; missing cells;
        infinite numbers, or ones too large for float32; text among numbers (nine cells of ten or more being
        numbers); more than 1000 categories in a column; a constant target or a single class; labels beyond
        int32, and negative ones in NPZ and NPY files; nothing left.

    >>> table = Table.from_columns({"color": ["red", "blue", "red"], "ripe": ["yes", "no", "yes"]})
    >>> prepared = prepare(table)
    >>> prepared.x.tolist(), prepared.y.tolist(), prepared.encoding.classes
    ([[0.0, 1.0], [1.0, 0.0], [0.0, 1.0]], [1, 0, 1], ('no', 'yes'))
    """
    if missing not in MISSING:
        raise unknown("way with missing cells", missing, MISSING, "missing")
    name = choose_target(table, target)
    features = feature_names(table, name, categories, exclude)
    table, rows = _kept(table, name, features, missing)
    analysed = analyse_target(table, name, task)
    fitted = tuple(_fit(table, feature, feature in categories, missing) for feature in features)
    encoding = Encoding(fitted, name, analysed.task, analysed.classes, missing)
    return Prepared(encoding.encode(table, dtype), encoding.encode_target(table, dtype), encoding, rows)


def feature_names(
    table: Table, target: str, categories: Collection[str], exclude: Collection[str]
) -> list[str]:
    """The names of the feature columns, in the table's order."""
    for option, names in (("categories", categories), ("exclude", exclude)):
        for name in names:
            if name not in table:
                raise unknown(f"column in {option}", name, table.names, table.source)
    features = [name for name in table.names if name != target and name not in exclude]
    if target in exclude:
        raise DataError(f"{table.source}: the target {target!r} is excluded.")
    if not features:
        raise DataError(f"{table.source}: no column besides the target {target!r}.")
    return features


def _kept(table: Table, target: str, features: list[str], missing: str) -> tuple[Table, np.ndarray]:
    """The rows to use and their numbers; a target of integers is one again once its gaps are gone."""
    rows = np.arange(table.num_rows)
    if missing == "drop":
        gaps = np.logical_or.reduce([is_missing(table[name]) for name in (target, *features)])
        rows = np.flatnonzero(~gaps)
    if not len(rows):
        raise DataError(f"{table.source}: every row has a missing cell, none is left.")
    _check_gaps(table, target, features, missing)
    if len(rows) == table.num_rows:
        return table, rows
    kept = table.take(rows)
    return _with_column(kept, target, integers_again(kept[target], table[target])), rows


def _check_gaps(table: Table, target: str, features: list[str], missing: str) -> None:
    if missing == "error":
        for name in (target, *features):
            columns.check_present(table, name, _GAP_ADVICE)
    if missing == "mean":
        columns.check_present(
            table, target, "A target has no stand-in: give missing='drop' (--missing drop)."
        )


def _with_column(table: Table, name: str, column: np.ndarray) -> Table:
    pairs = zip(table.names, table.columns, strict=True)
    return replace(table, columns=tuple(column if other == name else old for other, old in pairs))


def _fit(table: Table, name: str, is_category: bool, missing: str) -> EncodingColumn:
    """How one feature column is encoded."""
    if is_missing(table[name]).all():
        raise DataError(f"{columns.place(table, name)}: every cell is missing. Give exclude=[{name!r}].")
    if not is_category:
        columns.check_not_mostly_numbers(table, name)
    if is_numeric(table[name]) and not is_category:
        values = columns.numbers(table, name)
        return EncodingColumn(name, "number", mean=float(np.nanmean(values)) if missing == "mean" else None)
    categories = columns.category_names(table, name)
    if len(categories) > MAX_CLASSES:
        raise DataError(
            f"{columns.place(table, name)}: {too_many(categories)} categories, expected at most "
            f"{MAX_CLASSES}. An identifier is no feature: give exclude=[{name!r}]."
        )
    return EncodingColumn(name, "category", tuple(categories))
