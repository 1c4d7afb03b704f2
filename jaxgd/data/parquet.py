"""Parquet, through polars: sizes checked from the footer first, plain columns only."""

from pathlib import Path
from typing import Any

import numpy as np

from jaxgd.data.errors import DataError, check_bytes

_BYTES_PER_CELL = 8
_MAGIC = b"PAR1"


def read_parquet(path: Path, max_bytes: int) -> dict[str, np.ndarray]:
    """The columns of a Parquet file.

    Raises:
      DataError: not Parquet, damaged, larger than `max_bytes` once read, or a column of nested or other
        values.
    """
    import polars as pl

    _check_magic(path)
    # The decoder turns some damage into a panic, which is no Exception; nothing else is caught so broadly.
    try:
        return _columns(path, max_bytes)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        reason = str(error).split("\n")[0][:200]
        raise DataError(f"{path}: not a Parquet file that can be read ({reason}).") from error


def _columns(path: Path, max_bytes: int) -> dict[str, np.ndarray]:
    import polars as pl

    with path.open("rb") as stream:
        lazy = pl.scan_parquet(stream)
        schema = lazy.collect_schema()
        for name, kind in schema.items():
            _check_type(path, name, kind)
        num_rows = lazy.select(pl.len()).collect().item()
        check_bytes(num_rows * len(schema) * _BYTES_PER_CELL, max_bytes, str(path))
        return {series.name: _as_numpy(series) for series in lazy.collect()}


def _check_magic(path: Path) -> None:
    """Raises DataError unless the file begins and ends as Parquet does: cheap, and a clearer message."""
    with path.open("rb") as stream:
        head = stream.read(len(_MAGIC))
        stream.seek(-min(len(_MAGIC), path.stat().st_size), 2)
        tail = stream.read()
    if head != _MAGIC or tail != _MAGIC:
        raise DataError(f"{path}: expected a Parquet file, got other content or a truncated file.")


def _check_type(path: Path, name: str, kind: Any) -> None:
    import polars as pl

    plain = kind.is_numeric() or kind in (pl.Boolean, pl.String, pl.Categorical, pl.Enum, pl.Null)
    if not plain and kind not in (pl.Date, pl.Datetime, pl.Time):
        raise DataError(f"{path}, column {name!r}: expected numbers, bools, text or dates, got {kind}.")


def _as_numpy(series: Any) -> np.ndarray:
    """int64, float64 (NaN for null), bool, or text (None for null)."""
    import polars as pl

    kind = series.dtype
    if kind == pl.Boolean and not series.has_nulls():
        return series.to_numpy()
    if kind.is_integer() and not series.has_nulls():
        whole = series.cast(pl.Int64, strict=False)
        return (series.cast(pl.Float64) if whole.has_nulls() else whole).to_numpy()
    if kind.is_numeric() or kind == pl.Null:
        return series.cast(pl.Float64).fill_null(float("nan")).to_numpy()
    return np.array(series.cast(pl.String).to_list(), dtype=object)
