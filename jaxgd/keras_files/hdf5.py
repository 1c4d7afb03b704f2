"""Arrays from and to an HDF5 file in memory. Nothing is read before all that is declared was checked."""

from collections.abc import Mapping
from io import BytesIO
from typing import Any

import h5py
import numpy as np
from h5py import h5o, h5z  # pyright: ignore[reportAttributeAccessIssue]

from jaxgd._types import Shape
from jaxgd.keras_files.errors import KerasFileError, shown

MAX_OBJECTS = 100_000
MAX_DEPTH = 16
_NUMBERS = ("f2", "f4", "f8", "i4", "i8")
_FAILURES = (
    OSError, KeyError, RuntimeError, ValueError, TypeError, OverflowError, MemoryError, AttributeError,
)  # fmt: skip
"""What h5py raises on a damaged file."""


def write_arrays(arrays: Mapping[str, np.ndarray], names: Mapping[str, str]) -> bytes:
    """An HDF5 file.

    Args:
      arrays: {path of a dataset: array}, each stored contiguous and uncompressed.
      names: {path of a group: its attribute `name`}; Keras notes the name of a layer there.
    """
    buffer = BytesIO()
    with h5py.File(buffer, "w") as file:
        for path, name in names.items():
            file.create_group(path).attrs["name"] = name
        for path, array in arrays.items():
            file.create_dataset(path, data=array, track_times=False)
    return buffer.getvalue()


class ArrayFile:
    """An open HDF5 file whose structure was checked: `shapes` says what it holds, `read` gets it."""

    def __init__(self, data: bytes, max_bytes: int) -> None:
        try:
            self._file = h5py.File(BytesIO(data), "r")
            self._datasets = _walk(self._file)
            self.shapes: dict[str, Shape] = {
                path: _checked_shape(path, dataset) for path, dataset in self._datasets.items()
            }
            total = sum(dataset.size * dataset.dtype.itemsize for dataset in self._datasets.values())
        except _FAILURES as error:
            raise _damaged(error) from error
        if total > max_bytes:
            raise KerasFileError(f"the weights declare {total:,} bytes, more than max_bytes={max_bytes:,}.")

    def read(self, path: str, shape: Shape, dtype: Any) -> np.ndarray:
        """The dataset at `path`, which must have this shape, in this dtype."""
        if self.shapes[path] != shape:
            raise KerasFileError(f"{path}: expected shape {list(shape)}, got {list(self.shapes[path])}.")
        wants_integer = np.issubdtype(dtype, np.integer)
        try:
            dataset = self._datasets[path]
            if wants_integer and dataset.dtype.kind != "i":
                raise KerasFileError(f"{path}: expected an integer, got dtype {dataset.dtype}.")
            return np.asarray(dataset[()]).astype(dtype)
        except _FAILURES as error:
            raise _damaged(error) from error


def check_paths(found: Mapping[str, Any], expected: set[str]) -> None:
    """Raises unless a file holds exactly the expected datasets."""
    missing, extra = sorted(expected - found.keys()), sorted(found.keys() - expected)
    if missing or extra:
        raise KerasFileError(f"the weights' datasets: missing {_few(missing)}, unexpected {_few(extra)}.")


def _few(paths: list[str]) -> str:
    rest = f" and {len(paths) - 10} more" if len(paths) > 10 else ""
    return f"{', '.join(shown(path) for path in paths[:10]) or 'none'}{rest}"


def _damaged(error: Exception) -> KerasFileError:
    return error if isinstance(error, KerasFileError) else KerasFileError(f"damaged weights ({error}).")


def _walk(file: h5py.File) -> dict[str, h5py.Dataset]:
    """Every dataset by its path. Links that lead elsewhere, and objects met twice, are refused."""
    datasets: dict[str, h5py.Dataset] = {}
    seen: set[int] = set()
    groups: list[tuple[str, h5py.Group]] = [("", file)]
    while groups:
        prefix, group = groups.pop()
        for name in group:
            path = f"{prefix}{name}"
            child = _child(group, str(name), path)
            address = h5o.get_info(child.id).addr
            if address in seen:
                raise KerasFileError(f"{shown(path)}: an object that stands elsewhere in the file too.")
            seen.add(address)
            if len(seen) > MAX_OBJECTS or path.count("/") > MAX_DEPTH:
                raise KerasFileError("the weights have too many objects, or too deep groups.")
            if isinstance(child, h5py.Dataset):
                datasets[path] = child
            else:
                groups.append((f"{path}/", child))
    return datasets


def _child(group: h5py.Group, name: str, path: str) -> h5py.Group | h5py.Dataset:
    if not isinstance(group.get(name, getlink=True), h5py.HardLink):
        raise KerasFileError(f"{shown(path)}: a link; only the file's own objects are read.")
    child = group[name]
    if not isinstance(child, h5py.Group | h5py.Dataset):
        raise KerasFileError(f"{shown(path)}: expected a group or a dataset.")
    return child


def _checked_shape(path: str, dataset: h5py.Dataset) -> Shape:
    """The shape of a dataset that may be read."""
    if dataset.is_virtual or dataset.external:
        raise KerasFileError(f"{shown(path)}: its values stand in another file.")
    filters = dataset.id.get_create_plist()
    for index in range(filters.get_nfilters()):
        if filters.get_filter(index)[0] != h5z.FILTER_DEFLATE:
            raise KerasFileError(f"{shown(path)}: a filter other than gzip.")
    if dataset.dtype.str[1:] not in _NUMBERS:
        raise KerasFileError(f"{shown(path)}: expected real numbers, got dtype {shown(str(dataset.dtype))}.")
    if dataset.shape is None:
        raise KerasFileError(f"{shown(path)}: it has no shape.")
    return tuple(dataset.shape)
