"""One training step that is not kept, measured layer by layer: norms, dead units, the learning rate."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxgd import activations, random
from jaxgd._programs import compiled
from jaxgd._statistics import merge, partition
from jaxgd._types import Array, Params
from jaxgd.layers import Dense
from jaxgd.model import Sequential
from jaxgd.optimizers import Optimizer
from jaxgd.training import Step, TrainState, make_objective, make_step

BATCH = 1024
"""Training rows of the step."""


class LayerFacts(NamedTuple):
    """A layer whose parameters are trained."""

    name: str
    parameters: float
    """Norm of the layer's trained parameters."""
    gradient: float
    update: float
    """Norm of what one more step would add to them."""
    units: int
    dead: int | None
    """Units that give 0 for every row of the batch; None where the activation has no such side."""


Probe = Callable[[TrainState], tuple[tuple[LayerFacts, ...], float | None]]
"""The layers, and the learning rate of the next step; None where there is not one number for it."""


def make_probe(model: Any, loss: Any, optimizer: Any, x: np.ndarray, y: np.ndarray) -> Probe:
    """A function that measures one further step at any state of a run; it is compiled once.

    Args:
      model, loss, optimizer: of the run. Of a model that is not a stack of layers, and with an optimizer
        of another library, no layer is measured.
      x, y: training rows; the first 1,024 are used.
    """
    if not isinstance(optimizer, Optimizer) or not isinstance(model, Sequential):
        return lambda state: ((), None)
    batch = {"x": jnp.asarray(x[:BATCH]), "y": jnp.asarray(y[:BATCH])}
    step = make_step(make_objective(model, loss, targets=batch["y"]), optimizer)
    units = {name: model.shapes[place + 1][-1] for place, name in enumerate(model.names)}

    def probe(state: TrainState) -> tuple[tuple[LayerFacts, ...], float | None]:
        program = compiled(_measured, step, (state, batch))
        sizes, gradients, updates, dead, rate = jax.device_get(program.call(state, batch))
        trained = {name for name, mask in model.trainable(state.params).items() if any(jax.tree.leaves(mask))}
        facts = tuple(
            LayerFacts(
                name, float(size), float(gradients[name]), float(updates[name]), units[name], dead.get(name)
            )
            for name, size in sizes.items()
            if name in trained
        )
        return facts, float(rate) if np.ndim(rate) == 0 and np.isfinite(rate) else None

    return probe


def _measured(step: Step, state: TrainState, batch: dict[str, Array]) -> tuple[Any, ...]:
    """Norms of parameters, gradient and update by layer; dead units by layer; the learning rate."""
    model, mask = step.objective.model, step.trainable(state.params)  # pyright: ignore[reportFunctionMemberAccess]
    moving, fixed = partition(state.params, mask)
    key = None if state.key is None else random.at_step(state.key, state.step)  # the step's own masks
    loss = lambda moving: step.objective(merge(moving, fixed), batch, key)[0]  # noqa: E731
    after, _ = partition(step(state, batch)[0].params, mask)
    added = jax.tree.map(lambda new, old: new - old, after, moving)
    trees = (moving, jax.grad(loss)(moving), added)
    norms = ({name: _norm(leaves) for name, leaves in each.items()} for each in trees)
    return *norms, _dead(model, state.params, batch["x"]), step.rule.learning_rate(state.opt_state)


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
