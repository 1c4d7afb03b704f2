"""A run folder as far as it can be read: what is missing is said, the rest is there."""

import csv
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from jaxgd.runs import folder as names

_TABLES = ("settings", "inferred", "data", "encoding", "environment", "results")


@dataclass(frozen=True, eq=False)
class Recorded:
    """What a run folder says.

    Attributes:
      folder: of the run.
      config: content of config.json; every table of it is there, perhaps empty.
      history: {column: [rows]}; epochs: int[rows].
      problems: what is missing or damaged, a sentence each.
      layers: {"quantity: layer": [rows]}, and layer_epochs: int[rows], if the run was watched.
    """

    folder: Path
    config: dict[str, Any]
    history: dict[str, np.ndarray]
    epochs: np.ndarray
    problems: tuple[str, ...]
    layers: dict[str, np.ndarray] = field(default_factory=dict)
    layer_epochs: np.ndarray = field(default_factory=lambda: np.zeros(0, int))


def read_folder(folder: Path) -> Recorded:
    """Read what can be read.

    Raises:
      ValueError: not a folder, or nothing of a run is in it.
    """
    if not folder.is_dir():
        raise ValueError(f"{folder}: no such folder. Give the folder of a run, such as runs/digits-1.")
    known = (names.CONFIG, names.MODEL, names.HISTORY, names.STARTED)
    if not any((folder / name).exists() for name in known):
        raise ValueError(f"{folder}: no run there (none of {', '.join(known)}).")
    problems: list[str] = []
    config = _config(folder, problems)
    history, epochs = _read_history(folder / names.HISTORY, problems)
    watched = (folder / names.LAYERS).exists()
    layers = read_columns(folder / names.LAYERS, problems) if watched else ({}, np.zeros(0, int))
    if not (folder / names.MODEL).is_file():
        problems.append(f"{names.MODEL} is missing: nothing can be measured again.")
    return Recorded(folder, config, history, epochs, tuple(problems), *layers)


def _config(folder: Path, problems: list[str]) -> dict[str, Any]:
    """config.json; of a run that was not finished, what it was asked to do."""
    path = folder / names.CONFIG
    if not path.exists() and (folder / names.STARTED).exists():
        problems.append(f"The run was not finished. Go on with it: jaxgd train --resume {folder}")
        path = folder / names.STARTED
    found: Any = {}
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        problems.append(f"{path.name} is missing: settings, results and versions are not known.")
    except (OSError, ValueError, RecursionError) as error:
        problems.append(f"{path.name} cannot be read ({error}): settings and results are not known.")
    config = found if isinstance(found, dict) else {}
    absent = [name for name in _TABLES if not isinstance(config.get(name), dict)]
    if absent and config and path.name == names.CONFIG:
        problems.append(f"{path.name} lacks {', '.join(absent)}.")
    return {**config, **{name: {} for name in absent}}


def _read_history(path: Path, problems: list[str]) -> tuple[dict[str, np.ndarray], np.ndarray]:
    if path.exists():
        return read_columns(path, problems)
    problems.append(f"{path.name} is missing: there are no curves.")
    return {}, np.zeros(0, int)


def read_columns(path: Path, problems: list[str]) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """The columns of a CSV with a row an epoch, and its epochs; what cannot be read is said in `problems`."""
    nothing = {}, np.zeros(0, int)
    try:
        rows = list(csv.reader(path.read_text(encoding="utf-8").splitlines()))
    except (OSError, ValueError, csv.Error) as error:
        problems.append(f"{path.name} cannot be read ({error}): there are no curves.")
        return nothing
    if not rows or rows[0][:1] != ["epoch"]:
        problems.append(f"{path.name} has no header that begins with epoch: there are no curves.")
        return nothing
    numbers = [found for row in rows[1:] if (found := _numbers(row, len(rows[0]))) is not None]
    if len(numbers) < len(rows) - 1:
        problems.append(f"{path.name}: {len(rows) - 1 - len(numbers)} rows are damaged and left out.")
    table = np.array(numbers, np.float64).reshape(len(numbers), len(rows[0]))
    return {name: table[:, place] for place, name in enumerate(rows[0]) if place}, table[:, 0].astype(int)


def _numbers(row: list[str], width: int) -> list[float] | None:
    """A row of numbers, or None for a damaged one."""
    if len(row) != width or not row[0].isdecimal():
        return None
    try:
        return [float(cell) for cell in row]
    except ValueError:
        return None
