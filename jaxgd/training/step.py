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
    trainable_fn: Callable[[PyTree], PyTree] | None = None
    constrain_fn: Callable[[PyTree], PyTree] | None = None

    def trainable(self, params: PyTree) -> PyTree:
        """A tree of bool: which leaves this step moves."""
        if self.trainable_fn is not None:
            return self.trainable_fn(params)
        if isinstance(self.objective, Objective):
            return self.objective.model.trainable(params)
        return trainable_mask(params)

    @property
    def constrain(self) -> Callable[[PyTree], PyTree] | None:
        """What is applied to the moved leaves after the update."""
        if self.constrain_fn is None and isinstance(self.objective, Objective):
            model = self.objective.model
            return model.constrain if model.has_constraints else None
        return self.constrain_fn

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
    return Step(objective, optimizers.get(optimizer).rule, trainable, constrain)


def _with_aux(returned: Any) -> tuple[Array, Aux]:
    loss, aux = returned if isinstance(returned, tuple) else (returned, None)
    return loss, aux if isinstance(aux, Aux) else Aux(aux)
