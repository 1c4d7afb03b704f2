"""NPY files, read by position. They are not mapped: a mapped file that gets shorter kills the process."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from jaxgd.data.arrays import ArrayHeader, check_matrix, read_header
from jaxgd.data.errors import DataError
from jaxgd.data.streams.index import BadFileError, FileIndex, Place

_BLOCK_BYTES = 8 * 2**20


def index_files(paths: Sequence[Path]) -> Iterator[FileIndex | BadFileError]:
    """The columns `column_0, column_1, ...` of each file's array, or what is wrong with it."""
    for path in paths:
        try:
            yield _index(path)
        except DataError as error:
            yield BadFileError(str(error))


def read_columns(path: Path, index: FileIndex, place: Place, names: Sequence[str]) -> dict[str, np.ndarray]:
    """{name: [rows]} of a block."""
    array = read_matrix(path, index, place, names)
    return {name: array[:, column] for column, name in enumerate(names)}


def read_matrix(path: Path, index: FileIndex, place: Place, names: Sequence[str]) -> np.ndarray:
    """[rows, columns] of a block, in the file's own type."""
    with path.open("rb") as stream:
        header = read_header(stream, str(path))
        start, (num_rows, width), item = stream.tell(), header.shape, header.dtype.itemsize
        columns = [index.names.index(name) for name in names]
        if not header.fortran:
            rows = _read(stream, start + place.first * width * item, place.rows * width, header, path)
            rows = rows.reshape(place.rows, width)
            return rows if columns == list(range(width)) else rows[:, columns]
        offsets = [start + (column * num_rows + place.first) * item for column in columns]
        return np.stack([_read(stream, offset, place.rows, header, path) for offset in offsets], axis=1)


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


def _read(stream, offset: int, count: int, header: ArrayHeader, path: Path) -> np.ndarray:
    stream.seek(offset)
    data = stream.read(count * header.dtype.itemsize)
    if len(data) < count * header.dtype.itemsize:
        raise BadFileError(f"{path}: the file is shorter than its header says.")
    return np.frombuffer(data, header.dtype)
