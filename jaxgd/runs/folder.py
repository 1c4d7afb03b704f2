"""Where a run is written: a folder of its own, taken before training starts."""

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

CONFIG, MODEL, CHECKPOINT, HISTORY = "config.json", "model.keras", "checkpoint", "history.csv"
CURVES, REPORT, STARTED, LAYERS = "curves.png", "report.html", "started.json", "layers.csv"
FILES = (CONFIG, MODEL, HISTORY, CURVES, REPORT, STARTED)
_ATTEMPTS = 10_000


@contextmanager
def claim_folder(out: str | None, data: str, base: str = "runs") -> Iterator[Path]:
    """A folder for one run, made now; if the block fails before anything was saved, it is gone again.

    Args:
      out: the folder, or None for the next free `base/<data>-<n>`.
      data: the data's name, for the folder's name.
      base: where numbered folders go.

    Raises:
      FileExistsError: `out` holds a run already, or is no folder.
      OSError: it cannot be made or written.
    """
    made: list[Path] = []
    try:
        folder = _given(Path(out), made) if out is not None else _numbered(Path(base), _slug(data), made)
        yield folder
    except BaseException:
        _remove_empty(made)
        raise


def _given(folder: Path, made: list[Path]) -> Path:
    if folder.exists() and not folder.is_dir():
        raise FileExistsError(f"{folder}: is a file, expected a folder.")
    for name in (CONFIG, MODEL, CHECKPOINT, HISTORY, CURVES, REPORT, STARTED):
        if (folder / name).exists():
            raise FileExistsError(
                f"{folder}: holds a run already ({name}); choose another folder, or go on with "
                f"jaxgd train --resume {folder}."
            )
    _make(folder, made)
    _check_writable(folder)
    return folder


def _numbered(base: Path, name: str, made: list[Path]) -> Path:
    _make(base, made)
    first = 1 + max((_number(path.name, name) for path in base.iterdir()), default=0)
    for number in range(first, first + _ATTEMPTS):
        folder = base / f"{name}-{number}"
        try:
            folder.mkdir()
        except FileExistsError:  # another run took the number a moment ago
            continue
        made.append(folder)
        return folder
    raise FileExistsError(f"{base}: no free number for {name}-<n>.")


def _number(found: str, name: str) -> int:
    match = re.fullmatch(re.escape(name) + r"-([0-9]{1,9})", found)
    return int(match[1]) if match else 0


def _slug(data: str) -> str:
    """A file's name without its ending, in characters that every file system takes."""
    return re.sub(r"[^\w.-]+", "-", Path(data).stem).strip("-.")[:60] or "run"


def _make(folder: Path, made: list[Path]) -> None:
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    for path in reversed(missing):
        path.mkdir(exist_ok=True)
        made.append(path)


def _check_writable(folder: Path) -> None:
    probe = folder / ".jaxgd-probe"
    probe.touch()
    probe.unlink()


def _remove_empty(made: list[Path]) -> None:
    for folder in reversed(made):
        if folder.is_dir() and _holds_nothing(folder):
            (folder / STARTED).unlink(missing_ok=True)
            shutil.rmtree(folder / CHECKPOINT, ignore_errors=True)
            folder.rmdir()


def _holds_nothing(folder: Path) -> bool:
    """Whether no step of a run is kept there."""
    kept = [path.name for path in folder.iterdir() if path.name not in (STARTED, CHECKPOINT)]
    return not kept and not list((folder / CHECKPOINT).glob("*.npz"))
