"""What a run did not record, measured at its final parameters: predictions, and a step that is not kept."""

from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxgd import data
from jaxgd.keras_files import KerasTraining
from jaxgd.reports.probing import BATCH, LayerFacts, make_probe
from jaxgd.runs.plan import AnyPlan, Plan, is_streamed, split, targets
from jaxgd.runs.reading import Run, RunError
from jaxgd.runs.streams import plan_of_run
from jaxgd.runs.training import precision_of
from jaxgd.training import predict

MOST_ROWS = 65_536
"""Rows of a streamed run that are measured."""


class Rows(NamedTuple):
    """The rows of a run: features and targets as the encoding gives them."""

    x: np.ndarray
    y: np.ndarray
    held_out_x: np.ndarray
    held_out_y: np.ndarray
    are_first: bool = False
    """Whether there are more."""


@dataclass(frozen=True, eq=False)
class Measured:
    """What was measured.

    Attributes:
      of: "held-out" or "training": whose rows the predictions are; "first ..." if not all of them were taken.
      y: labels or values; predictions: [rows, outputs].
      layers: one for each layer with trained parameters.
      batch: how many training rows the step was measured on.
      learning_rate: of the next step; None if the file does not say.
    """

    of: str
    y: np.ndarray
    predictions: np.ndarray
    layers: tuple[LayerFacts, ...]
    batch: int
    learning_rate: float | None


def rows_of_plan(plan: AnyPlan) -> Rows:
    """The rows of a run that has just ended; of a streamed one the first."""
    if not isinstance(plan, Plan):
        return _first_rows(plan)
    x, y = plan.prepared.x, plan.prepared.y
    training, held_out = plan.training_rows, plan.held_out_rows
    return Rows(x[training], y[training], x[held_out], y[held_out])


def _first_rows(plan: AnyPlan) -> Rows:
    x, y = plan.some_rows(MOST_ROWS)
    held_out = plan.some_rows(MOST_ROWS, held_out=True) if plan.facts.held_out else (x[:0], y[:0])
    are_first = len(y) < plan.facts.training or len(held_out[1]) < plan.facts.held_out
    return Rows(x, y, *held_out, are_first=are_first)


def rows_of_run(run: Run) -> Rows:
    """The rows of a run, read again from where they were.

    Raises:
      RunError: the data has changed since.
      DataError: it cannot be read.
    """
    recorded, settings = run.config["data"], run.settings
    if is_streamed(settings):
        return _first_rows(plan_of_run(run))
    table = data.read(recorded["path"] or settings.data)
    if not table.is_known_as(recorded["fingerprint"]):
        raise RunError(f"{table.source}: the data is not what the run was trained on (fingerprint).")
    options = {"categories": settings.categories, "exclude": settings.exclude}
    prepared = data.prepare(table, settings.target, settings.task, settings.missing, **options)
    training, held_out = split(prepared, settings)
    x = run.encoding.encode(table.take(prepared.rows))
    return Rows(x[training], prepared.y[training], x[held_out], prepared.y[held_out])


def measure_run(run: Run, training: KerasTraining | None, rows: Rows) -> Measured:
    """Predictions of the held-out rows (of the training rows if none were), and one more step, not kept.

    Args:
      run: read from its folder.
      training: the loss and the optimizer of its file.
      rows: of the run.

    Raises:
      ValueError: a file that is not the run's.
    """
    with precision_of(run.settings.dtype):
        model, params = run.trained
        of = "held-out" if len(rows.held_out_y) else "training"
        x, y = (rows.held_out_x, rows.held_out_y) if of == "held-out" else (rows.x, rows.y)
        of = f"first {of}" if rows.are_first else of
        predictions = np.asarray(predict(model, params, x), np.float64)
        layers, rate = (), None
        if training is not None and training.opt_state is not None:
            probe = make_probe(
                model, run.loss, training.optimizer, rows.x, targets(rows.y, run.encoding, run.loss)
            )
            state = training.state(jax.tree.map(jnp.asarray, dict(params)), model.key(run.settings.seed))
            layers, rate = probe(state)
        return Measured(of, y, predictions, layers, min(len(rows.y), BATCH), rate)
