"""Columns of text that are thought to be numbers, parsed as such: which is quicker than looking at words."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from jaxgd.data.streams.kinds import FLOAT, INT

_QUOTE, _BLANK, _TAB = b'"', b" ", b"\t"
_SIGNS = (ord("+"), ord("-"))


def number_types(likely: Mapping[str, str]) -> dict[str, Any]:
    """{name: polars type} of the columns whose cells are thought to be numbers."""
    import polars as pl

    types = {INT: pl.Int64, FLOAT: pl.Float64}
    return {name: types[kind] for name, kind in likely.items() if kind in types}


def says_what_it_means(data: bytes, separator: str) -> bool:
    """Whether a cell that a parser of numbers takes is a number by `cells.is_number`, and no code like 007.

    Quotes and blanks make that unsure; so does a cell that begins with a zero and another digit.

    >>> says_what_it_means(b"0.5,-10,1e-05", ","), says_what_it_means(b"1,-007", ",")
    (True, False)
    """
    blanks = (_BLANK,) if separator == "\t" else (_BLANK, _TAB)
    if any(mark in data for mark in (_QUOTE, *blanks)):
        return False
    raw = np.frombuffer(b"\n\n" + data, np.uint8)
    behind_mark = (raw[1:-2] <= max(_SIGNS)) & (raw[2:-1] == ord("0"))  # no digit, no point, no letter
    places = np.flatnonzero(behind_mark & (raw[3:] - np.uint8(ord("0")) < 10)) + 1
    signed = np.isin(raw[places], _SIGNS)
    before = np.where(signed, raw[places - 1], raw[places])
    return not np.isin(before, (ord(separator), ord("\n"), ord("\r"))).any()


def as_numbers(series: Any) -> np.ndarray:
    """int64, or float64 with NaN for cells that are missing."""
    import polars as pl

    if series.has_nulls():
        series = series.cast(pl.Float64).fill_null(float("nan"))
    return series.to_numpy()
