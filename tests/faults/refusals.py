"""What an operating system refuses a process: writing where it may not, and files that are too large."""

import ctypes
import os
import resource
from contextlib import ExitStack, contextmanager

CAP_DAC_OVERRIDE = 1
"""The right to write whatever a file's mode says (capability.h)."""
VERSION_3 = 0x20080522


def contents(folder):
    """{name: bytes} of the files under a folder."""
    return {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@contextmanager
def files_of_at_most(size):
    """A full disk, as far as a process can tell: a write beyond the limit fails."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@contextmanager
def read_only(*paths):
    """Files and folders that cannot be written, by root neither; everything stays readable."""
    with ExitStack() as undo:
        for path in paths:
            undo.callback(path.chmod, path.stat().st_mode)
            path.chmod(0o555 if path.is_dir() else 0o444)
        if os.geteuid() == 0:
            undo.enter_context(_without_override())
        yield


@contextmanager
def _without_override():
    """This thread without root's right to override modes; whoever owns a private folder still reads it."""
    header = (ctypes.c_uint32 * 2)(VERSION_3, 0)
    rights = (ctypes.c_uint32 * 6)()  # effective, permitted, inheritable; twice
    _call("capget", header, rights)
    effective = rights[0]
    rights[0] = effective & ~(1 << CAP_DAC_OVERRIDE)
    _call("capset", header, rights)
    try:
        yield
    finally:
        rights[0] = effective
        _call("capset", header, rights)


def _call(name, *arguments):
    if getattr(ctypes.CDLL(None, use_errno=True), name)(*arguments) != 0:
        raise OSError(ctypes.get_errno(), f"{name} failed")
