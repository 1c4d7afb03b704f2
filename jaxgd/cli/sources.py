"""RUN_OR_MODEL: a run folder, or a file of Keras with a table that is read as its columns stand."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from jaxgd import data, keras_files, losses
from jaxgd._types import Params
from jaxgd.data.targets import TARGET_NAMES
from jaxgd.runs import Run, is_run, open_run
from jaxgd.runs.plan import LOSSES, METRICS, targets
from jaxgd.runs.training import measure, precision_of
from jaxgd.training import predict

_BATCH_SIZE = 1024


class BareModel(NamedTuple):
    """A file of Keras without a run around it: no encoding is known, its features are a table's numbers."""

    path: Path
    model: Any
    params: Params
    training: Any

    def evaluate(self, table: data.Table, target: str | None, task: str | None) -> dict[str, float]:
        """Loss and metrics: the file's own if it has any, else those of the task."""
        prepared = data.prepare(table, target, task, dtype=self._array_dtype)
        self._check_outputs(prepared.encoding)
        loss, metrics = self._what_to_measure(prepared.encoding.task)
        y = targets(prepared.y, prepared.encoding, loss)
        x = self._checked(prepared.x, table)
        with precision_of(self.model.dtype):
            return measure(self.model, self.params, x, y, loss, metrics, _BATCH_SIZE)

    def predict(self, table: data.Table) -> np.ndarray:
        """The outputs [rows, outputs] of all columns but one called target, label, class or y."""
        with precision_of(self.model.dtype):
            outputs = predict(self.model, self.params, self._features(table))
        return outputs.reshape(len(outputs), -1)

    @property
    def _array_dtype(self) -> str:
        return "float64" if self.model.dtype == "float64" else "float32"

    def _features(self, table: data.Table) -> np.ndarray:
        expected = self.model.input_shapes[0][0]
        names = list(table.names)
        if len(names) == expected + 1:
            names = [name for name in names if name.lower() not in TARGET_NAMES]
        columns = tuple(data.EncodingColumn(name, "number") for name in names)
        return self._checked(data.Encoding(columns, "", "regression").encode(table, self._array_dtype), table)

    def _what_to_measure(self, task: str) -> tuple[losses.Loss, tuple[Any, ...]]:
        if self.training is None or self.training.loss is None:
            return losses.get(LOSSES[task]), METRICS[task]
        return losses.get(self.training.loss), tuple(self.training.metrics or METRICS[task])

    def _checked(self, x: np.ndarray, table: data.Table) -> np.ndarray:
        if x.shape[1:] != self.model.input_shapes[0]:
            expected = self.model.input_shapes[0][0]
            raise ValueError(f"{table.source}: {x.shape[1]} features, but {self.path} takes {expected}.")
        return x

    def _check_outputs(self, encoding: data.Encoding) -> None:
        outputs = self.model.output_shapes[0][0]
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
    return open_model(path)


def open_model(path: str) -> BareModel:
    """The model in a file of Keras, in its own dtype.

    Raises:
      ValueError: none, damaged, or one that does not take rows of one table.
    """
    try:
        with precision_of(keras_files.dtype_of(path)):
            found = BareModel(Path(path), *keras_files.load(path))
    except keras_files.KerasFileError as error:
        raise ValueError(f"{path}: {error}") from error
    shapes, outputs = tuple(found.model.input_shapes), tuple(found.model.output_shapes)
    if len(shapes) != 1 or len(outputs) != 1:
        raise ValueError(f"{path}: expected a model with one input and one output.")
    if len(shapes[0]) != 1:
        raise ValueError(f"{path}: expected a model of rows of features, got shape {list(shapes[0])}.")
    return found
