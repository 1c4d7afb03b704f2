"""Compiled programs kept on disk from one process to the next: JAX's own cache, with a folder and a bound.

On for the command line and the scripts, never for a program that merely imports jaxgd. Nothing here imports
JAX: its settings are put into the environment, from where JAX reads them when it is loaded.
"""

import hashlib
import os
import platform
import sys
import time
import warnings
import zlib
from pathlib import Path
from typing import Any

from jaxgd._checks import check_integer

VARIABLE = "JAXGD_CACHE"
MAX_BYTES = 512 * 1024**2
_CHECKED = "checked"
"""A file with the time at which entries were last checked, in seconds."""
_CLOCKS_APART = 10.0
"""Seconds by which a file system's clock may be behind."""
_ENTRY = "-cache"
_ZSTANDARD = b"\x28\xb5\x2f\xfd"
_OFF = ("off", "0", "false", "no", "none")
_DIRECTORY = "jax_compilation_cache_dir"
_SETTINGS = {
    "jax_persistent_cache_min_compile_time_secs": 0.0,  # small programs are most of a small run's start
    "jax_persistent_cache_min_entry_size_bytes": -1,
    "jax_raise_persistent_cache_errors": False,
}


def use_compilation_cache(
    folder: str | os.PathLike[str] | None = None, max_bytes: int = MAX_BYTES
) -> Path | None:
    """Keep compiled programs on disk, so that the next process does not compile them again.

    To be called before the first computation. A damaged entry, a full disk or a folder that cannot be
    written cost a compilation and nothing else; what is damaged is removed, as JAX never writes it again.
    Entries are kept apart by processor, as a program compiled for one may not run on another.

    Args:
      folder: where; None takes the variable JAXGD_CACHE, else `jaxgd` in the user's cache folder
        (XDG_CACHE_HOME, or ~/.cache). JAXGD_CACHE=off keeps nothing.
      max_bytes: what has not been used for longest is removed now until the rest is no larger.

    Returns: the folder, or None where nothing is kept: switched off, or JAX was told of a folder of its own
      (JAX_COMPILATION_CACHE_DIR), which is left alone.
    Raises:
      TypeError, ValueError: a bound that is not a number of bytes.
    >>> use_compilation_cache("off") is None
    True
    """
    check_integer("max_bytes", max_bytes, 0)
    chosen = chosen_folder(folder)
    if chosen is None or _jax_has_its_own():
        return None
    chosen = chosen / f"compiled-{_processor()}"
    remove_oldest(chosen, max_bytes)
    remove_damaged(chosen)
    _tell_jax({_DIRECTORY: str(chosen), **_SETTINGS})
    warnings.filterwarnings("ignore", message="Error (reading|writing) persistent compilation cache")
    return chosen


def share_programs(folder: str | os.PathLike[str]) -> None:
    """Keep compiled programs in `folder`, without a bound: for some processes that work together."""
    _tell_jax({_DIRECTORY: os.fspath(folder), **_SETTINGS})


def remove_oldest(folder: Path, max_bytes: int) -> None:
    """Remove the entries not used for longest until those left have at most `max_bytes`.

    JAX's own bound (jax_compilation_cache_max_size) needs a package that JAX does not bring along.
    """
    entries = sorted(_entries(folder), reverse=True)
    kept = 0
    for _, size, path in entries:
        kept += size
        if kept > max_bytes:
            _remove(path)


def remove_damaged(folder: Path) -> None:
    """Remove the entries that cannot be read, of those written since the last call for this folder.

    JAX compiles again where it cannot read an entry, but keeps the entry: a program cut short by a kill or a
    full disk would be compiled by every process from then on. A folder that cannot be written is left alone.
    """
    stamp = folder / _CHECKED
    before = _last_checked(stamp) - _CLOCKS_APART
    try:
        stamp.write_text(repr(time.time()), encoding="ascii")
    except OSError:
        return
    for path, fact in _files(folder):
        if fact.st_mtime >= before and path.endswith(_ENTRY):
            _remove_if_damaged(path)


def _last_checked(stamp: Path) -> float:
    """0 if that is not known."""
    try:
        return float(stamp.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return 0.0


def _remove_if_damaged(path: str) -> None:
    """By its compression, whose checksum is of all of it; zstandard's would need a package to be read."""
    try:
        content = Path(path).read_bytes()
    except OSError:
        return
    if content.startswith(_ZSTANDARD):
        return
    try:
        zlib.decompress(content)
    except zlib.error:
        _remove(path)


def _entries(folder: Path) -> list[tuple[float, int, str]]:
    """(last use, bytes, path) of each file."""
    return [(max(fact.st_atime, fact.st_mtime), fact.st_size, path) for path, fact in _files(folder)]


def _files(folder: Path) -> list[tuple[str, os.stat_result]]:
    """Those in a folder; none for one that cannot be read."""
    try:
        with os.scandir(folder) as found:
            return [(entry.path, entry.stat()) for entry in found if entry.is_file(follow_symlinks=False)]
    except OSError:
        return []


def _remove(path: str) -> None:
    try:
        os.unlink(path)
    except OSError:
        return  # another process was faster, or it may not be removed: then the bound is exceeded for now


def chosen_folder(folder: str | os.PathLike[str] | None = None) -> Path | None:
    """Where things may be kept, as `use_compilation_cache` says it; None for nowhere."""
    given = os.environ.get(VARIABLE, "") if folder is None else os.fspath(folder)
    if given.strip().lower() in _OFF:
        return None
    if given.strip():
        return Path(given).expanduser().absolute()
    home = os.environ.get("XDG_CACHE_HOME", "")
    try:
        return (Path(home) if os.path.isabs(home) else Path.home() / ".cache") / "jaxgd"
    except RuntimeError:  # a user without a home
        return None


def folder_in_use() -> str | None:
    """Where JAX keeps programs in this process, if anywhere."""
    return _jax().config.jax_compilation_cache_dir if _jax() else os.environ.get(_DIRECTORY.upper())


def _jax_has_its_own() -> bool:
    told = folder_in_use()
    return bool(told) and f"compiled-{_processor()}" not in told


def _tell_jax(settings: dict[str, Any]) -> None:
    """Through its configuration if it is loaded, else through the variables that it reads when it is."""
    for name, value in settings.items():
        if name != _DIRECTORY and name.upper() in os.environ:
            continue  # the user's own word
        if _jax():
            _jax().config.update(name, value)
        else:
            os.environ[name.upper()] = str(value)


def _jax() -> Any:
    return sys.modules.get("jax")


def _processor() -> str:
    """Short, and the same for processors that run the same instructions."""
    return hashlib.sha256(f"{platform.machine()} {_instructions()}".encode()).hexdigest()[:12]


def _instructions() -> str:
    """What the processor says it can do, or its name where the system does not tell."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return platform.processor()
    return next((line for line in lines if line.startswith(("flags", "Features"))), platform.processor())
