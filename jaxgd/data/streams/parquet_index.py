"""The program that looks through Parquet files: `parquet_index.py`, paths on stdin, JSON lines on stdout.

For each file the columns and the row groups, once every row group was decoded. It runs in a process of its
own, for the decoder aborts on some damage, which nobody can catch; the last line then says which row group
that was in. It imports nothing of this package.

Parquet's metadata (the row groups' sizes, of which polars says nothing) is Thrift in its compact protocol:
https://github.com/apache/parquet-format, https://github.com/apache/thrift/blob/master/doc/specs/
"""

import json
import struct
import sys
from typing import Any

MAX_GROUP_BYTES = 2**30
"""A row group that is larger once it is read is not decoded."""

_NUM_ROWS, _ROW_GROUPS, _GROUP_ROWS = 3, 4, 3
_TRUE, _FALSE, _BYTE, _DOUBLE, _BINARY, _LIST, _SET, _MAP, _STRUCT = 1, 2, 3, 7, 8, 9, 10, 11, 12
_DEEPEST = 32


class RefusedError(Exception):
    """A file that is not read; the message continues one that begins with the file's name."""


class _Compact:
    """Values of Thrift's compact protocol, one after the other."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def byte(self) -> int:
        self.at += 1
        return self.data[self.at - 1]

    def varint(self) -> int:
        value = shift = 0
        while True:
            byte = self.byte()
            value |= (byte & 0x7F) << shift
            if byte < 0x80 or shift > 63:
                return value
            shift += 7

    def integer(self) -> int:
        value = self.varint()
        return (value >> 1) ^ -(value & 1)

    def value(self, kind: int, depth: int) -> Any:
        if depth > _DEEPEST:
            raise ValueError("nested too deep")
        if kind in (_TRUE, _FALSE):
            return kind == _TRUE
        if kind == _BYTE:
            return self.byte()
        if kind < _DOUBLE:
            return self.integer()
        if kind == _STRUCT:
            return self.struct(depth + 1)
        if kind in (_LIST, _SET):
            return self.list(depth + 1)
        if kind in (_DOUBLE, _BINARY):
            length = 8 if kind == _DOUBLE else self.varint()
            self.at += length
            return None
        raise ValueError(f"type {kind}")

    def struct(self, depth: int) -> dict[int, Any]:
        fields: dict[int, Any] = {}
        number = 0
        while (head := self.byte()) != 0:
            number = number + (head >> 4) if head >> 4 else self.integer()
            fields[number] = self.value(head & 0x0F, depth)
        return fields

    def list(self, depth: int) -> list[Any]:
        head = self.byte()
        count = self.varint() if head >> 4 == 15 else head >> 4
        if count > len(self.data):
            raise ValueError("a list longer than the metadata")
        kind = head & 0x0F
        if kind in (_TRUE, _FALSE):  # in a list each takes a byte
            return [self.byte() == _TRUE for _ in range(count)]
        return [self.value(kind, depth) for _ in range(count)]


def row_groups(path: str) -> list[int]:
    """The rows of each row group. Raises RefusedError."""
    with open(path, "rb") as stream:
        size = stream.seek(0, 2)
        stream.seek(max(size - 8, 0))
        tail = stream.read(8)
        if size < 12 or tail[4:] != b"PAR1":
            raise RefusedError(": expected a Parquet file, got other content or a truncated file.")
        length = struct.unpack("<I", tail[:4])[0]
        if length > size - 12:
            raise RefusedError(": the metadata is longer than the file.")
        stream.seek(size - 8 - length)
        data = stream.read(length)
    try:
        meta = _Compact(data).struct(0)
        rows = [int(group[_GROUP_ROWS]) for group in meta[_ROW_GROUPS]]
        sound = all(0 <= each < 2**40 for each in rows) and sum(rows) == meta[_NUM_ROWS]
    except (IndexError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise RefusedError(f": the metadata cannot be read ({error!r}).") from error
    if not sound:
        raise RefusedError(": the row groups do not add up to the rows.")
    return rows


def look(path: str, say: Any) -> dict[str, Any]:
    """Columns, types and row groups of a file whose every row group was decoded. Raises RefusedError."""
    import polars as pl

    groups = row_groups(path)
    with open(path, "rb") as stream:  # not by name, in which polars would expand a star
        lazy = pl.scan_parquet(stream)
        schema = lazy.collect_schema()
        for name, kind in schema.items():
            _check_type(name, kind)
    first = 0
    for group, rows in enumerate(groups):
        where = f"row group {group} (rows {first + 1:,} to {first + rows:,})"
        say({"path": path, "at": where})
        if rows * max(len(schema), 1) * 8 > MAX_GROUP_BYTES:
            raise RefusedError(
                f", {where}: more than {MAX_GROUP_BYTES:,} bytes at once. Write smaller row groups."
            )
        try:
            with open(path, "rb") as stream:
                got = len(pl.scan_parquet(stream).slice(first, rows).collect())
        except pl.exceptions.PolarsError as error:
            raise RefusedError(f", {where}: cannot be decoded ({_first_line(error)}).") from error
        if got != rows:
            raise RefusedError(f", {where}: {got} rows decoded, expected {rows}.")
        first += rows
    return {"names": list(schema), "types": [str(kind) for kind in schema.values()], "groups": groups}


def _check_type(name: str, kind: Any) -> None:
    import polars as pl

    plain = kind.is_numeric() or kind in (pl.Boolean, pl.String, pl.Categorical, pl.Enum, pl.Null)
    if not plain and kind not in (pl.Date, pl.Datetime, pl.Time):
        raise RefusedError(f", column {name!r}: expected numbers, bools, text or dates, got {kind}.")


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]


def main() -> int:
    """Answers for each path; the exit status."""
    import polars as pl

    def say(answer: dict[str, Any]) -> None:
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()

    for line in sys.stdin:
        path = json.loads(line)
        try:
            say({"path": path, **look(path, say)})
        except RefusedError as error:
            say({"path": path, "error": str(error)})
        except (OSError, pl.exceptions.PolarsError) as error:
            say({"path": path, "error": f": cannot be read ({_first_line(error)})."})
    return 0


if __name__ == "__main__":
    sys.exit(main())
