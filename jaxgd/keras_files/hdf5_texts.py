"""The texts of an HDF5 attribute, read without HDF5.

A list of texts is a list of references into a heap. Many may refer to one long text, which the library would
copy as often, and in a damaged heap it may turn in circles. Here the lengths are summed before one is read.
Objects' headers of version 1 are understood, which is all that Keras writes.
"""

import struct
from collections.abc import Iterator
from typing import BinaryIO

from jaxgd.keras_files.errors import KerasFileError, shown

MAX_BYTES = 4 * 2**20
_PREFIX = struct.Struct("<BxHIII")
_MESSAGE = struct.Struct("<HHB3x")
_BLOCK = struct.Struct("<QQ")
_ATTRIBUTE = struct.Struct("<BBHHH")
_REFERENCE = struct.Struct("<IQI")
_HEAP = struct.Struct("<4sB3xQ")
_IN_HEAP = struct.Struct("<HHIQ")
_IS_CONTINUATION, _IS_ATTRIBUTE = 0x10, 0x0C
_MOST_BLOCKS, _LARGEST_BLOCK = 64, 2**20
_MOST_IN_HEAPS = 100_000


def read_texts(file: BinaryIO, address: int, name: str, count: int, size: int | None) -> list[str]:
    """The `count` texts of an attribute.

    Args:
      file: the HDF5 file, open.
      address: of the object that has the attribute.
      name: the attribute's.
      count: how many texts it has.
      size: the bytes of each; None for texts of any length, in a heap.

    Raises:
      KerasFileError: too much text, or a form that Keras does not write.
    """
    data = _attribute_data(file, address, name)
    if size is not None:
        _check_total(name, count * size)
        pieces = [data[k * size : (k + 1) * size].rstrip(b"\x00") for k in range(count)]
    else:
        references = [_REFERENCE.unpack_from(data, k * _REFERENCE.size) for k in range(count)]
        _check_total(name, sum(length for length, _, _ in references))
        heap = _Heap(file)
        pieces = [heap.read(place, index, length) for length, place, index in references]
    return [piece.decode("utf-8") for piece in pieces]


def _check_total(name: str, total: int) -> None:
    if total > MAX_BYTES:
        raise KerasFileError(f"{shown(name)}: {total:,} bytes of text, more than {MAX_BYTES:,}.")


def _attribute_data(file: BinaryIO, address: int, name: str) -> bytes:
    for message in _attributes(file, address):
        found, data = _name_and_data(message)
        if found == name.encode():
            return data
    raise _unknown_form(name)


def _unknown_form(name: str) -> KerasFileError:
    return KerasFileError(f"{shown(name)}: an attribute in a form that Keras does not write.")


def _attributes(file: BinaryIO, address: int) -> Iterator[bytes]:
    """The attribute messages of an object, block by block."""
    version, _, _, size, _ = _PREFIX.unpack(_at(file, address, _PREFIX.size))
    blocks = [(address + _PREFIX.size, size)] if version == 1 else []
    for start, size in (blocks.pop() for _ in range(_MOST_BLOCKS) if blocks):
        for kind, data in _messages(_at(file, start, size)):
            if kind == _IS_CONTINUATION:
                blocks.append(_BLOCK.unpack_from(data))
            elif kind == _IS_ATTRIBUTE:
                yield data


def _messages(block: bytes) -> Iterator[tuple[int, bytes]]:
    place = 0
    while place + _MESSAGE.size <= len(block):
        kind, size, _ = _MESSAGE.unpack_from(block, place)
        place += _MESSAGE.size
        yield kind, block[place : place + size]
        place += size


def _name_and_data(message: bytes) -> tuple[bytes, bytes]:
    """Version 1 pads its parts to eight bytes; version 3 does not, and has a byte more in front."""
    version, _, *sizes = _ATTRIBUTE.unpack_from(message)
    if version == 1:
        start, parts = _ATTRIBUTE.size, [_padded(size) for size in sizes]
    else:
        start, parts = _ATTRIBUTE.size + 1, sizes
    name = message[start : start + sizes[0]]
    return name.rstrip(b"\x00"), message[start + sum(parts) :]


def _padded(size: int) -> int:
    return -(-size // 8) * 8


class _Heap:
    """The global heap: collections of numbered pieces. Each collection is gone through once."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._collections: dict[int, dict[int, tuple[int, int]]] = {}
        self._left = _MOST_IN_HEAPS

    def read(self, address: int, index: int, length: int) -> bytes:
        """Piece number `index` of the collection at `address`."""
        if not length:
            return b""
        if address not in self._collections:
            self._collections[address] = dict(self._pieces(address))
        start, size = self._collections[address].get(index, (0, -1))
        if size != length:
            raise _unknown_form("text")
        return _at(self._file, start, size, MAX_BYTES)

    def _pieces(self, address: int) -> Iterator[tuple[int, tuple[int, int]]]:
        signature, version, size = _HEAP.unpack(_at(self._file, address, _HEAP.size))
        if signature != b"GCOL" or version != 1:
            raise _unknown_form("text")
        place, end = address + _HEAP.size, address + size
        while place + _IN_HEAP.size <= end and self._left:
            index, _, _, length = _IN_HEAP.unpack(_at(self._file, place, _IN_HEAP.size))
            if not index:  # the free space at the end
                return
            place += _IN_HEAP.size
            yield index, (place, length)
            place += _padded(length)
            self._left -= 1


def _at(file: BinaryIO, start: int, size: int, most: int = _LARGEST_BLOCK) -> bytes:
    """Exactly so many bytes."""
    if size <= most:
        file.seek(start)
        data = file.read(size)
        if len(data) == size:
            return data
    raise KerasFileError("a header in a form that Keras does not write.")
