"""How long the texts of an HDF5 attribute are, found before any of them is read.

A list of texts is a list of references, and many may refer to one long text: HDF5 would copy it as often.
The lengths stand in the attribute's message in the group's header, version 1, which is all that Keras writes.
"""

import struct
from collections.abc import Iterator
from typing import BinaryIO

from jaxgd.keras_files.errors import KerasFileError, shown

_PREFIX = struct.Struct("<BxHIII")
_MESSAGE = struct.Struct("<HHB3x")
_BLOCK = struct.Struct("<QQ")
_ATTRIBUTE = struct.Struct("<BBHHH")
_REFERENCE = struct.Struct("<IQI")
_IS_CONTINUATION, _IS_ATTRIBUTE = 0x10, 0x0C
_MOST_BLOCKS, _LARGEST_BLOCK = 64, 2**20


def text_lengths(file: BinaryIO, address: int, name: str, count: int) -> list[int]:
    """The lengths in bytes of the `count` texts of an attribute of the object at `address`.

    Raises:
      KerasFileError: the object's header is not one that Keras writes, or has no such attribute.
    """
    for message in _attributes(file, address):
        found, data = _name_and_data(message)
        if found == name.encode() and len(data) >= count * _REFERENCE.size:
            return [_REFERENCE.unpack_from(data, k * _REFERENCE.size)[0] for k in range(count)]
    raise KerasFileError(f"{shown(name)}: an attribute in a form that Keras does not write.")


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
        start, parts = _ATTRIBUTE.size, [-(-size // 8) * 8 for size in sizes]
    else:
        start, parts = _ATTRIBUTE.size + 1, sizes
    name = message[start : start + sizes[0]]
    return name.rstrip(b"\x00"), message[start + sum(parts) :]


def _at(file: BinaryIO, start: int, size: int) -> bytes:
    if size > _LARGEST_BLOCK:
        raise KerasFileError("a header in a form that Keras does not write.")
    file.seek(start)
    return file.read(size)
