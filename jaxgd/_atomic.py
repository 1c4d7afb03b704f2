"""Files that are there whole or not at all."""

import errno
import glob
import os
import stat
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

try:
    import fcntl
except ImportError:  # not a system that has it
    fcntl = None


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file through a temporary name beside it: a reader sees the old content or the new one.

    Raises:
      OSError: the folder cannot be written; the temporary file is gone then.
    """
    with replacing(path) as stream:
        stream.write(content)


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A file to write, under a temporary name, that takes the place of `path` when the block ends well.

    As with `open`, a file that is there keeps its permissions, and a symbolic link goes on to lead to it.
    Raises OSError for a pipe or a device, whose place a file must not take.
    """
    path = Path(os.path.realpath(path))
    if path.exists() and not path.is_file() and not path.is_dir():
        raise OSError(errno.EINVAL, "expected a file, got a pipe or a device", str(path))
    if not path.parent.exists():  # the error of a temporary file would name that
        raise FileNotFoundError(errno.ENOENT, "no such folder", str(path.parent))
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
    try:
        with _held(temporary):
            with os.fdopen(handle, "wb") as stream:
                yield stream
                stream.flush()
                os.fsync(stream.fileno())
            os.chmod(temporary, _permissions(path))
            os.replace(temporary, path)
    except BaseException:
        with suppress(FileNotFoundError):  # it has its name already
            os.unlink(temporary)
        raise
    _sync_folder(path.parent)


def tidy(folder: Path, names: Iterable[str]) -> None:
    """Removes what a process that was killed while it wrote files of these names has left half done."""
    for name in names:
        for path in folder.glob(f".{glob.escape(name)}.*.tmp"):
            with suppress(FileNotFoundError):
                if not _is_being_written(path):
                    path.unlink()


def write_text(path: Path, text: str) -> None:
    """`write_bytes` of UTF-8."""
    write_bytes(path, text.encode())


@contextmanager
def _held(path: str) -> Iterator[None]:
    """Inside the block, and no longer than this process lives, others see that the file is being written."""
    if fcntl is None:
        yield
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        with suppress(OSError):  # some network file systems have no locks
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(handle)


def _is_being_written(path: Path) -> bool:
    """Raises FileNotFoundError if it is gone."""
    if fcntl is None:
        return False
    with path.open("rb") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except OSError:
            return False
    return False


def _permissions(path: Path) -> int:
    """Those of the file that is there, else those of a new file."""
    with suppress(FileNotFoundError):
        return stat.S_IMODE(path.stat().st_mode)
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask


def _sync_folder(folder: Path) -> None:
    """Makes the new name itself durable, on systems where a folder can be opened and flushed."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    except OSError as error:  # some network and user-space file systems cannot
        if error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.ENOSYS):
            raise
    finally:
        os.close(descriptor)
