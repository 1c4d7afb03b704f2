"""Parquet files: looked through in a process of its own, then read a row group at a time."""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jaxgd.data.streams.index import BadFileError, FileIndex, Place

_PROGRAM = Path(__file__).with_name("parquet_index.py")


def index_files(paths: Sequence[Path]) -> Iterator[FileIndex | BadFileError]:
    """The columns and row groups of each file, every one of which was decoded; or what is wrong with it."""
    left = list(paths)
    while left:
        for answer in _answers(left):
            yield _made(left.pop(0), answer)


def read_columns(path: Path, index: FileIndex, place: Place, names: Sequence[str]) -> dict[str, np.ndarray]:
    """{name: [rows]} of a row group: int64, float64 (NaN for null), bool, or text (None for null)."""
    return _columns(_frame(path, place, names))


def read_plain(
    path: Path, index: FileIndex, place: Place, kinds: Mapping[str, str], beside: Sequence[str]
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """[rows, columns] of the columns of `kinds`, in the widest of their types, and the columns beside."""
    frame = _frame(path, place, [*kinds, *beside])
    return frame.select(list(kinds)).to_numpy(), _columns(frame.select(beside))


def _columns(frame: Any) -> dict[str, np.ndarray]:
    from jaxgd.data.parquet import column_to_numpy
    from jaxgd.data.parquet_decoder import cast_column

    return {series.name: column_to_numpy(cast_column(series)) for series in frame}


def _frame(path: Path, place: Place, names: Sequence[str]) -> Any:
    import polars as pl

    try:
        with path.open("rb") as stream:
            frame = pl.scan_parquet(stream).slice(place.first, place.rows).select(names).collect()
    except (OSError, pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        reason = (str(error).splitlines() or [""])[0][:200]
        raise BadFileError(f"{path}, {place.shown()}: cannot be decoded ({reason}).") from error
    if len(frame) != place.rows:
        raise BadFileError(f"{path}, {place.shown()}: {len(frame)} rows, expected {place.rows}.")
    return frame


def _answers(paths: Sequence[Path]) -> Iterator[dict[str, Any]]:
    """One answer a file; the last is about the file at which the decoder stopped, if it did."""
    asked = "".join(json.dumps(str(path)) + "\n" for path in paths)
    with subprocess.Popen(
        [sys.executable, "-P", str(_PROGRAM)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        if process.stdin is None or process.stdout is None:
            raise BadFileError(f"{paths[0]}: cannot be looked through (no pipe).")
        process.stdin.write(asked)
        process.stdin.close()
        where, answered = "", 0
        for line in process.stdout:
            answer = json.loads(line)
            where = answer.get("at", "")
            if not where:
                answered += 1
                yield answer
    if answered < len(paths):
        place = f", {where}" if where else ""
        yield {"error": f"{place}: cannot be decoded (the decoder stopped with status {process.returncode})."}


def _made(path: Path, answer: dict[str, Any]) -> FileIndex | BadFileError:
    if "error" in answer:
        return BadFileError(f"{path}{answer['error']}")
    ends = np.cumsum([0, *answer["groups"]]).tolist()
    places = tuple(Place(ends[group], rows, group) for group, rows in enumerate(answer["groups"]) if rows)
    if not places:
        return BadFileError(f"{path}: no rows.")
    return FileIndex(path, tuple(answer["names"]), tuple(answer["types"]), places)
