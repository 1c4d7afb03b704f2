"""The zip archive around a `.keras` file: checked before anything in it is read, written in one stroke."""

import errno
import io
import os
import stat
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, BinaryIO

from jaxgd.keras_files import json_text
from jaxgd.keras_files.errors import KerasFileError

CONFIG = "config.json"
METADATA = "metadata.json"
WEIGHTS = "model.weights.h5"

MAX_RATIO = 200
_SMALL = 2**20
_CHUNK = 2**18
"""The most that is read at once; a list of members that is longer is refused with it."""

_ENCRYPTED = 0x1
_LOCAL_HEADER = struct.Struct("<26xHH")
_TIMESTAMP = (1980, 1, 1, 0, 0, 0)
_DAMAGE = (zipfile.BadZipFile, zlib.error, struct.error, EOFError, ValueError, NotImplementedError,
           RuntimeError)  # fmt: skip
"""What zipfile raises on a damaged archive."""


class Archive:
    """An open archive whose list of members was checked; `read` and `unpacked` get them."""

    def __init__(self, file: BinaryIO, max_bytes: int) -> None:
        self._file = file
        with _failing():
            self._zip = zipfile.ZipFile(_Bounded(file))  # pyright: ignore[reportArgumentType]
            members = self._zip.infolist()
            _check_members(members, max_bytes)
        self._members = {info.filename: info for info in members}

    @property
    def names(self) -> tuple[str, ...]:
        """The members; the metadata may be missing."""
        return tuple(self._members)

    def read(self, name: str) -> bytes:
        """The content of a member."""
        with _failing():
            return b"".join(self._chunks(name))

    @contextmanager
    def unpacked(self, name: str) -> Iterator[BinaryIO]:
        """A member as a file to seek in: where it stands if it is stored, else a nameless temporary one."""
        info = self._members[name]
        is_stored = info.compress_type == zipfile.ZIP_STORED
        with tempfile.TemporaryFile() as copy:
            with _failing():
                for chunk in self._chunks(name):  # all of it, so that the checksum is compared
                    if not is_stored:
                        copy.write(chunk)
            yield Section(self._file, self._start(info), info.file_size) if is_stored else copy

    def _chunks(self, name: str) -> Iterator[bytes]:
        with self._zip.open(name) as member:
            while chunk := member.read(_CHUNK):
                yield chunk

    def _start(self, info: zipfile.ZipInfo) -> int:
        self._file.seek(info.header_offset)
        lengths = _LOCAL_HEADER.unpack(self._file.read(_LOCAL_HEADER.size))
        return info.header_offset + _LOCAL_HEADER.size + sum(lengths)


class Section(io.RawIOBase, BinaryIO):
    """A part of an open file, as a file."""

    def __init__(self, file: BinaryIO, start: int, size: int) -> None:
        self._file, self._start, self._size, self._place = file, start, size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._place, io.SEEK_END: self._size}[whence]
        self._place = base + offset
        return self._place

    def readinto(self, buffer: Any) -> int:  # pyright: ignore[reportIncompatibleMethodOverride]
        view = memoryview(buffer).cast("B")
        count = max(0, min(len(view), self._size - self._place))
        self._file.seek(self._start + self._place)
        data = self._file.read(count)
        view[: len(data)] = data
        self._place += len(data)
        return len(data)


class _Bounded:
    """A file of which nobody gets much at once: zipfile reads the list of members in one piece."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.seek, self.tell, self.seekable = file.seek, file.tell, file.seekable

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(_CHUNK + 1 if size < 0 else min(size, _CHUNK + 1))
        if len(data) > _CHUNK:
            raise KerasFileError("the archive has too many members.")
        return data


@contextmanager
def _failing() -> Iterator[None]:
    try:
        yield
    except KerasFileError:
        raise
    except (*_DAMAGE, OSError) as error:
        if (
            isinstance(error, OSError) and error.errno != errno.EINVAL
        ):  # EINVAL: a place before the file's start
            raise
        raise KerasFileError(f"not a .keras archive ({error}).") from error


def _check_members(members: list[zipfile.ZipInfo], max_bytes: int) -> None:
    names = [info.filename for info in members]
    for info in members:
        _check_member(info)
    if len(set(names)) < len(names):
        raise KerasFileError("the archive holds a member twice.")
    unexpected = sorted(set(names) - {CONFIG, METADATA, WEIGHTS})
    missing = sorted({CONFIG, WEIGHTS} - set(names))
    if unexpected or missing:
        raise KerasFileError(f"the archive's members: missing {missing}, unexpected {unexpected[:10]}.")
    total = sum(info.file_size for info in members)
    if total > max_bytes:
        raise KerasFileError(f"the archive declares {total:,} bytes, more than max_bytes={max_bytes:,}.")


def _check_member(info: zipfile.ZipInfo) -> None:
    name = info.filename
    if name.startswith(("/", "\\")) or ".." in name.replace("\\", "/").split("/") or ":" in name:
        raise KerasFileError(f"unsafe member name {name!r}.")
    if stat.S_ISLNK(info.external_attr >> 16):
        raise KerasFileError(f"member {name!r} is a symbolic link.")
    if info.flag_bits & _ENCRYPTED:
        raise KerasFileError(f"member {name!r} is encrypted.")
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise KerasFileError(f"member {name!r} has an unknown compression.")
    if info.compress_type == zipfile.ZIP_STORED and info.file_size != info.compress_size:
        raise KerasFileError(f"member {name!r} is stored, but of two sizes.")
    if info.file_size > max(_SMALL, MAX_RATIO * info.compress_size):
        raise KerasFileError(f"member {name!r} is compressed more than {MAX_RATIO} times.")
    if name != WEIGHTS and info.file_size > json_text.MAX_BYTES:
        limit = json_text.MAX_BYTES
        raise KerasFileError(f"member {name!r} has {info.file_size:,} bytes, more than {limit:,}.")


def read_archive(path: str | os.PathLike[str], max_bytes: int) -> dict[str, bytes]:
    """{member: content} of a whole archive.

    Raises:
      KerasFileError: not a zip archive, or a member that is missing, unexpected, unsafe or damaged.
      OSError: the file cannot be opened.
    """
    with open(path, "rb") as file:
        archive = Archive(file, max_bytes)
        return {name: archive.read(name) for name in archive.names}


def pack(members: Mapping[str, bytes]) -> bytes:
    """The bytes of an archive as Keras writes it, uncompressed. Equal members give equal bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, content in members.items():
            info = zipfile.ZipInfo(name, _TIMESTAMP)
            info.external_attr = 0o600 << 16
            archive.writestr(info, content)
    return buffer.getvalue()
