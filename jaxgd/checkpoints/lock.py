"""One run at a time in a folder. The lock is the kernel's: it ends with the process, however that ends."""

import errno
import os
import socket
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from jaxgd.checkpoints.errors import CheckpointWarning, FolderInUseError

LOCK = "lock"
_CANNOT_LOCK = (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold `folder` inside the block.

    Raises:
      FolderInUseError: another process, or another run of this one, holds it.
      OSError: the folder cannot be written.
    """
    descriptor = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        if not _acquire(descriptor):
            holder = os.pread(descriptor, 200, 0).decode(errors="replace").strip() or "another process"
            raise FolderInUseError(
                f"{folder}: in use by {holder}. Wait until that run has ended, or choose another folder."
            )
        with suppress(OSError):  # the name of the holder is a courtesy; a full disk must not forbid reading
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"process {os.getpid()} on {socket.gethostname()}\n".encode(), 0)
        yield
    finally:
        os.close(descriptor)


def _acquire(descriptor: int) -> bool:
    try:
        import fcntl
    except ImportError:  # Windows
        import msvcrt

        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)  # pyright: ignore[reportAttributeAccessIssue]
        except OSError:
            return False
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in _CANNOT_LOCK:
            raise
        warnings.warn(
            f"the file system cannot lock ({error.strerror}): a second run in the same folder would not be "
            "noticed. See to it that there is none.",
            CheckpointWarning,
            stacklevel=2,
        )
    return True
