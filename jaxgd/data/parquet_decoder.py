"""The program that decodes a Parquet file: `parquet_decoder.py FILE MAX_BYTES [FIRST STOP]`.

It writes int64, float64 (NaN for null), bool and text columns on stdout, in Arrow's IPC format, and ends
with status 0; or says on stderr what is wrong and ends with status `REFUSED`. Any other end means damage
that stopped the decoder. It imports nothing of this package: it starts quickly, wherever the package lies.
"""

import sys
from typing import Any

REFUSED = 3
"""The exit status that comes with a message on stderr."""

_BYTES_PER_CELL = 8
_ADDRESS_SPACE = 8 * 2**30


class RefusedError(Exception):
    """A file that is not decoded; the message continues one that begins with the file's name."""


def main(path: str, max_bytes: int, first: int = 0, stop: int | None = None) -> int:
    """Decodes a file, or the row groups that rows `first` to `stop` are in. Returns the exit status."""
    import polars as pl

    _limit_memory(4 * max_bytes + _ADDRESS_SPACE)
    try:
        frame = decode(path, max_bytes, first, stop)
    except RefusedError as error:
        sys.stderr.write(str(error))
        return REFUSED
    except pl.exceptions.PolarsError as error:
        sys.stderr.write(f": not a Parquet file that can be read ({str(error).splitlines()[0][:200]}).")
        return REFUSED
    frame.write_ipc(sys.stdout.buffer)
    return 0


def decode(path: str, max_bytes: int, first: int = 0, stop: int | None = None) -> Any:
    """The polars frame of some rows, in four types. Raises RefusedError before much is allocated."""
    import polars as pl

    with open(path, "rb") as stream:  # not by name, in which polars would expand a star
        lazy = pl.scan_parquet(stream)
        schema = lazy.collect_schema()
        for name, kind in schema.items():
            _check_type(name, kind)
        if stop is not None:
            lazy = lazy.slice(first, stop - first)
        num_rows = lazy.select(pl.len()).collect().item()
        _check_bytes(num_rows * len(schema) * _BYTES_PER_CELL, max_bytes)
        frame = pl.DataFrame({series.name: cast_column(series) for series in lazy.collect()})
    _check_bytes(sum(_text_bytes(series) for series in frame), max_bytes)
    return frame


def _check_type(name: str, kind: Any) -> None:
    import polars as pl

    plain = kind.is_numeric() or kind in (pl.Boolean, pl.String, pl.Categorical, pl.Enum, pl.Null)
    if not plain and kind not in (pl.Date, pl.Datetime, pl.Time):
        raise RefusedError(f", column {name!r}: expected numbers, bools, text or dates, got {kind}.")


def _check_bytes(needed: int, max_bytes: int) -> None:
    if needed > max_bytes:
        raise RefusedError(f": needs {needed:,} bytes, expected at most {max_bytes:,}.")


def cast_column(series: Any) -> Any:
    """A column as int64, float64, bool or text; integers and bools with gaps become float64 and text."""
    import polars as pl

    kind = series.dtype
    if kind == pl.Boolean and not series.has_nulls():
        return series
    if kind.is_integer() and not series.has_nulls():
        whole = series.cast(pl.Int64, strict=False)
        return series.cast(pl.Float64) if whole.has_nulls() else whole
    if kind.is_numeric() or kind == pl.Null:
        return series.cast(pl.Float64).fill_null(float("nan"))
    return series.cast(pl.String)


def _text_bytes(series: Any) -> int:
    """The bytes of a column's text, in which a dictionary may repeat one long word in every row."""
    import polars as pl

    return int(series.str.len_bytes().sum()) if series.dtype == pl.String else 0


def _limit_memory(num_bytes: int) -> None:
    """Makes a size that damage has enlarged fail here, and not take the machine's memory."""
    if sys.platform == "linux":
        import resource

        hard = resource.getrlimit(resource.RLIMIT_AS)[1]
        limit = num_bytes if hard == resource.RLIM_INFINITY else min(num_bytes, hard)
        resource.setrlimit(resource.RLIMIT_AS, (limit, hard))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], *map(int, sys.argv[2:])))
