"""RUN_OR_MODEL: a run folder, or a file of Keras with a table that is read as its columns stand."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import click
import numpy as np

from jaxgd import data, keras_files, losses
from jaxgd._types import Params
from jaxgd.cli import several
from jaxgd.data.streams import Wishes, stream_alike, stream_of
from jaxgd.data.targets import TARGET_NAMES
from jaxgd.runs import Run, is_run, open_run
from jaxgd.runs.model_task import task_of
from jaxgd.runs.plan import LOSSES, METRICS, targets
from jaxgd.runs.training import measure, precision_of
from jaxgd.training import evaluate, predict

_BATCH_SIZE = 1024


class BareModel(NamedTuple):
    """A file of Keras without a run around it: no encoding is known, its features are a table's numbers."""

    path: Path
    model: Any
    params: Params
    training: Any

    def evaluate(self, table: data.Table, target: str | None, task: str | None) -> dict[str, float]:
        """Loss and metrics: the file's own if it has any, else those of the task.

        Raises:
          ValueError: a table that does not fit, or a model of several outputs that was not compiled.
        """
        if len(self.model.output_names) > 1:
            return self._evaluate_several(table, target, task)
        prepared = data.prepare(table, target, task or self.task, dtype=self._array_dtype)
        self._check_outputs(prepared.encoding)
        loss, metrics = self._what_to_measure(prepared.encoding.task)
        y = targets(prepared.y, prepared.encoding, loss)
        self._check_features(prepared.x.shape[1], table.source)
        with precision_of(self.model.dtype):
            inputs = several.split_inputs(self.model, prepared.x)
            return measure(self.model, self.params, inputs, y, loss, metrics, _BATCH_SIZE)

    def _evaluate_several(self, table: data.Table, target: str | None, task: str | None) -> dict[str, float]:
        if target is not None or task is not None:
            raise ValueError(
                f"{self.path}: --target and --task are for one output; of several, the columns are called as "
                f"the outputs: {', '.join(self.model.output_names)}."
            )
        if self.training is None or self.training.loss is None:
            raise ValueError(f"{self.path}: was not compiled, so there is no loss to evaluate.")
        y = several.target_arrays(self.model, table, self._array_dtype)
        with precision_of(self.model.dtype):
            return evaluate(
                self.model,
                self.params,
                several.split_inputs(self.model, self._features(table)),
                y,
                loss=self.training.loss,
                metrics=self.training.metrics or (),
                weighted_metrics=self.training.weighted_metrics or (),
                loss_weights=self.training.loss_weights,
                batch_size=_BATCH_SIZE,
            )

    def predict(self, table: data.Table) -> dict[str, np.ndarray]:
        """{column: [rows]} of the outputs, from all columns that are no target by their name."""
        with precision_of(self.model.dtype):
            inputs = several.split_inputs(self.model, self._features(table))
            return several.output_columns(self.model, predict(self.model, self.params, inputs))

    def evaluate_stream(
        self, where: str, target: str | None, task: str | None, on_bad_file: str
    ) -> tuple[int, dict[str, float]]:
        """How many rows the files have, and what `evaluate` says of them."""
        self._check_streams(where)
        rows = stream_of(where, Wishes(target, task or self.task, dtype=self._array_dtype), on_bad_file)
        self._check_outputs(rows.encoding)
        self._check_features(rows.encoding.num_features, where)
        loss, metrics = self._what_to_measure(rows.encoding.task)
        rows = replace(rows, targets=lambda y: targets(y, rows.encoding, loss))
        with precision_of(self.model.dtype):
            return rows.num_rows, measure(self.model, self.params, rows, None, loss, metrics, _BATCH_SIZE)

    def predict_stream(self, where: str, on_bad_file: str) -> Iterator[np.ndarray]:
        """What `predict` says of the rows of files, piece by piece."""
        self._check_streams(where)
        options = {"with_target": False, "dtype": self._array_dtype, "on_bad_file": on_bad_file}
        rows = stream_alike(where, self._encoding, **options)
        self._check_features(rows.encoding.num_features, where)
        with precision_of(self.model.dtype):
            for outputs in predict(self.model, self.params, rows):
                yield outputs.reshape(len(outputs), -1)

    def _check_streams(self, where: str) -> None:
        if len(self.model.input_names) > 1 or len(self.model.output_names) > 1:
            raise ValueError(
                f"{where}: files are streamed through a model with one input and one output; {self.path} has "
                "more, so give one table."
            )

    @property
    def task(self) -> str | None:
        """That of its loss, where this is clear."""
        return task_of(self.model, self.training)

    @property
    def _array_dtype(self) -> str:
        return "float64" if self.model.dtype == "float64" else "float32"

    def _features(self, table: data.Table) -> np.ndarray:
        names = self._feature_names(table.names)
        self._check_features(len(names), table.source)
        return several.numbers(table, names, self._array_dtype)

    def _feature_names(self, names: Sequence[str]) -> list[str]:
        """Without the columns of targets: called as outputs, or like a target where there is one too many."""
        if len(self.model.output_names) > 1:
            of_outputs = several.target_columns(self.model, names).values()
            return [name for name in names if not any(name in each for each in of_outputs)]
        if len(names) == several.num_features(self.model) + 1:
            return [name for name in names if name.lower() not in TARGET_NAMES]
        return list(names)

    def _encoding(self, names: Sequence[str]) -> data.Encoding:
        """Numbers, as they stand."""
        columns = tuple(data.EncodingColumn(name, "number") for name in self._feature_names(names))
        return data.Encoding(columns, "", "regression")

    def _what_to_measure(self, task: str) -> tuple[losses.Loss, tuple[Any, ...]]:
        if self.training is None or self.training.loss is None:
            return losses.get(LOSSES[task]), METRICS[task]
        return losses.get(self.training.loss), tuple(self.training.metrics or METRICS[task])

    def _check_features(self, count: int, source: str) -> None:
        expected = several.num_features(self.model)
        if count != expected:
            raise ValueError(f"{source}: {count} features, but {self.path} takes {expected}.")

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
      ValueError: none, damaged, or one that does not take rows of features.
    """
    try:
        with precision_of(keras_files.dtype_of(path)):
            model, params, training, unread = keras_files.load_what_can_be_read(path)
            found = BareModel(Path(path), model, params, training)
    except keras_files.KerasFileError as error:
        raise ValueError(f"{path}: {error}") from error
    if unread:
        click.echo(f"Note: {path}: {unread} Its training is left out.", err=True)
    shapes = tuple(found.model.input_shapes)
    if len(shapes) == 1 and len(shapes[0]) != 1:
        raise ValueError(f"{path}: expected a model of rows of features, got shape {list(shapes[0])}.")
    return found
