"""NPY and NPZ: a header's sizes are checked before anything is allocated; nothing is ever unpickled."""

import re
import struct
import zipfile
import zlib
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import BinaryIO

import numpy as np

from jaxgd.data.errors import DataError, check_bytes

_MAGIC = b"\x93NUMPY"
_MAX_HEADER = 10_000
_ITEMS = (
    r"'descr': ?'(?P<descr>[<>|=]?[a-zA-Z][0-9]{0,9})'",
    r"'fortran_order': ?(?P<fortran>True|False)",
    r"'shape': ?\((?P<shape>[0-9, ]{0,400})\)",
)
_HEADER = re.compile(r"\{ ?(?:(?:" + "|".join(_ITEMS) + r") ?,? ?){3}\}")
_BYTES_PER_CELL = 8
_X_NAMES, _Y_NAMES = ("x", "X", "features"), ("y", "Y", "target")
_ZIP_ERRORS = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    RuntimeError,  # a member that says it is encrypted
    NotImplementedError,
    ValueError,
    KeyError,
    IndexError,
    OverflowError,
)


@dataclass(frozen=True)
class ArrayHeader:
    """What the header of an array declares."""

    dtype: np.dtype
    fortran: bool
    shape: tuple[int, ...]

    @property
    def num_bytes(self) -> int:
        return prod(self.shape) * self.dtype.itemsize

    @property
    def bytes_as_columns(self) -> int:
        return prod(self.shape) * max(self.dtype.itemsize, _BYTES_PER_CELL)


def read_npy(path: Path, max_bytes: int) -> dict[str, np.ndarray]:
    """The columns `column_0, column_1, ...` of a 2-D array of numbers.

    Raises:
      DataError: not an NPY file, truncated, pickled objects, not 2-D, or larger than `max_bytes`.
    """
    with path.open("rb") as stream:
        header = read_header(stream, str(path))
        check_matrix(header, str(path))
        check_bytes(header.bytes_as_columns, max_bytes, str(path))
        array = _read_data(stream, header, str(path))
    return {f"column_{place}": array[:, place] for place in range(array.shape[1])}


def read_npz(path: Path, max_bytes: int) -> dict[str, np.ndarray]:
    """The columns `x0, x1, ...` of the array x and, if there is one, `y`.

    Raises:
      DataError: not an NPZ file, damaged, members that no NPZ has, no array x, two arrays x or y, lengths
        that differ, shapes that are not [rows, features] and [rows], or larger than `max_bytes`.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            return _read_archive(archive, path, max_bytes)
    except DataError:
        raise
    except _ZIP_ERRORS as error:
        raise DataError(f"{path}: not an NPZ file that can be read ({error}).") from error


def _read_archive(archive: zipfile.ZipFile, path: Path, max_bytes: int) -> dict[str, np.ndarray]:
    members = _members(archive, path)
    x_name, y_name = (_find(members, known, path) for known in (_X_NAMES, _Y_NAMES))
    if x_name is None:
        raise DataError(f"{path}: expected the arrays x and y, got {', '.join(members) or 'no array'}.")
    names = [x_name] if y_name is None else [x_name, y_name]
    headers = {name: _member_header(archive, members[name], f"{path}, array {name!r}") for name in names}
    check_matrix(headers[x_name], f"{path}, array {x_name!r}")
    check_bytes(sum(header.bytes_as_columns for header in headers.values()), max_bytes, str(path))
    if y_name is not None:
        _check_target(headers[y_name], headers[x_name], f"{path}, array {y_name!r}")
    arrays = {name: _member_data(archive, members[name], f"{path}, array {name!r}") for name in names}
    x = arrays[x_name]
    columns = {f"x{place}": x[:, place] for place in range(x.shape[1])}
    return columns if y_name is None else columns | {"y": arrays[y_name].reshape(-1)}


def _members(archive: zipfile.ZipFile, path: Path) -> dict[str, zipfile.ZipInfo]:
    """{array's name: member}. Raises DataError for a name met twice, or one that NumPy does not write."""
    members: dict[str, zipfile.ZipInfo] = {}
    for member in archive.infolist():
        name = member.filename.removesuffix(".npy")
        if not re.fullmatch(r"[\w .-]{1,200}\.npy", member.filename) or name.startswith("."):
            raise DataError(f"{path}: unexpected member {member.filename[:80]!r}, expected arrays (.npy).")
        if name in members:
            raise DataError(f"{path}: two members are called {member.filename!r}.")
        if member.flag_bits & 1 or member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise DataError(f"{path}, array {name!r}: encrypted, or a compression other than deflate.")
        members[name] = member
    return members


def _find(members: dict[str, zipfile.ZipInfo], known: tuple[str, ...], path: Path) -> str | None:
    found = [name for name in known if name in members]
    if len(found) > 1:
        raise DataError(f"{path}: expected one of the arrays {', '.join(known)}, got {', '.join(found)}.")
    return found[0] if found else None


def _member_header(archive: zipfile.ZipFile, member: zipfile.ZipInfo, where: str) -> ArrayHeader:
    with archive.open(member) as stream:
        return read_header(stream, where)  # pyright: ignore[reportArgumentType]


def _member_data(archive: zipfile.ZipFile, member: zipfile.ZipInfo, where: str) -> np.ndarray:
    with archive.open(member) as stream:
        return _read_data(stream, read_header(stream, where), where)  # pyright: ignore[reportArgumentType]


def read_header(stream: BinaryIO, where: str) -> ArrayHeader:
    """What an array's header declares. Written here because NumPy's own evaluates the text as Python."""
    prefix = stream.read(8)
    if len(prefix) < 8 or prefix[:6] != _MAGIC or prefix[6] not in (1, 2, 3):
        raise DataError(f"{where}: expected a NumPy array, got other content or a truncated file.")
    size_format = "<H" if prefix[6] == 1 else "<I"
    size_bytes = stream.read(struct.calcsize(size_format))
    size = int.from_bytes(size_bytes, "little")
    text = stream.read(size) if size <= _MAX_HEADER else b""
    if len(size_bytes) < struct.calcsize(size_format) or len(text) < size:
        raise DataError(f"{where}: the array's header is truncated or longer than {_MAX_HEADER} bytes.")
    return _parse_header(text.decode("latin-1"), where)


def _parse_header(text: str, where: str) -> ArrayHeader:
    match = _HEADER.fullmatch(" ".join(text.split()))  # single blanks, so that no pattern backtracks for long
    if match is None or None in match.groupdict().values():
        raise DataError(f"{where}: expected a plain array, got the header {text[:120]!r}.")
    if match["descr"].lstrip("<>|=").startswith("O"):
        raise DataError(f"{where}: holds pickled Python objects, expected numbers, bools or text.")
    try:
        dtype = np.dtype(match["descr"])
    except TypeError as error:
        raise DataError(f"{where}: unknown type {match['descr']!r}.") from error
    if dtype.kind not in "biufU" or not dtype.itemsize:
        raise DataError(f"{where}: expected numbers, bools or text, got {dtype}.")
    shape = tuple(int(size) for size in match["shape"].replace(",", " ").split())
    return ArrayHeader(dtype, match["fortran"] == "True", shape)


def check_matrix(header: ArrayHeader, where: str) -> None:
    if header.dtype.kind == "U":
        raise DataError(f"{where}: expected numbers, got text.")
    if len(header.shape) != 2:
        raise DataError(f"{where}: expected two dimensions [rows, columns], got shape {header.shape}.")
    if not prod(header.shape):
        raise DataError(f"{where}: no rows or no columns, got shape {header.shape}.")


def _check_target(y: ArrayHeader, x: ArrayHeader, where: str) -> None:
    if len(y.shape) != 1 and (len(y.shape) != 2 or y.shape[1] != 1):
        raise DataError(f"{where}: expected one value a row, got shape {y.shape}.")
    if y.shape[0] != x.shape[0]:
        raise DataError(f"{where}: {y.shape[0]} rows, but x has {x.shape[0]}.")


def _read_data(stream: BinaryIO, header: ArrayHeader, where: str) -> np.ndarray:
    """The array; bools in a matrix become 0 and 1, for a matrix is numbers."""
    data = stream.read(header.num_bytes)
    if len(data) < header.num_bytes or stream.read(1):
        relation = "at least" if len(data) == header.num_bytes else len(data)
        raise DataError(f"{where}: {relation} bytes of data, expected {header.num_bytes} for {header.shape}.")
    flat = np.frombuffer(data, dtype=header.dtype)
    array = flat.reshape(header.shape, order="F" if header.fortran else "C")
    _check_text(array, where)
    return array.astype(np.int64) if array.dtype.kind == "b" and array.ndim == 2 else array


def _check_text(array: np.ndarray, where: str) -> None:
    """Raises DataError for four-byte characters that are not Unicode; NumPy reads them without a check."""
    if array.dtype.kind != "U":
        return
    points = np.ascontiguousarray(array).view(array.dtype.newbyteorder("=").str[0] + "u4")
    if points.size and (points.max() > 0x10FFFF or ((points >= 0xD800) & (points <= 0xDFFF)).any()):
        raise DataError(f"{where}: text that is not Unicode.")
