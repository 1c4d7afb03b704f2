"""From settings and a table to all that a run needs. Everything that a user may have got wrong shows here."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np

from jaxgd import data, layers, losses, optimizers
from jaxgd.model import Sequential, sequential
from jaxgd.model_base import Model
from jaxgd.optimizers import Optimizer, OptimizerState
from jaxgd.runs.settings import Settings
from jaxgd.runs.starting import read_start

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
_TAKES_LABELS = ("sparse_categorical_crossentropy", "categorical_generalized_cross_entropy")
_FOR_CLASSES = ("crossentropy", "cross_entropy", "hinge", "dice", "tversky")


Rows: TypeAlias = Callable[[data.Prepared], tuple[np.ndarray, np.ndarray]]
"""Training rows and held-out rows, places in what was prepared."""


@dataclass(frozen=True, eq=False)
class Plan:
    """A run before its first step.

    Attributes:
      settings: as given.
      table: the raw rows.
      prepared: features, targets and encoding.
      training_rows, held_out_rows: int64, places in `prepared`; the latter empty if nothing is held out.
      model: standardisation first, and for a regression the target's own scale last.
      params: initial, with the statistics of the training rows.
      loss, optimizer, metrics: what to train and to report.
      opt_state: of an optimizer that goes on; None begins anew.
    """

    settings: Settings
    table: data.Table
    prepared: data.Prepared
    training_rows: np.ndarray
    held_out_rows: np.ndarray
    model: Model
    params: dict[str, Any]
    loss: losses.Loss
    optimizer: Optimizer
    metrics: tuple[Any, ...]
    opt_state: OptimizerState | None = None

    @property
    def task(self) -> str:
        """regression, binary or multiclass."""
        return self.prepared.encoding.task

    @property
    def output_activation(self) -> str:
        """Of the last dense layer."""
        if self.settings.from_model is not None:
            return str(getattr(self.model.layers[-1], "activation", None) or "linear")
        return _OUTPUT_ACTIVATIONS[self.task]

    def rows(self, which: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """x and targets of some rows."""
        y = self.prepared.y[which]
        return self.prepared.x[which], targets(y, self.prepared.encoding, self.loss)


def make_plan(settings: Settings, table: data.Table | None = None, rows: Rows | None = None) -> Plan:
    """All that a run of these settings needs.

    Standardisation and the target's scale are measured on the training rows alone.

    Args:
      settings: of the run.
      table: the rows, if they were read already.
      rows: those to train on and those held out, given what was prepared; None splits as the settings say.

    Raises:
      TypeError, ValueError: a setting, or data (`DataError`), that cannot be used.
    """
    settings.check()
    _check_names(settings)
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
    task = prepared.encoding.task
    own = settings.loss is not None
    loss = _fitting_loss(losses.get(settings.loss), task) if own else losses.get(LOSSES[task])
    if settings.from_model is not None:
        continued = _continued(settings, prepared, training, loss)
        return Plan(settings, table, prepared, training, held_out, *continued)
    model, params = _model(settings, prepared, training)
    optimizer = _optimizer(settings, loss, prepared, training)
    return Plan(settings, table, prepared, training, held_out, model, params, loss, optimizer, METRICS[task])


def _continued(
    settings: Settings, prepared: data.Prepared, training: np.ndarray, loss: losses.Loss
) -> tuple[Any, ...]:
    """The fields of a plan, from the model on, for a model that goes on."""
    task = prepared.encoding.task
    start = read_start(settings, prepared.encoding)
    loss = _fitting_loss(start.loss(loss), task)
    metrics = start.metrics(METRICS[task])
    if start.training is None:
        optimizer = _optimizer(settings, loss, prepared, training)
        return start.model, dict(start.params), loss, optimizer, metrics
    return start.model, dict(start.params), loss, start.training.optimizer, metrics, start.training.opt_state


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
    if loss.name in _TAKES_LABELS:
        return y
    return np.eye(len(encoding.classes), dtype=np.float32)[y]


def _fitting_loss(loss: losses.Loss, task: str) -> losses.Loss:
    """Raises ValueError for a loss that means nothing for a task."""
    needs_classes = any(word in loss.name for word in _FOR_CLASSES)
    if task == "regression" and needs_classes:
        raise ValueError(f"loss: {loss.name} is for classes, but the task is a regression.")
    if task != "multiclass" and "categorical" in loss.name:
        raise ValueError(f"loss: {loss.name} is for several outputs, but the task ({task}) has one.")
    return loss


def _model(
    settings: Settings, prepared: data.Prepared, training: np.ndarray
) -> tuple[Sequential, dict[str, Any]]:
    encoding = prepared.encoding
    stack: list[layers.Layer] = [layers.normalization()] if encoding.numeric_mask().any() else []
    for width in settings.hidden:
        stack.append(layers.dense(width, settings.activation))
        if settings.dropout:
            stack.append(layers.dropout(settings.dropout))
    stack.append(layers.dense(encoding.num_outputs, _OUTPUT_ACTIVATIONS[encoding.task]))
    if encoding.task == "regression":
        y = prepared.y[training].astype(np.float64)
        stack.append(layers.rescaling(float(y.std()) or 1.0, offset=float(y.mean())))
    model = sequential(stack, encoding.num_features, dtype=settings.dtype)
    params = model.init(settings.seed)
    if "normalization" in params:
        params["normalization"] = _statistics(prepared, training, params["normalization"])
    return model, params


def _statistics(prepared: data.Prepared, training: np.ndarray, leaves: dict[str, Any]) -> dict[str, Any]:
    """Means and variances of the numbers; 0 and 1 for features that are 0 or 1.

    A number that is constant in the training rows keeps its variance 1: divided by next to nothing, another
    value in a later row would swamp everything.
    """
    x = prepared.x[training].astype(np.float64)
    numeric = prepared.encoding.numeric_mask()
    mean, variance = x.mean(axis=0), x.var(axis=0)
    constant = (x == x[0]).all(axis=0)
    dtype = leaves["mean"].dtype
    return {
        **leaves,
        "mean": leaves["mean"] + np.where(numeric, mean, 0.0).astype(dtype),
        "variance": leaves["variance"] * np.where(numeric & ~constant, variance, 1.0).astype(dtype),
    }


def _optimizer(
    settings: Settings, loss: losses.Loss, prepared: data.Prepared, training: np.ndarray
) -> Optimizer:
    chosen = optimizers.get(settings.optimizer)
    given = {
        name: getattr(settings, name)
        for name in ("learning_rate", "weight_decay", "clipnorm", "global_clipnorm")
        if getattr(settings, name) is not None
    }
    is_squared = prepared.encoding.task == "regression" and loss.name == "mean_squared_error"
    if chosen.name == "sgd" and "learning_rate" not in given and is_squared:
        # gradients grow with the target's variance, and plain descent does not divide it out as Adam does
        variance = float(prepared.y[training].astype(np.float64).var()) or 1.0
        given["learning_rate"] = chosen.settings["learning_rate"] / variance
    return chosen.with_hyperparameters(**given)
