"""A run folder read back: configuration checked, model, encoding, and the rows that were held out."""

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from jaxgd import data, keras_files, losses
from jaxgd._types import Params
from jaxgd.data.table import is_missing
from jaxgd.model_base import Model
from jaxgd.runs import folder as names
from jaxgd.runs.plan import split, targets
from jaxgd.runs.settings import Settings
from jaxgd.runs.training import measure, precision_of
from jaxgd.runs.writing import VERSION

_FIELDS = ("version", "command", "settings", "inferred", "data", "encoding", "environment", "results")


class RunError(ValueError):
    """A folder that is no run, or a run that is damaged.

    >>> issubclass(RunError, ValueError)
    True
    """


@dataclass(frozen=True, eq=False)
class Run:
    """A run, read from its folder by `open_run`."""

    folder: Path
    config: dict[str, Any]
    settings: Settings
    encoding: data.Encoding
    loss: losses.Loss
    metrics: tuple[Any, ...]

    @cached_property
    def trained(self) -> tuple[Model, Params]:
        """The model and its parameters. Raises ValueError for a file that is not the run's."""
        try:
            model, params, _ = keras_files.load(self.folder / names.MODEL)
        except (keras_files.KerasFileError, OSError) as error:
            raise RunError(f"{self.folder / names.MODEL}: {error}") from error
        shapes = [(self.encoding.num_features,)], [(self.encoding.num_outputs,)]
        if (list(model.input_shapes), list(model.output_shapes)) != shapes:
            raise RunError(f"{self.folder / names.MODEL}: is not the model that {names.CONFIG} describes.")
        return model, params

    def evaluate(self, x: Any, y: np.ndarray | None) -> dict[str, float]:
        """Loss and metrics of rows; y as the encoding gives it, None for a stream."""
        model, params = self.trained
        ready = None if y is None else targets(y, self.encoding, self.loss)
        return measure(model, params, x, ready, self.loss, self.metrics, self.settings.batch_size)

    def held_out(self) -> tuple[np.ndarray, np.ndarray]:
        """x and y of the held-out rows (of all rows if none were), read again from the recorded data.

        Raises:
          RunError: the data has changed since.
          DataError: it cannot be read.
        """
        recorded = self.config["data"]
        table = data.read(recorded["path"] or self.settings.data)
        if not table.is_known_as(recorded["fingerprint"]):
            raise RunError(f"{table.source}: the data is not what the run was trained on (fingerprint).")
        settings = self.settings
        options = {
            "categories": settings.categories,
            "exclude": settings.exclude,
            "dtype": settings.array_dtype,
        }
        prepared = data.prepare(table, settings.target, settings.task, settings.missing, **options)
        training, held_out = split(prepared, settings)
        rows = held_out if len(held_out) else training
        return prepared.x[rows], prepared.y[rows]

    def encode(self, table: data.Table) -> tuple[np.ndarray, np.ndarray, int]:
        """x and y of a table's rows, and how many were left out because the run drops rows with gaps.

        Raises:
          DataError: a column is missing, or a cell is not what it was in training.
        """
        kept = self._complete(table) if self.encoding.missing == "drop" else np.arange(table.num_rows)
        if not len(kept):
            raise data.DataError(f"{table.source}: every row has a missing cell, none is left.")
        rows = table.take(kept)
        dtype = self.settings.array_dtype
        x, y = self.encoding.encode(rows, dtype), self.encoding.encode_target(rows, dtype)
        return x, y, table.num_rows - len(kept)

    def _complete(self, table: data.Table) -> np.ndarray:
        used = (self.encoding.target, *(column.name for column in self.encoding.columns))
        return np.flatnonzero(~np.logical_or.reduce([is_missing(table[name]) for name in used]))


def _measured(folder: Path, config: dict[str, Any]) -> dict[str, Any]:
    """Loss and metrics: those of the model's file, with their options, if the run went on from one."""
    if config["settings"].get("from_model") is not None:
        with precision_of(str(config["settings"]["dtype"])):
            training = keras_files.load(folder / names.MODEL)[2]
        if training is not None:
            return {"loss": training.loss, "metrics": tuple(training.metrics)}
    facts = config["inferred"]
    return {"loss": losses.get(str(facts["loss"])), "metrics": tuple(map(str, facts["metrics"]))}


def is_run(path: str | Path) -> bool:
    """Whether a path is a folder with a run in it."""
    return (Path(path) / names.CONFIG).is_file()


def open_run(path: str | Path) -> Run:
    """The run in a folder.

    Raises:
      RunError: no run there, or a configuration that is damaged or of another version.
    """
    folder = Path(path)
    config = read_config(folder)
    try:
        return Run(
            folder=folder,
            config=config,
            settings=Settings.from_dict(with_new_settings(config["settings"])),
            encoding=data.Encoding.from_json(json.dumps(config["encoding"])),
            **_measured(folder, config),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise RunError(f"{folder / names.CONFIG}: {error}") from error


def read_config(folder: Path) -> dict[str, Any]:
    """config.json with its fields checked. Raises RunError."""
    path = folder / names.CONFIG
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise RunError(f"{folder}: no run there (no {names.CONFIG}).") from error
    except (OSError, ValueError, RecursionError) as error:
        raise RunError(f"{path}: cannot be read ({error}).") from error
    if not isinstance(config, dict) or set(config) != set(_FIELDS):
        raise RunError(f"{path}: expected the fields {', '.join(_FIELDS)}.")
    if config["version"] not in range(1, VERSION + 1):
        raise RunError(f"{path}: version {config['version']!r}, expected at most {VERSION}.")
    tables = [name for name in _FIELDS[2:] if not isinstance(config[name], dict)]
    if tables:
        raise RunError(f"{path}: {tables[0]}: expected a table.")
    return config


def with_new_settings(settings: Any) -> dict[str, Any]:
    """Settings as earlier versions wrote them, with those that came later at their old meaning."""
    later = {"on_divergence": "stop", "max_halvings": 3, "from_model": None}
    return {**later, "window": None, "on_bad_file": "stop", "rows_cache": None, **settings}
