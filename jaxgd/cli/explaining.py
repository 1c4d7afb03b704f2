"""What `jaxgd explain` explains: the example, a run with its own rows, or a .keras file with a table."""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np

from jaxgd import data, keras_files, losses, optimizers
from jaxgd.cli.sources import BareModel, open_source
from jaxgd.explain.subject import Subject, example, make_subject
from jaxgd.optimizers import Optimizer
from jaxgd.runs import Run
from jaxgd.runs.folder import MODEL
from jaxgd.runs.plan import LOSSES, targets
from jaxgd.runs.training import precision_of

_ROWS = 32


def precision(source: str | None, dtype: str) -> AbstractContextManager[None]:
    """64-bit types if what is explained is float64."""
    if source is None:
        return precision_of(dtype)
    opened = open_source(source)
    return precision_of(opened.model.dtype if isinstance(opened, BareModel) else opened.settings.dtype)


def open_subject(source: str | None, table: str | None, options: Mapping[str, Any]) -> Subject:
    """The subject that a command line means.

    Raises:
      TypeError, ValueError: something that cannot be explained; the message says what to do.
    """
    if source is None:
        return _example(options)
    opened = open_source(source)
    if isinstance(opened, BareModel):
        return _of_model(opened, table, options)
    return _of_run(opened, table, options)


def _example(options: Mapping[str, Any]) -> Subject:
    if len(options["sizes"]) < 2:
        raise ValueError("--sizes: expected the features and at least one layer, such as 5,10,1.")
    rows = max((_ROWS, *options["rows"]))
    whole = example(
        options["sizes"],
        activation=options["activation"],
        rows=rows,
        loss=options["loss"] or "mean_squared_error",
        optimizer=_optimizer(optimizers.sgd(0.5), options),
        seed=options["seed"],
        dtype=options["dtype"],
    )
    if not options["rows"]:
        return whole
    x, y = (np.asarray(whole.batch[name]) for name in ("x", "y"))
    chosen = _chosen(options, rows)
    title = f"{whole.title}, of which {_listed(chosen)}"
    return make_subject(
        title,
        whole.model,
        whole.params,
        x[chosen],
        y[chosen],
        loss=whole.losses[0].loss,
        optimizer=whole.optimizer,
        row_numbers=(chosen + 1).tolist(),
        seed=options["seed"],
    )


def _of_model(opened: BareModel, table: str | None, options: Mapping[str, Any]) -> Subject:
    if table is None:
        raise ValueError(f"{opened.path}: a model has no rows of its own. Give DATA.")
    prepared = data.prepare(data.read(table), options["target"], options["task"] or opened.task)
    training = opened.training
    own_loss = None if training is None else training.loss
    loss = losses.get(options["loss"] or own_loss or LOSSES[prepared.encoding.task])
    own = None if training is None else training.optimizer
    y = targets(prepared.y, prepared.encoding, loss)
    rows = _chosen(options, len(y))
    return make_subject(
        f"{opened.path} on {table}, {_listed(rows)}",
        opened.model,
        opened.params,
        prepared.x[rows],
        y[rows],
        loss=loss,
        optimizer=_optimizer(own or optimizers.sgd(), options),
        features=prepared.encoding.feature_names,
        row_numbers=(rows + 1).tolist(),
        seed=options["seed"],
    )


def _of_run(run: Run, table: str | None, options: Mapping[str, Any]) -> Subject:
    if options["target"] or options["task"]:
        raise ValueError("--target and --task: a run has its own; they are for .keras files.")
    model, params = run.trained
    x, y = run.held_out() if table is None else run.encode(data.read(table))[:2]
    loss = losses.get(options["loss"]) if options["loss"] else run.loss
    y = targets(y, run.encoding, loss)
    rows = _chosen(options, len(y))
    where = run.config["data"]["source"] if table is None else table
    own = keras_files.load(run.folder / MODEL)[2]
    return make_subject(
        f"{run.folder} on {Path(where).name}, {_listed(rows)}",
        model,
        params,
        x[rows],
        y[rows],
        loss=loss,
        optimizer=_optimizer("sgd" if own is None else own.optimizer, options),
        features=run.encoding.feature_names,
        row_numbers=(rows + 1).tolist(),
        seed=options["seed"],
    )


def _optimizer(own: Any, options: Mapping[str, Any]) -> Optimizer:
    """The one that was asked for, else the model's own, without what it remembers."""
    chosen: Optimizer = optimizers.get(options["optimizer"] or own)
    if options["learning_rate"] is None:
        return chosen
    return chosen.with_hyperparameters(learning_rate=options["learning_rate"])


def _chosen(options: Mapping[str, Any], count: int) -> np.ndarray:
    """Places of the rows asked for. Raises ValueError for one beyond the last."""
    if not options["rows"]:
        return np.arange(min(count, _ROWS))
    beyond = [row for row in options["rows"] if row > count]
    if beyond:
        raise ValueError(f"--row {beyond[0]}: there are {count} rows; expected a number from 1 to {count}.")
    return np.array(options["rows"]) - 1


def _listed(rows: np.ndarray) -> str:
    if len(rows) == 1:
        return f"row {rows[0] + 1}"
    return f"rows {rows[0] + 1} to {rows[-1] + 1}" if (np.diff(rows) == 1).all() else f"{len(rows)} rows"
