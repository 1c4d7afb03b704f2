"""RUN_OR_MODEL: a run folder, or a .keras file with a table that is read as its columns stand."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from jaxgd import data, keras_files, losses
from jaxgd._types import Params
from jaxgd.data.targets import TARGET_NAMES
from jaxgd.model import Sequential
from jaxgd.runs import Run, is_run, open_run
from jaxgd.runs.plan import LOSSES, METRICS, targets
from jaxgd.runs.training import measure

_BATCH_SIZE = 1024


class BareModel(NamedTuple):
    """A .keras file without a run around it: no encoding is known, so its features are a table's numbers."""

    path: Path
    model: Sequential
    params: Params
    training: Any

    def evaluate(self, table: data.Table, target: str | None, task: str | None) -> dict[str, float]:
        """Loss and metrics: the file's own if it has any, else those of the task."""
        prepared = data.prepare(table, target, task)
        self._check_outputs(prepared.encoding)
        loss, metrics = self._what_to_measure(prepared.encoding.task)
        y = targets(prepared.y, prepared.encoding, loss)
        x = self._checked(prepared.x, table)
        return measure(self.model, self.params, x, y, loss, metrics, _BATCH_SIZE)

    def features(self, table: data.Table) -> np.ndarray:
        """float32[rows, features]: all columns but one called target, label, class or y."""
        expected = self.model.input_shape[0]
        names = list(table.names)
        if len(names) == expected + 1:
            names = [name for name in names if name.lower() not in TARGET_NAMES]
        columns = tuple(data.EncodingColumn(name, "number") for name in names)
        return self._checked(data.Encoding(columns, "", "regression").encode(table), table)

    def _what_to_measure(self, task: str) -> tuple[losses.Loss, tuple[Any, ...]]:
        if self.training is None or self.training.loss is None:
            return losses.get(LOSSES[task]), METRICS[task]
        return losses.get(self.training.loss), tuple(self.training.metrics or METRICS[task])

    def _checked(self, x: np.ndarray, table: data.Table) -> np.ndarray:
        if x.shape[1:] != self.model.input_shape:
            expected = self.model.input_shape[0]
            raise ValueError(f"{table.source}: {x.shape[1]} features, but {self.path} takes {expected}.")
        return x

    def _check_outputs(self, encoding: data.Encoding) -> None:
        outputs = self.model.output_shape[0]
        if outputs != encoding.num_outputs:
            raise ValueError(
                f"{self.path}: {outputs} outputs, but the target {encoding.target!r} ({encoding.task}) asks "
                f"for {encoding.num_outputs}. Give --target or --task."
            )


def open_source(path: str) -> Run | BareModel:
    """The run or the model at a path.

    Raises:
      ValueError: neither, or damaged.
    """
    place = Path(path)
    if place.is_dir() or is_run(place):
        return open_run(place)
    if not place.exists():
        raise ValueError(f"{path}: no such run folder or .keras file.")
    try:
        return BareModel(place, *keras_files.load(place))
    except keras_files.KerasFileError as error:
        raise ValueError(f"{path}: {error}") from error
