"""From settings and a table to all that a run needs. Everything that a user may have got wrong shows here."""

import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from jaxgd import data, layers, losses, optimizers
from jaxgd.data.streams.listing import is_many
from jaxgd.data.sums import Exchange, alone, moments
from jaxgd.model import Sequential, sequential
from jaxgd.model_base import Model
from jaxgd.optimizers import Optimizer, OptimizerState
from jaxgd.runs.settings import Settings
from jaxgd.runs.starting import read_start, with_its_task
from jaxgd.scaling import hosts

LOSSES = {
    "multiclass": "sparse_categorical_crossentropy",
    "binary": "binary_crossentropy",
    "regression": "mean_squared_error",
}
METRICS = {
    "multiclass": ("accuracy",),
    "binary": ("accuracy", "auc"),
    "regression": ("mae", "r2_score"),
}
_OUTPUT_ACTIVATIONS = {"multiclass": "softmax", "binary": "sigmoid", "regression": "linear"}
_FOR_CLASSES = ("crossentropy", "cross_entropy", "hinge", "dice", "tversky")


Rows: TypeAlias = Callable[[data.Prepared], tuple[np.ndarray, np.ndarray]]
"""Training rows and held-out rows, places in what was prepared."""


class Facts(NamedTuple):
    """Which data a run is of, and how many of its rows are of use."""

    source: str
    path: str | None
    """None for an embedded set."""
    rows: int
    columns: int
    fingerprint: str
    kept: int
    training: int
    held_out: int
    left_out: Mapping[str, str] = MappingProxyType({})
    """{file: why it was left out}."""
    read_here: int | None = None
    """How many rows this process has read, if others have read the rest."""


class Measures(NamedTuple):
    """Mean and variance of the rows that train: [features] each, and the target's of a regression."""

    mean: np.ndarray
    variance: np.ndarray
    target_mean: float
    target_variance: float


@dataclass(frozen=True, eq=False, kw_only=True)
class AnyPlan(ABC):
    """A run before its first step, wherever its rows are.

    Attributes:
      settings: as given.
      model: standardisation first, and for a regression the target's own scale last.
      params: initial, with the statistics of the training rows.
      loss, optimizer, metrics: what to train and to report.
      opt_state: of an optimizer that goes on; None begins anew.
    """

    settings: Settings
    model: Model
    params: dict[str, Any]
    loss: losses.Loss
    optimizer: Optimizer
    metrics: tuple[Any, ...]
    opt_state: OptimizerState | None = None

    @property
    @abstractmethod
    def encoding(self) -> data.Encoding:
        """How raw rows become features."""

    @property
    @abstractmethod
    def facts(self) -> Facts:
        """Which data it is of."""

    @abstractmethod
    def training_data(self) -> tuple[Any, Any]:
        """x and y as `fit` takes them."""

    @abstractmethod
    def held_out_data(self) -> Any:
        """What `fit` takes as `validation_data`; None if nothing is held out."""

    @abstractmethod
    def some_rows(self, count: int, held_out: bool = False) -> tuple[np.ndarray, np.ndarray]:
        """x and y, as the encoding gives it, of the first rows that train, or that are held out."""

    @abstractmethod
    def row_numbers(self, rows: np.ndarray) -> list[int]:
        """The places in the data of rows that a divergence names."""

    @property
    def task(self) -> str:
        """regression, binary or multiclass."""
        return self.encoding.task

    @property
    def output_activation(self) -> str:
        """Of the last dense layer."""
        if self.settings.from_model is not None:
            return str(getattr(self.model.layers[-1], "activation", None) or "linear")
        return _OUTPUT_ACTIVATIONS[self.task]


@dataclass(frozen=True, eq=False, kw_only=True)
class Plan(AnyPlan):
    """A run on a table in memory.

    Attributes:
      table: the raw rows.
      prepared: features, targets and encoding.
      training_rows, held_out_rows: int64, places in `prepared`; the latter empty if nothing is held out.
    """

    table: data.Table
    prepared: data.Prepared
    training_rows: np.ndarray
    held_out_rows: np.ndarray

    @property
    def encoding(self) -> data.Encoding:
        return self.prepared.encoding

    @property
    def facts(self) -> Facts:
        table = self.table
        is_file = table.format not in ("embedded", "memory")
        return Facts(
            source=table.source,
            path=os.path.abspath(self.settings.data) if is_file else None,
            rows=table.num_rows,
            columns=len(table.names),
            fingerprint=table.fingerprint,
            kept=len(self.prepared.y),
            training=len(self.training_rows),
            held_out=len(self.held_out_rows),
        )

    def training_data(self) -> tuple[np.ndarray, np.ndarray]:
        return self.rows(self.training_rows)

    def held_out_data(self) -> tuple[np.ndarray, np.ndarray] | None:
        return self.rows(self.held_out_rows) if len(self.held_out_rows) else None

    def some_rows(self, count: int, held_out: bool = False) -> tuple[np.ndarray, np.ndarray]:
        which = (self.held_out_rows if held_out else self.training_rows)[:count]
        return self.prepared.x[which], self.prepared.y[which]

    def row_numbers(self, rows: np.ndarray) -> list[int]:
        return [int(self.prepared.rows[self.training_rows[row]]) for row in rows]

    def rows(self, which: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """x and targets of some rows."""
        y = self.prepared.y[which]
        return self.prepared.x[which], targets(y, self.prepared.encoding, self.loss)


def is_streamed(settings: Settings) -> bool:
    """Whether rows are read block by block: of several files, or as a window or a cache was asked for."""
    asked = settings.window is not None or settings.rows_cache is not None
    return asked or (settings.data not in data.EMBEDDED and is_many(settings.data))


def make_plan(settings: Settings, table: Any = None, rows: Rows | None = None) -> Any:
    """All that a run of these settings needs.

    Standardisation and the target's scale are measured on the training rows alone.

    Args:
      settings: of the run.
      table: the rows, if they were read already: a table, or a stream.
      rows: those to train on and those held out, given what was prepared; None splits as the settings say.

    Returns: a `Plan`; a `StreamPlan` for rows of many files; a `SharedPlan` where each of several processes
      reads its share of a table.
    Raises:
      TypeError, ValueError: a setting, or data (`DataError`), that cannot be used.
    """
    settings.check()
    _check_names(settings)
    settings = with_its_task(settings)
    if is_streamed(settings) and rows is None:
        from jaxgd.runs.streams import make_stream_plan

        return make_stream_plan(settings, table)
    if hosts.num_processes() > 1 and rows is None:
        from jaxgd.runs.shared_plan import SharedTable, make_shared_plan, read_together

        table = read_together(settings.data) if table is None else table
        if isinstance(table, SharedTable):
            return make_shared_plan(settings, table)
    table = data.read(settings.data) if table is None else table
    prepared = data.prepare(
        table,
        settings.target,
        settings.task,
        settings.missing,
        categories=settings.categories,
        exclude=settings.exclude,
        dtype=settings.array_dtype,
    )
    training, held_out = split(prepared, settings) if rows is None else rows(prepared)
    prepared = _without_held_out_means(prepared, table, training)
    return _planned(settings, table, prepared, training, held_out)


def replan(plan: Plan, settings: Settings) -> Plan:
    """The same rows with another network, loss or optimizer.

    Raises:
      TypeError, ValueError: as `make_plan`.
    """
    settings.check()
    _check_names(settings)
    return _planned(settings, plan.table, plan.prepared, plan.training_rows, plan.held_out_rows)


def _check_names(settings: Settings) -> None:
    """Raises ValueError for an unknown optimizer or loss, before the data is read."""
    optimizers.get(settings.optimizer)
    if settings.loss is not None:
        losses.get(settings.loss)


def _planned(
    settings: Settings,
    table: data.Table,
    prepared: data.Prepared,
    training: np.ndarray,
    held_out: np.ndarray,
) -> Plan:
    network = planned_network(settings, prepared.encoding, lambda: _measures(table, prepared, training))
    rows = {"table": table, "prepared": prepared, "training_rows": training, "held_out_rows": held_out}
    return Plan(settings=settings, **rows, **network)


def planned_network(
    settings: Settings, encoding: data.Encoding, measures: Callable[[], Measures]
) -> dict[str, Any]:
    """The fields of a plan from the model on.

    Args:
      settings, encoding: of the run.
      measures: gives those of the training rows, if they are needed.
    """
    task = encoding.task
    own = settings.loss is not None
    loss = _fitting_loss(losses.get(settings.loss), task) if own else losses.get(LOSSES[task])
    if settings.from_model is not None:
        return _continued(settings, encoding, measures, loss)
    measured = measures()
    model, params = _model(settings, encoding, measured)
    optimizer = _optimizer(settings, task, loss, measured)
    return {"model": model, "params": params, "loss": loss, "optimizer": optimizer, "metrics": METRICS[task]}


def _continued(
    settings: Settings, encoding: data.Encoding, measures: Callable[[], Measures], loss: losses.Loss
) -> dict[str, Any]:
    """The fields of a plan, from the model on, for a model that goes on."""
    start = read_start(settings, encoding)
    loss = _fitting_loss(start.loss(loss), encoding.task)
    fields = {"model": start.model, "params": dict(start.params), "loss": loss}
    fields["metrics"] = start.metrics(METRICS[encoding.task])
    if start.training is None:
        return {**fields, "optimizer": _optimizer(settings, encoding.task, loss, measures())}
    return {**fields, "optimizer": start.training.optimizer, "opt_state": start.training.opt_state}


def split(prepared: data.Prepared, settings: Settings) -> tuple[np.ndarray, np.ndarray]:
    """Training rows and held-out rows, places in `prepared`; every class has its share of both."""
    num_rows = len(prepared.y)
    if not settings.validation_split:
        return np.arange(num_rows), np.arange(0)
    stratify = None if prepared.encoding.task == "regression" else prepared.y
    seed = settings.seed if settings.split_seed is None else settings.split_seed
    return data.split_rows(num_rows, settings.validation_split, seed, stratify)


def _without_held_out_means(
    prepared: data.Prepared, table: data.Table, training: np.ndarray
) -> data.Prepared:
    """Missing numbers stand in for by the mean of the training rows alone."""
    if all(column.mean is None for column in prepared.encoding.columns):
        return prepared
    encoding = prepared.encoding.with_means_of(table.take(prepared.rows[training]))
    return replace(
        prepared, encoding=encoding, x=encoding.encode(table.take(prepared.rows), prepared.x.dtype)
    )


def targets(y: np.ndarray, encoding: data.Encoding, loss: losses.Loss) -> np.ndarray:
    """Targets in the shape that a loss takes: labels [rows], one-hot [rows, classes], or [rows, 1]."""
    if encoding.task != "multiclass":
        return (y if y.dtype.kind == "f" else y.astype(np.float32)).reshape(-1, 1)
    if loss.takes_labels:
        return y
    return np.eye(len(encoding.classes), dtype=np.float32)[y]


def _fitting_loss(loss: losses.Loss, task: str) -> losses.Loss:
    """Raises ValueError for a loss that means nothing for a task."""
    needs_classes = any(word in loss.name for word in _FOR_CLASSES)
    if task == "regression" and needs_classes:
        raise ValueError(
            f"loss: {loss.name} is for classes, but the task is a regression. "
            "Give --task binary or --task multiclass if the target's numbers are classes."
        )
    if task != "multiclass" and "categorical" in loss.name:
        raise ValueError(f"loss: {loss.name} is for several outputs, but the task ({task}) has one.")
    return loss


def _model(
    settings: Settings, encoding: data.Encoding, measured: Measures
) -> tuple[Sequential, dict[str, Any]]:
    stack: list[layers.Layer] = [layers.normalization()] if encoding.numeric_mask().any() else []
    for width in settings.hidden:
        stack.append(layers.dense(width, settings.activation))
        if settings.dropout:
            stack.append(layers.dropout(settings.dropout))
    stack.append(layers.dense(encoding.num_outputs, _OUTPUT_ACTIVATIONS[encoding.task]))
    if encoding.task == "regression":
        scale = float(np.sqrt(measured.target_variance)) or 1.0
        stack.append(layers.rescaling(scale, offset=measured.target_mean))
    model = sequential(stack, encoding.num_features, dtype=settings.dtype)
    params = model.init(settings.seed)
    if "normalization" in params:
        params["normalization"] = _statistics(measured, params["normalization"])
    return model, params


def _measures(table: data.Table, prepared: data.Prepared, training: np.ndarray) -> Measures:
    find = _formerly_measured if table.is_former else measured
    return find(prepared.x[training], prepared.y[training], prepared.encoding)


def _formerly_measured(x: np.ndarray, y: np.ndarray, encoding: data.Encoding) -> Measures:
    """As `measured`, in sums whose last bits depend on the order of the rows: of runs begun with such."""
    x, y = x.astype(np.float64), y.astype(np.float64)
    numeric = encoding.numeric_mask()
    constant = (x == x[0]).all(axis=0)
    mean = np.where(numeric, x.mean(axis=0), 0.0)
    variance = np.where(numeric & ~constant, x.var(axis=0), 1.0)
    return Measures(mean, variance, float(y.mean()), float(y.var()))


def measured(x: np.ndarray, y: np.ndarray, encoding: data.Encoding, exchange: Exchange = alone) -> Measures:
    """Means and variances of the numbers; 0 and 1 for features that are 0 or 1.

    A number that is constant in the training rows keeps its variance 1: divided by next to nothing, another
    value in a later row would swamp everything.

    Args:
      x, y: the rows that train; of several processes those of this one, and all find the same bits.
      encoding: of the rows.
      exchange: gives what every process brings.
    """
    found = moments(np.column_stack([x, y]).astype(np.float64), exchange)
    numeric = encoding.numeric_mask()
    constant = (found.extent.low == found.extent.high)[:-1]
    mean = np.where(numeric, found.mean[:-1], 0.0)
    variance = np.where(numeric & ~constant, found.variance[:-1], 1.0)
    return Measures(mean, variance, float(found.mean[-1]), float(found.variance[-1]))


def _statistics(measured: Measures, leaves: dict[str, Any]) -> dict[str, Any]:
    dtype = leaves["mean"].dtype
    return {
        **leaves,
        "mean": leaves["mean"] + measured.mean.astype(dtype),
        "variance": leaves["variance"] * measured.variance.astype(dtype),
    }


def _optimizer(settings: Settings, task: str, loss: losses.Loss, measured: Measures) -> Optimizer:
    chosen = optimizers.get(settings.optimizer)
    given = {
        name: getattr(settings, name)
        for name in ("learning_rate", "weight_decay", "clipnorm", "global_clipnorm")
        if getattr(settings, name) is not None
    }
    is_squared = task == "regression" and loss.name == "mean_squared_error"
    if chosen.name == "sgd" and "learning_rate" not in given and is_squared:
        # gradients grow with the target's variance, and plain descent does not divide it out as Adam does
        variance = measured.target_variance or 1.0
        given["learning_rate"] = chosen.settings["learning_rate"] / variance
    return chosen.with_hyperparameters(**given)
