"""Predictions written as they come, piece by piece: CSV or Parquet, whole or not there at all."""

import os
import queue
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

Columns = Mapping[str, np.ndarray]


def write_pieces(pieces: Iterator[Columns], out: str) -> tuple[int, list[str]]:
    """Write the rows of all pieces; what a killed process left of the same file is removed.

    Args:
      pieces: {column: [rows]} each, all with the same columns.
      out: a .csv or .parquet file, or - for CSV on stdout.

    Returns: how many rows there were, and the names of the columns.
    Raises:
      OSError: the file cannot be written; what the pieces raise. The file is then as it was before.
    """
    from jaxgd._atomic import replacing, tidy

    if out == "-":
        return _write_csv(pieces, sys.stdout.buffer)
    path = Path(os.path.realpath(out))
    tidy(path.parent, [path.name])
    with replacing(path) as stream:
        return (_write_parquet if out.lower().endswith(".parquet") else _write_csv)(pieces, stream)


def _frame(columns: Columns) -> Any:
    import polars as pl

    def plain(values: np.ndarray) -> Any:
        return values.astype(np.float64) if values.dtype.kind == "f" else values.tolist()

    return pl.DataFrame({name: pl.Series(name, plain(values)) for name, values in columns.items()})


def _write_csv(pieces: Iterator[Columns], stream: BinaryIO) -> tuple[int, list[str]]:
    rows, names = 0, []
    for columns in pieces:
        frame = _frame(columns)
        frame.write_csv(stream, include_header=not rows)
        rows, names = rows + len(frame), frame.columns
    stream.flush()
    return rows, names


def _write_parquet(pieces: Iterator[Columns], stream: BinaryIO) -> tuple[int, list[str]]:
    """A thread writes what this one makes: polars takes the pieces at its own pace."""
    first = next(pieces, None)
    if first is None:
        return 0, []
    frame = _frame(first)
    writer = _ParquetThread(frame.schema, stream)
    rows = 0
    try:
        while frame is not None:
            rows += len(frame)
            writer.put(frame)
            columns = next(pieces, None)
            frame = None if columns is None else _frame(columns)
    except BaseException:
        with suppress(Exception):
            writer.end(_StoppedError())
        raise
    writer.end(None)
    return rows, list(first)


class _StoppedError(Exception):
    """No more pieces will come."""


class _ParquetThread:
    """Writes frames to a stream, row group by row group."""

    def __init__(self, schema: Any, stream: BinaryIO) -> None:
        self.schema, self.stream = schema, stream
        self.frames: queue.Queue[Any] = queue.Queue(1)
        self.error: BaseException | None = None
        self.thread = threading.Thread(target=self._write, daemon=True)
        self.thread.start()

    def put(self, frame: Any) -> None:
        """One more frame. Raises what writing has raised."""
        while self.error is None:
            with suppress(queue.Full):
                self.frames.put(frame, timeout=0.05)
                return
        raise self.error

    def end(self, last: BaseException | None) -> None:
        """Wait until all is written; `last` says why nothing more comes. Raises what writing has raised."""
        self.put(last)
        self.thread.join()
        if self.error is not None:
            raise self.error

    def _write(self) -> None:
        from polars.io.plugins import register_io_source

        try:
            register_io_source(self._taken, schema=self.schema).sink_parquet(self.stream)
        except BaseException as error:
            self.error = error

    def _taken(self, *_: Any) -> Iterator[Any]:
        while (frame := self.frames.get()) is not None:
            if isinstance(frame, BaseException):
                raise frame
            yield frame
