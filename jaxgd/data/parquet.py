"""Parquet, decoded in a process of its own: the decoder aborts on some damage, which nobody can catch."""

import io
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

from jaxgd.data.errors import DataError
from jaxgd.data.parquet_decoder import REFUSED

_DECODER = Path(__file__).with_name("parquet_decoder.py")
_MAGIC = b"PAR1"


def read_parquet(path: Path, max_bytes: int, rows: tuple[int, int] | None = None) -> dict[str, np.ndarray]:
    """The columns of a Parquet file; of some of its rows, first and stop, if they are given.

    Raises:
      DataError: not Parquet, damaged, larger than `max_bytes` once read, or a column of nested or other
        values.
    """
    import polars as pl

    _check_magic(path)
    arguments = [sys.executable, "-P", str(_DECODER), str(path), str(max_bytes), *map(str, rows or ())]
    done = subprocess.run(arguments, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    if done.returncode == REFUSED:
        raise DataError(f"{path}{done.stderr.decode()}")
    if done.returncode:
        raise _undecodable(path, f"the decoder stopped with status {done.returncode}")
    try:
        return {series.name: column_to_numpy(series) for series in pl.read_ipc(io.BytesIO(done.stdout))}
    except (OSError, pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        raise _undecodable(path, "the decoder made no sense of it") from error


def _undecodable(path: Path, reason: str) -> DataError:
    return DataError(f"{path}: not a Parquet file that can be read ({reason}).")


def _check_magic(path: Path) -> None:
    """Raises DataError unless the file begins and ends as Parquet does: cheap, and a clearer message."""
    with path.open("rb") as stream:
        head = stream.read(len(_MAGIC))
        stream.seek(-len(head), 2)
        tail = stream.read()
    if head != _MAGIC or tail != _MAGIC:
        raise DataError(f"{path}: expected a Parquet file, got other content or a truncated file.")


def column_to_numpy(series: Any) -> np.ndarray:
    """int64, float64, bool, or text (None for null), as the decoder has cast it."""
    if series.dtype.is_numeric() or series.dtype.to_python() is bool:
        return series.to_numpy()
    return np.array(series.to_list(), dtype=object)
