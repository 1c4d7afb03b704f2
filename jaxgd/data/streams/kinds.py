"""What kind of column several blocks make together, and a block's cells as that kind."""

from typing import Any

import numpy as np

INT, FLOAT, BOOL, TEXT = "int", "float", "bool", "text"
_KINDS = {"i": INT, "f": FLOAT, "b": BOOL, "O": TEXT}


def kind_of(column: np.ndarray) -> str:
    """The kind of a table's column."""
    return _KINDS[column.dtype.kind]


def common_kind(one: str | None, other: str) -> str:
    """What a column is whose blocks are of two kinds: as if it had been read at once.

    >>> common_kind("int", "float"), common_kind("bool", "int"), common_kind(None, "bool")
    ('float', 'text', 'bool')
    """
    if one is None or one == other:
        return other
    return FLOAT if {one, other} == {INT, FLOAT} else TEXT


def as_kind(column: Any, kind: str) -> np.ndarray:
    """A series of cleaned text as an array of a kind that all cells of the column have."""
    import polars as pl

    if kind == INT:
        return column.cast(pl.Int64).to_numpy()
    if kind == FLOAT:
        return column.cast(pl.Float64).fill_null(float("nan")).to_numpy()
    if kind == BOOL:
        return (column.str.to_lowercase() == "true").to_numpy()
    return np.array(column.to_list(), dtype=object)
