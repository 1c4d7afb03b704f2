"""NPY files, read by position. They are not mapped: a mapped file that gets shorter kills the process."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jaxgd._aligned import aligned_empty
from jaxgd.data.arrays import check_matrix, read_header
from jaxgd.data.errors import DataError
from jaxgd.data.streams.index import BadFileError, FileIndex, Place

_BLOCK_BYTES = 8 * 2**20
_ROWS_AT_ONCE = 8192
"""Of columns that lie one behind the other in a file: so many are turned within the processor's cache."""


def index_files(paths: Sequence[Path]) -> Iterator[FileIndex | BadFileError]:
    """The columns `column_0, column_1, ...` of each file's array, or what is wrong with it."""
    for path in paths:
        try:
            yield _index(path)
        except DataError as error:
            yield BadFileError(str(error))


def read_columns(path: Path, index: FileIndex, place: Place, names: Sequence[str]) -> dict[str, np.ndarray]:
    """{name: [rows]} of a block."""
    array = _read_block(path, index, place, [names])[0]
    return {name: array[:, column] for column, name in enumerate(names)}


def read_plain(
    path: Path, index: FileIndex, place: Place, kinds: Mapping[str, str], beside: Sequence[str]
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """[rows, columns] of the columns of `kinds`, in the file's own type, and {name: [rows]} beside."""
    matrix, others = _read_block(path, index, place, [list(kinds), beside])
    return matrix, {name: others[:, column] for column, name in enumerate(beside)}


def _read_block(
    path: Path, index: FileIndex, place: Place, groups: Sequence[Sequence[str]]
) -> list[np.ndarray]:
    """[rows, columns] of a block for each group of names."""
    with path.open("rb") as stream:
        header = read_header(stream, str(path))
        start, (num_rows, width), item = stream.tell(), header.shape, header.dtype.itemsize
        wanted = [[index.names.index(name) for name in names] for names in groups]
        if not header.fortran:
            rows = aligned_empty((place.rows * width,), header.dtype)
            _read(stream, start + place.first * width * item, rows, path)
            return [_chosen(rows.reshape(place.rows, width), columns) for columns in wanted]

        def turned(columns: list[int]) -> np.ndarray:
            rows = aligned_empty((place.rows, len(columns)), header.dtype)
            some = aligned_empty((len(columns), _ROWS_AT_ONCE), header.dtype)
            for first in range(0, place.rows, _ROWS_AT_ONCE):
                count = min(_ROWS_AT_ONCE, place.rows - first)
                for into, column in zip(some, columns, strict=True):
                    offset = start + (column * num_rows + place.first + first) * item
                    _read(stream, offset, into[:count], path)
                rows[first : first + count] = some[:, :count].T
            return rows

        return [turned(columns) for columns in wanted]


def _chosen(rows: np.ndarray, columns: list[int]) -> np.ndarray:
    """Some columns; without a copy if they are neighbours."""
    first = columns[0] if columns else 0
    if columns == list(range(first, first + len(columns))):
        return rows[:, first : first + len(columns)]
    return rows[:, columns]


def _index(path: Path) -> FileIndex:
    try:
        with path.open("rb") as stream:
            header = read_header(stream, str(path))
            check_matrix(header, str(path))
            got = path.stat().st_size - stream.tell()
    except OSError as error:
        raise BadFileError(f"{path}: cannot be read ({error.strerror or error}).") from error
    if got != header.num_bytes:
        raise BadFileError(
            f"{path}: {got:,} bytes of data, expected {header.num_bytes:,} for {header.shape}."
        )
    num_rows, width = header.shape
    names = tuple(f"column_{place}" for place in range(width))
    step = max(_BLOCK_BYTES // (width * header.dtype.itemsize), 1)
    starts = range(0, num_rows, step)
    places = tuple(Place(first, min(step, num_rows - first), k) for k, first in enumerate(starts))
    return FileIndex(path, names, (str(header.dtype),) * width, places)


def _read(stream: Any, offset: int, into: np.ndarray, path: Path) -> None:
    stream.seek(offset)
    if stream.readinto(into.view(np.uint8).data) < into.nbytes:
        raise BadFileError(f"{path}: the file is shorter than its header says.")
