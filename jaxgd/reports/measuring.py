"""What a run did not record, measured at its final parameters: predictions, norms of a layer, dead units."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxgd import activations, data
from jaxgd._statistics import merge, partition
from jaxgd._types import Array, Params
from jaxgd.keras_files import KerasTraining
from jaxgd.layers import Dense
from jaxgd.model import Sequential
from jaxgd.optimizers import Optimizer
from jaxgd.runs.plan import Plan, split, targets
from jaxgd.runs.reading import Run, RunError
from jaxgd.runs.training import precision_of
from jaxgd.training import TrainState, make_objective, make_step, predict
from jaxgd.training.objective import Objective

BATCH = 1024
"""Training rows of the one step whose gradient and update are measured."""


class Rows(NamedTuple):
    """The rows of a run: features and targets as the encoding gives them."""

    x: np.ndarray
    y: np.ndarray
    held_out_x: np.ndarray
    held_out_y: np.ndarray


class LayerFacts(NamedTuple):
    """A layer with parameters at the end of training."""

    name: str
    parameters: float
    """Norm of the layer's trained parameters."""
    gradient: float
    update: float
    """Norm of what one more step would add to them."""
    units: int
    dead: int | None
    """Units that give 0 for every row of the batch; None where the activation has no such side."""


@dataclass(frozen=True, eq=False)
class Measured:
    """What was measured.

    Attributes:
      of: "held-out" or "training": whose rows the predictions are.
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


def rows_of_plan(plan: Plan) -> Rows:
    """The rows of a run that has just ended."""
    x, y = plan.prepared.x, plan.prepared.y
    training, held_out = plan.training_rows, plan.held_out_rows
    return Rows(x[training], y[training], x[held_out], y[held_out])


def rows_of_run(run: Run) -> Rows:
    """The rows of a run, read again from where they were.

    Raises:
      RunError: the data has changed since.
      DataError: it cannot be read.
    """
    recorded, settings = run.config["data"], run.settings
    table = data.read(recorded["path"] or settings.data)
    if table.fingerprint != recorded["fingerprint"]:
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
        predictions = np.asarray(predict(model, params, x), np.float64)
        batch = {"x": jnp.asarray(rows.x[:BATCH]), "y": jnp.asarray(_targets(run, rows.y[:BATCH]))}
        objective = make_objective(model, run.loss, targets=batch["y"])
        layers = _layers(objective, model, params, training, batch, model.key(run.settings.seed))
        return Measured(of, y, predictions, layers, len(batch["x"]), _rate(training))


def _targets(run: Run, y: np.ndarray) -> np.ndarray:
    return targets(y, run.encoding, run.loss)


def _rate(training: KerasTraining | None) -> float | None:
    """The learning rate that the optimizer's state holds, if it is a number."""
    if training is None or training.opt_state is None:
        return None
    rate = getattr(training.opt_state, "hyperparameters", {}).get("learning_rate")
    return None if rate is None or np.ndim(rate) or callable(rate) else float(rate)


def _layers(
    objective: Objective,
    model: Sequential,
    params: Params,
    training: KerasTraining | None,
    batch: dict[str, Array],
    key: Any,
) -> tuple[LayerFacts, ...]:
    if training is None or training.opt_state is None:
        return ()
    if not isinstance(training.optimizer, Optimizer) or not isinstance(model, Sequential):
        return ()
    state = training.state(jax.tree.map(jnp.asarray, dict(params)), key)
    step = make_step(objective, training.optimizer)
    mask = model.trainable(params)

    @jax.jit
    def measured(state: TrainState, batch: dict[str, Array]) -> tuple[Any, ...]:
        moving, fixed = partition(state.params, mask)
        loss = lambda moving: objective(merge(moving, fixed), batch, state.key)[0]  # noqa: E731
        after, _ = partition(step(state, batch)[0].params, mask)
        added = jax.tree.map(lambda new, old: new - old, after, moving)
        trees = (moving, jax.grad(loss)(moving), added)
        return *({name: _norm(leaves) for name, leaves in each.items()} for each in trees), _dead(
            model, state.params, batch["x"]
        )

    sizes, gradients, updates, dead = jax.device_get(measured(state, batch))
    units = {name: model.shapes[place + 1][-1] for place, name in enumerate(model.names)}
    return tuple(
        LayerFacts(
            name, float(size), float(gradients[name]), float(updates[name]), units[name], dead.get(name)
        )
        for name, size in sizes.items()
        if any(jax.tree.leaves(mask[name]))
    )


def _norm(leaves: Any) -> Array:
    return jnp.sqrt(sum((jnp.sum(jnp.square(leaf)) for leaf in jax.tree.leaves(leaves)), start=jnp.zeros(())))


def _dead(model: Sequential, params: Params, x: Array) -> dict[str, Array]:
    """{layer: how many units give 0 for every row}, of the layers whose activation is flat somewhere."""
    y, found = model.checked_input(x), {}
    for name, layer, context in model.steps(training=False, key=None):
        y = layer.forward(params.get(name, {}), y, context).y
        if isinstance(layer, Dense) and activations.get(layer.activation).name in ("relu", "relu6"):
            found[name] = jnp.sum(jnp.all(y.reshape(-1, y.shape[-1]) == 0, axis=0))
    return found
