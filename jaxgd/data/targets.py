"""Which column is the target, and what there is to learn from it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from jaxgd.data import columns
from jaxgd.data.encoding_column import TASKS
from jaxgd.data.errors import DataError, unknown
from jaxgd.data.table import Table, is_missing, is_numeric

TARGET_NAMES = ("target", "label", "class", "y")
"""Names that make a column the target, the earlier before the later, in upper or lower case."""

MAX_CLASSES = 1000
"""More classes, or categories in a column, are taken for identifiers."""

EXACT_IN_FLOAT = 2.0**53
"""Up to here float64 holds every integer."""

_FEW = 20
_INT32 = np.iinfo(np.int32)


@dataclass(frozen=True)
class Target:
    """What is predicted: the column, the task, and the names of its classes (none for a regression)."""

    name: str
    task: str
    classes: tuple[str, ...]


def choose_target(table: Table, target: str | None) -> str:
    """The column to predict: the one asked for, else one that is called so, else the last.

    Raises:
      DataError: no such column; two columns whose names differ only in case; an NPZ file without y.
    """
    if target is not None:
        if target not in table:
            raise unknown("target column", target, table.names, table.source)
        return target
    for known in TARGET_NAMES:
        found = [name for name in table.names if name.lower() == known]
        if len(found) > 1:
            raise DataError(f"{table.source}: columns {', '.join(found)}: say which is the target.")
        if found:
            return found[0]
    if table.format == "npz":
        raise DataError(f"{table.source}: expected the arrays x and y, got x alone: there is no target.")
    return table.names[-1]


def analyse_target(table: Table, name: str, task: str | None) -> Target:
    """The task that a target's values ask for, or the one given, and the classes.

    Raises:
      DataError: an unknown task; values that the task cannot have; one class or one value only; too many
        classes; integer labels that int32 cannot hold; negative labels in NPZ and NPY files.
    """
    if task is not None and task not in TASKS:
        raise unknown("task", task, TASKS, "task")
    columns.check_present(table, name)
    columns.check_not_mostly_numbers(table, name)
    if task == "regression" or (task is None and _is_amount(table[name])):
        _check_varies(table, name)
        return Target(name, "regression", ())
    classes = _classes(table, name)
    if task == "binary" and len(classes) != 2:
        raise DataError(
            f"{columns.place(table, name)}: expected two classes for task 'binary', got {len(classes)}."
        )
    return Target(name, task or ("binary" if len(classes) == 2 else "multiclass"), classes)


def too_many(names: Sequence[str]) -> str:
    """The number of names beyond `MAX_CLASSES`, for messages: with the first one counting may have ended."""
    return f"more than {MAX_CLASSES}" if len(names) == MAX_CLASSES + 1 else str(len(names))


def integers_again(kept: np.ndarray, before: np.ndarray) -> np.ndarray:
    """What is left of a target without its gaps, as int64 if the gaps alone had made integers float64."""
    had_gaps = bool(is_missing(before).any())
    if had_gaps and kept.dtype.kind == "f" and _all_whole(kept) and np.abs(kept).max() <= EXACT_IN_FLOAT:
        return kept.astype(np.int64)
    return kept


def _is_amount(column: np.ndarray) -> bool:
    """Whether a target is a number to predict: a float, or an integer with many values or few rows each.

    Floats that are 0 and 1 alone are classes, which is how tables with a gap elsewhere write them. Other
    whole floats stay numbers: counts and ratings look like that too.
    """
    if not is_numeric(column):
        return False
    distinct = np.unique(column)
    if column.dtype.kind == "f":
        return distinct.tolist() != [0.0, 1.0]
    num_distinct = len(distinct)
    return num_distinct > _FEW or (num_distinct > 2 and 2 * num_distinct > len(column))


def _check_varies(table: Table, name: str) -> None:
    values = columns.numbers(table, name)
    if (values == values[0]).all():
        raise DataError(f"{columns.place(table, name)}: the target is constant ({values[0]:g} in every row).")


def _classes(table: Table, name: str) -> tuple[str, ...]:
    if is_numeric(table[name]):
        _check_labels(table, name)
    classes = columns.category_names(table, name)
    if len(classes) < 2:
        raise DataError(f"{columns.place(table, name)}: only one class ({classes[0][:60]!r}), expected two.")
    if len(classes) > MAX_CLASSES:
        raise DataError(
            f"{columns.place(table, name)}: {too_many(classes)} classes, expected at most {MAX_CLASSES}."
        )
    return tuple(classes)


def _check_labels(table: Table, name: str) -> None:
    """Raises DataError for numbers that are no labels."""
    values, where = table[name], columns.place(table, name)
    if values.dtype.kind == "f" and not _all_whole(values):
        raise DataError(f"{where}: expected classes, got numbers with fractions.")
    if values.min() < _INT32.min or values.max() > _INT32.max:
        raise DataError(f"{where}: labels beyond int32 ({values.min():g} to {values.max():g}).")
    if table.format in ("npz", "npy") and values.min() < 0:
        count = int((values < 0).sum())
        raise DataError(f"{where}: {count} negative labels, expected 0, 1, 2, ...")


def _all_whole(values: np.ndarray) -> bool:
    return bool(np.isfinite(values).all() and (values == np.floor(values)).all())
