"""One training step: gradient, update, new statistics."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import jax

from jaxgd import optimizers, random
from jaxgd._statistics import merge, partition, trainable_mask
from jaxgd._types import Array, PyTree
from jaxgd.model import merge_statistics
from jaxgd.training.objective import Aux, Objective
from jaxgd.training.state import TrainState


@dataclass(frozen=True)
class Step:
    """step(state, batch) -> (state, loss, record). Made by `make_step`; hashable, without numbers in it."""

    objective: Callable[..., Any]
    rule: Any
    trainable: Callable[[PyTree], PyTree] = trainable_mask
    constrain: Callable[[PyTree], PyTree] | None = None

    def __call__(self, state: TrainState, batch: PyTree) -> tuple[TrainState, Array, PyTree]:
        key = None if state.key is None else random.at_step(state.key, state.step)
        moving, fixed = partition(state.params, self.trainable(state.params))

        def scaled_loss(moving: PyTree) -> tuple[Array, tuple[Array, Aux]]:
            loss, aux = _with_aux(self.objective(merge(moving, fixed), batch, key))
            return self.rule.scale_loss(loss, state.opt_state), (loss, aux)

        grads, (loss, aux) = jax.grad(scaled_loss, has_aux=True)(moving)
        moved, opt_state = moving, state.opt_state
        if jax.tree.leaves(moving):  # else every layer is frozen
            moved, opt_state = self.rule.apply(grads, opt_state, moving, constrain=self.constrain)
        params = merge(moved, fixed)
        if aux.statistics:
            params = merge_statistics(params, aux.statistics)
        new_state = replace(state, step=state.step + 1, params=params, opt_state=opt_state)
        return new_state, loss, aux.record


def make_step(
    objective: Callable[..., Any],
    optimizer: Any,
    *,
    trainable: Callable[[PyTree], PyTree] | None = None,
    constrain: Callable[[PyTree], PyTree] | None = None,
) -> Step:
    """One step of gradient descent on any pure function.

    Args:
      objective: objective(params, batch, key) -> loss, or (loss, aux); aux is kept for every step. It may
        come from `make_objective`, or call a flax, equinox or haiku model. If aux is an `Aux`, its
        statistics are written into the parameters.
      optimizer: a name, an optimizer of `jaxgd.optimizers`, or any optax transformation.
      trainable: trainable(params) -> tree of bool; None trains all but the statistics and, for a model of
        jaxgd, the layers with trainable=False.
      constrain: constrain(params) -> params after each update; None takes the model's constraints.

    Returns: a `Step`, to be called on a state and a batch, or given to `train`.
    """
    rule = optimizers.get(optimizer).rule
    if isinstance(objective, Objective):
        of_model = model_step(objective, rule)
        return Step(objective, rule, trainable or of_model.trainable, constrain or of_model.constrain)
    return Step(objective, rule, trainable or trainable_mask, constrain)


def model_step(objective: Objective, rule: Any) -> Step:
    """The step of a model's own objective: its frozen layers stay, its constraints hold."""
    model = objective.model
    return Step(objective, rule, model.trainable, model.constrain if model.has_constraints else None)


def _with_aux(returned: Any) -> tuple[Array, Aux]:
    loss, aux = returned if isinstance(returned, tuple) else (returned, None)
    return loss, aux if isinstance(aux, Aux) else Aux(aux)
