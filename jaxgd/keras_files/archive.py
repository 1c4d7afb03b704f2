"""The zip archive around a `.keras` file: its members read with care and written in one stroke."""

import os
import stat
import zipfile
import zlib
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path

from jaxgd.keras_files.errors import KerasFileError

CONFIG = "config.json"
METADATA = "metadata.json"
WEIGHTS = "model.weights.h5"

MAX_RATIO = 200
_SMALL = 2**20
_ENCRYPTED = 0x1
_TIMESTAMP = (1980, 1, 1, 0, 0, 0)
_HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"


def read_archive(path: str | os.PathLike[str], max_bytes: int) -> dict[str, bytes]:
    """The members of an archive.

    Args:
      path: the file.
      max_bytes: limit of the sum of the members' sizes, checked before any is read.

    Returns: {member: content}; the metadata may be missing.
    Raises:
      KerasFileError: not a zip archive, or a member that is missing, unexpected, unsafe or damaged.
      OSError: the file cannot be opened.
    """
    with open(path, "rb") as file:
        try:
            with zipfile.ZipFile(file) as archive:
                _check_members(archive.infolist(), max_bytes)
                return {info.filename: archive.read(info) for info in archive.infolist()}
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, NotImplementedError) as error:
            if isinstance(error, KerasFileError):
                raise
            raise KerasFileError(_not_an_archive(file, error)) from error


def _not_an_archive(file: object, error: Exception) -> str:
    file.seek(0)  # pyright: ignore[reportAttributeAccessIssue]
    if file.read(8) == _HDF5_SIGNATURE:  # pyright: ignore[reportAttributeAccessIssue]
        return "this is an HDF5 file, not a .keras archive; open it in Keras and save it as .keras."
    return f"not a .keras archive ({error})."


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
    if info.file_size > max(_SMALL, MAX_RATIO * info.compress_size):
        raise KerasFileError(f"member {name!r} is compressed more than {MAX_RATIO} times.")


def write_archive(path: str | os.PathLike[str], members: Mapping[str, bytes]) -> None:
    """Write an archive as Keras does, uncompressed. Equal members give equal bytes.

    Raises:
      OSError: the folder cannot be written; `path` is then as it was.
    """
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, content in members.items():
            info = zipfile.ZipInfo(name, _TIMESTAMP)
            info.external_attr = 0o600 << 16
            archive.writestr(info, content)
    _replace(Path(path), buffer.getbuffer())


def _replace(path: Path, content: memoryview) -> None:
    """The file's old content, or all of the new one, even if the machine stops in between."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{os.urandom(4).hex()}.tmp")
    try:
        with open(temporary, "xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
