"""What an HDF5 file declares, found and checked without reading a value.

Memory and time are bounded by the constants here: a file cannot name more objects, hide more bytes beside its
arrays, or promise arrays that it does not hold.
"""

import math
import struct
from collections.abc import Mapping
from typing import NamedTuple, cast

import h5py
import numpy as np
from h5py import h5d, h5o, h5z  # pyright: ignore[reportAttributeAccessIssue]

from jaxgd._types import Shape
from jaxgd.keras_files.errors import KerasFileError, shown

MAX_OBJECTS = 20_000
MAX_DEPTH = 16
MAX_CHUNK = 4 * 2**20
MAX_CHUNKS = 20_000
MAX_RATIO = 200
MAX_BESIDES = 8 * 2**20
_BESIDES_PER_OBJECT = 1024
_SMALL = 2**20
_NUMBERS = ("f2", "f4", "f8", "i4", "i8")

FAILURES = (
    OSError, KeyError, RuntimeError, ValueError, TypeError, OverflowError, MemoryError, AttributeError,
    IndexError, struct.error,
)  # fmt: skip
"""What h5py raises on a damaged file."""


class Declared(NamedTuple):
    """What a file declares about one dataset."""

    path: str
    shape: Shape
    dtype: np.dtype
    stored: int
    """Bytes that stand for it in the file."""
    offset: int | None
    """Where they stand, if they stand together."""
    chunks: Shape | None

    @property
    def num_bytes(self) -> int:
        """Bytes that it takes in memory."""
        return math.prod(self.shape) * self.dtype.itemsize

    @property
    def num_chunks(self) -> int:
        """How many pieces it is cut into."""
        chunks = self.chunks or self.shape
        return math.prod(-(-size // chunk) for size, chunk in zip(self.shape, chunks, strict=True) if chunk)


def damaged(error: Exception) -> KerasFileError:
    """The error for a file on which h5py fails."""
    return error if isinstance(error, KerasFileError) else KerasFileError(f"damaged weights ({error}).")


def walk(file: h5py.File) -> dict[str, Declared]:
    """Every dataset by its path. Links that lead elsewhere, and objects met twice, are refused."""
    datasets: dict[str, Declared] = {}
    seen: set[int] = set()
    groups = [""]
    while groups:
        prefix = groups.pop()
        group = cast(h5py.Group, file[prefix or "/"])
        if len(seen) + len(group) > MAX_OBJECTS or prefix.count("/") > MAX_DEPTH:
            raise KerasFileError("the weights have too many objects, or too deep groups.")
        for name in group:
            path = f"{prefix}{name}"
            child = _child(group, str(name), path)
            address = h5o.get_info(child.id).addr
            if address in seen:
                raise KerasFileError(f"{shown(path)}: an object that stands elsewhere in the file too.")
            seen.add(address)
            if isinstance(child, h5py.Dataset):
                datasets[path] = _declared(path, child)
            else:
                groups.append(f"{path}/")
    return datasets


def _child(group: h5py.Group, name: str, path: str) -> h5py.Group | h5py.Dataset:
    if not isinstance(group.get(name, getlink=True), h5py.HardLink):
        raise KerasFileError(f"{shown(path)}: a link; only the file's own objects are read.")
    child = group[name]
    if not isinstance(child, h5py.Group | h5py.Dataset):
        raise KerasFileError(f"{shown(path)}: expected a group or a dataset.")
    return child


def _declared(path: str, dataset: h5py.Dataset) -> Declared:
    """A dataset that may be read."""
    if dataset.is_virtual or dataset.external:
        raise KerasFileError(f"{shown(path)}: its values stand in another file.")
    properties = dataset.id.get_create_plist()
    for index in range(properties.get_nfilters()):
        if properties.get_filter(index)[0] != h5z.FILTER_DEFLATE:
            raise KerasFileError(f"{shown(path)}: a filter other than gzip.")
    if dataset.dtype.str[1:] not in _NUMBERS:
        raise KerasFileError(f"{shown(path)}: expected real numbers, got dtype {shown(str(dataset.dtype))}.")
    if dataset.shape is None:
        raise KerasFileError(f"{shown(path)}: it has no shape.")
    stored, offset = dataset.id.get_storage_size(), dataset.id.get_offset()
    found = Declared(path, tuple(dataset.shape), dataset.dtype, stored, offset, dataset.chunks)
    if properties.get_layout() == h5d.CHUNKED:
        _check_chunks(found)
    elif stored != found.num_bytes:
        raise KerasFileError(f"{shown(path)}: declares {found.num_bytes:,} bytes and holds {stored:,}.")
    return found


def _check_chunks(found: Declared) -> None:
    if math.prod(found.chunks or ()) * found.dtype.itemsize > MAX_CHUNK:
        raise KerasFileError(f"{shown(found.path)}: chunks of {list(found.chunks or ())} are too large.")
    if found.num_bytes > max(_SMALL, MAX_RATIO * found.stored):
        raise KerasFileError(f"{shown(found.path)}: compressed more than {MAX_RATIO} times.")


def check_stored(datasets: Mapping[str, Declared], file_size: int) -> None:
    """Raises for arrays beyond the file's end or over one another, and for much that is no array."""
    end = 0
    for each in sorted((d for d in datasets.values() if d.offset is not None), key=lambda d: d.offset or 0):
        offset = each.offset or 0
        if offset < end or offset + each.stored > file_size:
            raise KerasFileError(
                f"{shown(each.path)}: its bytes are another array's, or beyond the file's end."
            )
        end = offset + each.stored
    if sum(each.num_chunks for each in datasets.values() if each.chunks) > MAX_CHUNKS:
        raise KerasFileError("the weights are cut into too many chunks.")
    besides = file_size - sum(each.stored for each in datasets.values())
    limit = MAX_BESIDES + _BESIDES_PER_OBJECT * len(datasets)
    if besides > limit:
        raise KerasFileError(f"the weights hold {besides:,} bytes besides arrays, more than {limit:,}.")


def unpack_once(file: h5py.File, datasets: Mapping[str, Declared]) -> None:
    """Reads compressed arrays piece by piece, so that damage shows before any array is kept."""
    for each in datasets.values():
        if each.chunks is not None and each.num_bytes:
            dataset = cast(h5py.Dataset, file[each.path])
            for piece in dataset.iter_chunks():
                dataset[piece]
