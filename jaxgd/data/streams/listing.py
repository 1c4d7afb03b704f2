"""Which files a folder, a pattern or a list stands for."""

import glob
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jaxgd.data.errors import DataError

KINDS = ("parquet", "csv", "tsv", "npy")
"""The endings of files that are read block by block."""


def is_many(where: Any) -> bool:
    """Whether `where` stands for several files: a folder, a pattern, or a list.

    >>> is_many("parts/*.parquet"), is_many("table.csv")
    (True, False)
    """
    if not isinstance(where, str | os.PathLike):
        return isinstance(where, list | tuple)
    path = Path(where)
    return path.is_dir() or (glob.has_magic(str(where)) and not path.exists())


def list_files(where: Any) -> tuple[str, list[Path]]:
    """The files, in the order of their names (a list: in its own), and which of `KINDS` they are.

    Of a folder, all files of one of these kinds in it and in the folders in it; names that begin with a dot
    or an underscore are passed over, and so are other endings.

    Raises:
      DataError: none, or of several kinds.
    """
    found = _found(where)
    kinds = sorted({_kind(path) for path in found})
    if len(kinds) > 1:
        first = {kind: next(path for path in found if _kind(path) == kind) for kind in kinds}
        shown = ", ".join(f"{first[kind]} ({kind})" for kind in kinds)
        raise DataError(f"{shown_place(where)}: expected files of one kind, got {shown}.")
    return kinds[0], found


def _found(where: Any) -> list[Path]:
    if isinstance(where, Sequence) and not isinstance(where, str):
        return [_known(Path(each)) for each in where] or _none(where, "the list is empty")
    path = Path(where)
    if path.is_file():
        return [_known(path)]
    if path.is_dir():
        inside = sorted(each for each in path.rglob("*") if _counts(each, path))
        other = next((each for each in sorted(path.rglob("*")) if each.is_file()), None)
        return inside or _none(where, "the folder is empty" if other is None else f"it holds {other.name}")
    if not glob.has_magic(str(where)):
        raise DataError(f"{where}: no such file or folder.")
    matching = sorted(Path(each) for each in glob.glob(str(where), recursive=True) if Path(each).is_file())
    return [_known(each) for each in matching] or _none(where, "no file matches")


def _none(where: Any, why: str) -> list[Path]:
    endings = ", ".join(f".{kind}" for kind in KINDS)
    raise DataError(f"{shown_place(where)}: no file to read ({why}), expected files that end in {endings}.")


def _counts(path: Path, folder: Path) -> bool:
    hidden = any(part.startswith((".", "_")) for part in path.relative_to(folder).parts)
    return not hidden and _kind(path) in KINDS and path.is_file()


def _known(path: Path) -> Path:
    if _kind(path) not in KINDS:
        endings = ", ".join(f".{kind}" for kind in KINDS)
        raise DataError(f"{path}: unknown ending {path.suffix!r} for a stream, expected one of {endings}.")
    return path


def _kind(path: Path) -> str:
    return path.suffix.lower().removeprefix(".")


def shown_place(where: Any) -> str:
    """`where` as messages name it."""
    return str(where) if isinstance(where, str | os.PathLike) else f"{len(where)} files"
