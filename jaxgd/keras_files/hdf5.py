"""Arrays from and to an HDF5 file. Nothing is read before all that the file declares was checked."""

import copy
import itertools
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from io import BytesIO
from typing import Any, BinaryIO, cast

import h5py
import numpy as np
from h5py import h5o  # pyright: ignore[reportAttributeAccessIssue]

from jaxgd._types import Shape
from jaxgd.keras_files.errors import KerasFileError, shown
from jaxgd.keras_files.hdf5_structure import (
    FAILURES,
    MAX_OBJECTS,
    Declared,
    check_stored,
    damaged,
    unpack_once,
    walk,
)
from jaxgd.keras_files.hdf5_texts import read_texts

_SIGNATURE = b"\x89HDF\r\n\x1a\n"


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
    """An open HDF5 file whose structure was checked: `shapes` says what it holds, `read` gets it.

    A context manager: the file is closed at its end, whatever came of it.
    """

    def __init__(self, file: BinaryIO, max_bytes: int) -> None:
        try:
            self._raw = file
            self._file = h5py.File(file, "r")
            self._declared: dict[str, Declared] = walk(self._file)
            check_stored(self._declared, file.seek(0, 2))
        except FAILURES as error:
            raise damaged(error) from error
        total = sum(each.num_bytes for each in self._declared.values())
        if total > max_bytes:
            raise KerasFileError(f"the weights declare {total:,} bytes, more than max_bytes={max_bytes:,}.")
        with _damage():
            unpack_once(self._file, self._declared)

    def __enter__(self) -> "ArrayFile":
        return self

    def __exit__(self, *error: object) -> None:
        with suppress(*FAILURES):
            self._file.close()

    @property
    def shapes(self) -> dict[str, Shape]:
        """{path of a dataset: its shape}."""
        return {path: declared.shape for path, declared in self._declared.items()}

    def renamed(self, names: Mapping[str, str]) -> "ArrayFile":
        """The same file, of which only the datasets in `names` are seen, {new path: path in the file}."""
        missing = [path for path in names.values() if path not in self._declared]
        if missing:
            raise KerasFileError(f"the weights' datasets: missing {_few(missing)}.")
        view = copy.copy(self)
        view._declared = {new: self._declared[path] for new, path in names.items()}
        return view

    def has(self, name: str, group: str = "/") -> bool:
        """Whether a group, which may be missing itself, has an attribute; or its first part."""
        with _damage():
            return any(self._attribute(group, each) is not None for each in (name, f"{name}0"))

    def check(self, path: str, shape: Shape, dtype: Any) -> None:
        """Raises unless the dataset at `path` has this shape and numbers for this dtype."""
        declared = self._declared[path]
        if declared.shape != shape:
            raise KerasFileError(f"{path}: expected shape {list(shape)}, got {list(declared.shape)}.")
        if np.issubdtype(dtype, np.integer) and declared.dtype.kind != "i":
            raise KerasFileError(f"{path}: expected an integer, got dtype {declared.dtype}.")

    def read(self, path: str, shape: Shape, dtype: Any) -> np.ndarray:
        """The dataset at `path`, which must have this shape, in this dtype."""
        self.check(path, shape, dtype)
        with _damage():
            dataset = cast(h5py.Dataset, self._file[self._declared[path].path])
            return np.asarray(dataset[()]).astype(dtype)

    def text(self, name: str, group: str = "/") -> str | None:
        """An attribute that is one text, or None if there is none of this name."""
        with _damage():
            found = self._texts(group, name, is_list=False)
            return None if found is None else found[0]

    def texts(self, name: str, group: str) -> list[str]:
        """An attribute that is a list of texts; Keras cuts a long one into name0, name1 and so on."""
        with _damage():
            whole = self._texts(group, name, is_list=True)
            parts = [whole] if whole is not None else list(self._parts(group, name))
            if not parts:
                raise KerasFileError(f"{shown(group)}: expected an attribute {name!r}.")
            return [each for part in parts for each in part]

    def _parts(self, group: str, name: str) -> Iterator[list[str]]:
        for index in itertools.count():
            part = self._texts(group, f"{name}{index}", is_list=True)
            if part is None:
                return
            yield part

    def _texts(self, group: str, name: str, *, is_list: bool) -> list[str] | None:
        """The texts of an attribute, or None if there is none of this name."""
        found = self._attribute(group, name)
        if found is None:
            return None
        shape, dtype = found
        if is_list and shape == (0,):  # the dtype of an empty list says nothing
            return []
        text = h5py.check_string_dtype(dtype)
        if text is None or len(shape) != is_list or math.prod(shape) > MAX_OBJECTS:
            raise KerasFileError(f"{shown(group)}: {name}: expected text, got {shown(str(dtype))}.")
        address = h5o.get_info(self._file[group].id).addr
        return read_texts(self._raw, address, name, math.prod(shape), text.length)

    def _attribute(self, group: str, name: str) -> tuple[Shape, np.dtype] | None:
        """Shape and dtype of an attribute, or None if there is none of this name."""
        if group not in self._file or name not in (attributes := self._file[group].attrs):
            return None
        declared = attributes.get_id(name)
        return tuple(declared.shape), declared.dtype


@contextmanager
def _damage() -> Iterator[None]:
    try:
        yield
    except FAILURES as error:
        raise damaged(error) from error


def check_paths(found: Mapping[str, Any], expected: set[str]) -> None:
    """Raises unless a file holds exactly the expected datasets."""
    missing, extra = sorted(expected - found.keys()), sorted(found.keys() - expected)
    if missing or extra:
        raise KerasFileError(f"the weights' datasets: missing {_few(missing)}, unexpected {_few(extra)}.")


def _few(paths: list[str]) -> str:
    rest = f" and {len(paths) - 10} more" if len(paths) > 10 else ""
    return f"{', '.join(shown(path) for path in paths[:10]) or 'none'}{rest}"


def is_hdf5(file: BinaryIO) -> bool:
    """Whether an open file says that it is HDF5."""
    file.seek(0)
    return file.read(len(_SIGNATURE)) == _SIGNATURE
