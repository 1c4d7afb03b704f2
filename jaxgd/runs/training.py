"""A plan carried out: training, then the numbers of the rows that were held out."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import jax
import numpy as np

from jaxgd._types import Params
from jaxgd.losses import Loss
from jaxgd.model_base import Model
from jaxgd.runs.plan import AnyPlan
from jaxgd.runs.starting import first_train_state
from jaxgd.training import Checkpoint, EarlyStopping, FitResult, evaluate, fit
from jaxgd.training.divergence import Divergence, said_otherwise
from jaxgd.training.progress import ProgressFn
from jaxgd.training.watching import WatchFn


@dataclass(frozen=True, eq=False)
class Outcome:
    """What came of a plan.

    Attributes:
      plan: what was carried out.
      result: of the training.
      metrics: {"loss": ..., metric: ...} of the held-out rows; of the training rows if none were held out.
    """

    plan: AnyPlan
    result: FitResult
    metrics: dict[str, float]

    @property
    def metrics_of(self) -> str:
        """Which rows `metrics` are of: "held-out" or "training"."""
        return "held-out" if self.plan.facts.held_out else "training"

    @property
    def kept_epoch(self) -> int:
        """How many epochs the kept parameters have seen."""
        best = self.result.best_epoch
        return self.result.history.epochs if best is None else min(best + 1, self.result.history.epochs)

    @property
    def divergence(self) -> Divergence | None:
        """That of the result, with the rows' places in the data."""
        found = self.result.divergence
        return None if found is None else in_data(self.plan, found)

    def last(self, column: str) -> float | None:
        """A column of the history at the kept epoch, or None if there is none."""
        return self.result.history.at(self.kept_epoch).get(column)


def in_data(plan: AnyPlan, found: Divergence) -> Divergence:
    """With the rows' places in the data."""
    rows, bad_rows = (np.asarray(plan.row_numbers(each)) for each in (found.rows, found.bad_rows))
    return replace(found, rows=rows, bad_rows=bad_rows)


def execute(
    plan: AnyPlan, progress: ProgressFn | None = None, checkpoint: Checkpoint | None = None
) -> Outcome:
    """Train, and evaluate the rows that were held out: `train_plan`, then `assess`."""
    return assess(plan, train_plan(plan, progress, checkpoint))


def train_plan(
    plan: AnyPlan,
    progress: ProgressFn | None = None,
    checkpoint: Checkpoint | None = None,
    watch: WatchFn | None = None,
    devices: Any = None,
) -> FitResult:
    """Train as planned.

    Args:
      plan: from `make_plan`.
      progress: as in `jaxgd.fit`; returning False ends the training, and what was reached is the result.
      checkpoint, watch, devices: as in `jaxgd.fit`.

    Raises:
      TypeError, ValueError: the loss refuses the targets; nothing has run then.
    """
    settings = plan.settings
    x, y = plan.training_data()
    stopping = None
    if settings.patience is not None:
        stopping = EarlyStopping(
            "val_loss", patience=settings.patience, mode="min", restore_best_weights=True
        )
    state = None
    if plan.opt_state is not None:
        state = first_train_state(plan.model, plan.params, plan.opt_state, settings.seed)
    with said_otherwise():
        return fit(
            plan.model,
            x,
            y,
            loss=plan.loss,
            optimizer=plan.optimizer,
            epochs=settings.epochs,
            batch_size=settings.batch_size,
            metrics=plan.metrics,
            validation_data=plan.held_out_data(),
            seed=settings.seed,
            params=plan.params if state is None else None,
            state=state,
            early_stopping=stopping,
            checkpoint=checkpoint,
            on_divergence=settings.on_divergence,
            max_halvings=settings.max_halvings,
            devices=devices,
            progress=progress,
            watch=watch,
        )


def assess(plan: AnyPlan, result: FitResult) -> Outcome:
    """The numbers of the rows that were held out, or of the training rows if none were."""
    held_out = plan.held_out_data()
    rows = plan.training_data() if held_out is None else held_out
    x, y = rows if isinstance(rows, tuple) else (rows, None)
    metrics = measure(plan.model, result.params, x, y, plan.loss, plan.metrics, plan.settings.batch_size)
    return Outcome(plan, result, metrics)


def measure(
    model: Model,
    params: Params,
    x: Any,
    y: Any,
    loss: Loss,
    metrics: tuple[Any, ...],
    batch_size: int,
) -> dict[str, float]:
    """Loss and metrics as plain numbers."""
    values: Mapping[str, Any] = evaluate(
        model, params, x, y, loss=loss, metrics=metrics, batch_size=batch_size
    )
    return {name: float(np.mean(value)) for name, value in values.items()}


@contextmanager
def precision_of(dtype: str) -> Iterator[None]:
    """float64 arrays inside the block if the model is float64; JAX makes float32 of them otherwise."""
    if dtype != "float64":
        yield
        return
    with jax.enable_x64(True):
        yield
