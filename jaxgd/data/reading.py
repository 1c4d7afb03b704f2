"""`read`: from a path or the name of an embedded set to a table. What a format holds is in its own module."""

import os
import stat
from pathlib import Path

from jaxgd._checks import check_integer
from jaxgd.data.arrays import read_npy, read_npz
from jaxgd.data.embedded import EMBEDDED, load_embedded
from jaxgd.data.errors import DEFAULT_MAX_BYTES, DataError, check_bytes, unknown
from jaxgd.data.parquet import read_parquet
from jaxgd.data.table import Table
from jaxgd.data.text_files import read_text

_READERS = {
    "csv": lambda path, limit: read_text(path, ","),
    "tsv": lambda path, limit: read_text(path, "\t"),
    "parquet": read_parquet,
    "npz": read_npz,
    "npy": read_npy,
}
EXTENSIONS = tuple(f".{name}" for name in _READERS)
"""The endings of the files that `read` knows, in lower case."""


def read(path_or_name: str | os.PathLike[str], *, max_bytes: int = DEFAULT_MAX_BYTES) -> Table:
    """The table in a file, or an embedded data set.

    - `.csv`, `.tsv`: UTF-8, a header line, then rows of as many fields. A column is bool (`true`, `false`),
      int64, float64, or text; integers with leading zeros are text. Missing: an empty field, NA, N/A, NaN,
      null.
    - `.parquet`: numbers, bools, text, dates (as text). Missing: null.
    - `.npz`: `x` (or `X`, `features`), [rows, features] numbers, columns `x0, x1, ...`; `y` (or `Y`,
      `target`), [rows] numbers, bools or text, column `y`; without it, rows to predict.
    - `.npy`: [rows, columns] numbers, columns `column_0, column_1, ...`; the last is the target.
    - an embedded set: `digits`, `breast-cancer`, `wine`, `iris`, `diabetes`, whose column is called `target`.

    A file's content cannot run code: pickled objects are refused, and sizes that a header declares are
    checked before anything is allocated.

    Args:
      path_or_name: the file, known by its ending (in either case), or the embedded set's name.
      max_bytes: the most bytes that the file, and the arrays in it, may take.

    Returns:
      The table; its columns are in the file's order.

    Raises:
      DataError: no such file, not a file, unreadable, unknown ending, too large, no rows, or content that is
        not what the ending says. No other error comes from a file's content.
      TypeError: `path_or_name` is not a path.

    >>> read("iris").num_rows
    150
    """
    check_integer("max_bytes", max_bytes, 1)
    path = Path(path_or_name)
    if isinstance(path_or_name, str) and path_or_name in EMBEDDED:
        return load_embedded(path_or_name)
    size = _file_size(path)
    kind = path.suffix.lower().removeprefix(".")
    if kind not in _READERS:
        raise DataError(f"{path}: unknown ending {path.suffix!r}, expected one of {', '.join(EXTENSIONS)}.")
    if not size:
        raise DataError(f"{path}: the file is empty.")
    check_bytes(size, max_bytes, str(path))
    return _read_file(path, kind, max_bytes)


def _read_file(path: Path, kind: str, max_bytes: int) -> Table:
    try:
        columns = _READERS[kind](path, max_bytes)
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error}).") from error
    except MemoryError as error:
        raise DataError(f"{path}: does not fit in memory.") from error
    return Table.from_columns(columns, source=str(path), format=kind)


def _file_size(path: Path) -> int:
    """The bytes of a regular file. Raises DataError for anything else: a pipe would block for ever."""
    try:
        status = path.stat()
    except FileNotFoundError as error:
        raise _no_such_file(path) from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"{str(path)!r}: cannot be read ({reason}).") from error
    if stat.S_ISDIR(status.st_mode):
        raise DataError(f"{path}: is a directory, expected a file.")
    if not stat.S_ISREG(status.st_mode):
        raise DataError(f"{path}: is not a regular file.")
    return status.st_size


def _no_such_file(path: Path) -> DataError:
    """The error for a missing file; a bare word was perhaps meant as the name of an embedded set."""
    if path.suffix or len(path.parts) != 1:
        return DataError(f"{path}: no such file.")
    return unknown("data set", str(path), EMBEDDED, "no such file")
