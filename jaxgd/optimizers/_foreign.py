"""Any optax transformation in the place of an optimizer of this package."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import optax

from jaxgd._statistics import merge, partition, trainable_mask
from jaxgd._types import Array, PyTree
from jaxgd.optimizers._optimizer import Optimizer
from jaxgd.optimizers._rule import Rule
from jaxgd.optimizers._state import OptimizerState


@dataclass(frozen=True, kw_only=True)
class OptaxRule(Rule):
    """An optax transformation as a rule; equal to another if it holds the same transformation object.

    Its own state is `state.shared["optax"]`. Its learning rate is not known, so `learning_rate` is NaN.
    """

    class_name = "optax"

    transformation: optax.GradientTransformation

    def init(self, hyperparameters: Mapping[str, Any], params: PyTree) -> OptimizerState:
        trainable, _ = partition(params, trainable_mask(params))
        inner = self.transformation.init(trainable)
        return OptimizerState(jnp.zeros((), jnp.int32), {}, {}, {"optax": inner}, None, None)

    def learning_rate(self, state: OptimizerState) -> Array:
        return jnp.full((), jnp.nan)

    def apply(
        self,
        grads: PyTree,
        state: OptimizerState,
        params: PyTree,
        constrain: Callable[[PyTree], PyTree] | None = None,
    ) -> tuple[PyTree, OptimizerState]:
        mask = trainable_mask(params)
        trainable, rest = partition(params, mask)
        updates, state = self._transform(partition(grads, mask)[0], state, trainable)
        new_params = merge(optax.apply_updates(trainable, updates), rest)
        return (new_params if constrain is None else constrain(new_params)), state

    def update(
        self, grads: PyTree, state: OptimizerState, params: PyTree | None
    ) -> tuple[PyTree, OptimizerState]:
        return self._transform(grads, state, params)

    def _transform(
        self, grads: PyTree, state: OptimizerState, params: PyTree
    ) -> tuple[PyTree, OptimizerState]:
        if "optax" not in state.shared:
            raise ValueError(
                "opt_state: expected an optax transformation's, got another optimizer's. Make state and step "
                "with the same optimizer."
            )
        updates, inner = self.transformation.update(grads, state.shared["optax"], params)
        return updates, state._replace(count=state.count + 1, shared={"optax": inner})


class OptaxOptimizer(Optimizer):
    """The adapter that `get` puts around an optax transformation."""

    def with_hyperparameters(self, **values: Any) -> Optimizer:
        raise TypeError("with_hyperparameters: an optax transformation hides its numbers; make a new one.")

    def config(self) -> dict[str, Any]:
        raise TypeError("config: an optax transformation has no Keras configuration.")


def from_optax(transformation: optax.GradientTransformation) -> Optimizer:
    """`transformation` with the interface of an `Optimizer`; it never sees the statistics.

    >>> from_optax(optax.sgd(0.5)).rule.class_name
    'optax'
    """
    return OptaxOptimizer(OptaxRule(transformation=transformation), {"name": "optax"}, {})
