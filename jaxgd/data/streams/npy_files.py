"""NPY files, read by position. They are not mapped: a mapped file that gets shorter kills the process."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from jaxgd._aligned import aligned_empty
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
            rows = _read(stream, start + place.first * width * item, place.rows * width, header, path)
            return [_chosen(rows.reshape(place.rows, width), columns) for columns in wanted]

        def turned(columns: list[int]) -> np.ndarray:
            offsets = [start + (column * num_rows + place.first) * item for column in columns]
            found = np.empty((len(columns), place.rows), header.dtype)
            for into, offset in zip(found, offsets, strict=True):
                into[:] = _read(stream, offset, place.rows, header, path)
            return found.T

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


def _read(stream, offset: int, count: int, header: ArrayHeader, path: Path) -> np.ndarray:
    cells = aligned_empty((count,), header.dtype)
    stream.seek(offset)
    if stream.readinto(cells.view(np.uint8).data) < cells.nbytes:
        raise BadFileError(f"{path}: the file is shorter than its header says.")
    return cells
