"""A dynamic loss scale around another optimizer: steps with gradients that are not finite are skipped."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from jaxgd._checks import check_integer, is_traced_or_array
from jaxgd._types import Array, PyTree, Scalar
from jaxgd.optimizers._arithmetic import divide_by_shared
from jaxgd.optimizers._optimizer import Optimizer, serialize
from jaxgd.optimizers._options import check_number
from jaxgd.optimizers._rule import Rule
from jaxgd.optimizers._state import OptimizerState


@dataclass(frozen=True, kw_only=True)
class LossScaleRule(Rule):
    """See `loss_scale`. Its state is the inner state with `dynamic_scale` and `step_counter` in `shared`."""

    class_name = "LossScaleOptimizer"

    inner: Rule

    def hyperparameter_names(self) -> list[str]:
        return [*self.inner.hyperparameter_names(), "initial_scale", "dynamic_growth_steps"]

    def init(self, hyperparameters: Mapping[str, Any], params: PyTree) -> OptimizerState:
        state = self.inner.init(hyperparameters, params)
        growth = jnp.asarray(hyperparameters["dynamic_growth_steps"], jnp.int32)
        own = {
            "step_counter": jnp.zeros((), jnp.int32),
            "dynamic_scale": jnp.asarray(hyperparameters["initial_scale"], jnp.float32),
        }
        return state._replace(
            hyperparameters={**state.hyperparameters, "dynamic_growth_steps": growth},
            shared={**state.shared, **own},
        )

    def learning_rate(self, state: OptimizerState) -> Array:
        return self.inner.learning_rate(state)

    def scale_loss(self, loss: Array, state: OptimizerState) -> Array:
        return loss * state.shared["dynamic_scale"].astype(loss.dtype)

    def finalize(self, params: PyTree, state: OptimizerState) -> PyTree:
        return self.inner.finalize(params, state)

    def apply(
        self,
        grads: PyTree,
        state: OptimizerState,
        params: PyTree,
        constrain: Callable[[PyTree], PyTree] | None = None,
    ) -> tuple[PyTree, OptimizerState]:
        return _if_finite(
            grads, state, lambda unscaled: self.inner.apply(unscaled, state, params, constrain), params
        )

    def update(
        self, grads: PyTree, state: OptimizerState, params: PyTree | None
    ) -> tuple[PyTree, OptimizerState]:
        zeros = jax.tree.map(jnp.zeros_like, grads)
        return _if_finite(grads, state, lambda unscaled: self.inner.update(unscaled, state, params), zeros)


def _if_finite(
    grads: PyTree,
    state: OptimizerState,
    step: Callable[[PyTree], tuple[PyTree, OptimizerState]],
    otherwise: PyTree,
) -> tuple[PyTree, OptimizerState]:
    """`step(unscaled gradients)`, or `otherwise` and the old state; and the scale and counter moved on."""
    scale, counter = state.shared["dynamic_scale"], state.shared["step_counter"]
    finite = jnp.all(jnp.stack([jnp.all(jnp.isfinite(grad)) for grad in jax.tree.leaves(grads)]))

    def unscaled() -> PyTree:
        return jax.tree.map(lambda grad: divide_by_shared(grad, scale.astype(grad.dtype)), grads)

    result, state = lax.cond(finite, lambda: step(unscaled()), lambda: (otherwise, state))
    grown = counter == state.hyperparameters["dynamic_growth_steps"] - 1
    factor = jnp.where(finite, jnp.where(grown, 2.0, 1.0), 0.5).astype(scale.dtype)
    own = {"dynamic_scale": scale * factor, "step_counter": jnp.where(finite & ~grown, counter + 1, 0)}
    return result, state._replace(shared={**state.shared, **own})


class LossScaleOptimizer(Optimizer):
    """What `loss_scale` returns."""

    def with_hyperparameters(self, **values: Any) -> Optimizer:
        own = {key: values.pop(key) for key in ("initial_scale", "dynamic_growth_steps") if key in values}
        return loss_scale(
            **{**self.settings, **own, "inner": self.settings["inner"].with_hyperparameters(**values)}
        )

    def config(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "inner_optimizer": serialize(self.settings["inner"]),
            "initial_scale": self.settings["initial_scale"],
            "dynamic_growth_steps": self.settings["dynamic_growth_steps"],
        }


def loss_scale(
    inner: Optimizer,
    initial_scale: Scalar = 2.0**15,
    dynamic_growth_steps: int = 2000,
    name: str | None = None,
) -> Optimizer:
    """Scales the loss up so that small gradients do not vanish in a narrow format.

    g <- g / scale, then the inner update; after `dynamic_growth_steps` such steps in a row scale <- 2 scale.
    If any gradient is not finite, nothing but the scale changes: scale <- scale / 2.

    Args:
      inner: the optimizer that updates; its own `loss_scale_factor` is switched off.
      initial_scale: > 0.
      dynamic_growth_steps: >= 1.
      name: Keras's name of it.

    Returns:
      An `Optimizer`. Gradients must be those of `rule.scale_loss(loss, state)`.

    Raises:
      TypeError, ValueError: an argument is no number or out of its range.
    Keras: LossScaleOptimizer, equal. `optax.apply_if_finite` skips in the same way but has no scale.

    >>> import jax.numpy as jnp
    >>> from jaxgd.optimizers import sgd
    >>> optimizer, params = loss_scale(sgd(0.5)), {"w": jnp.array([1.0])}
    >>> params, state = optimizer.rule.apply({"w": jnp.array([jnp.inf])}, optimizer.init(params), params)
    >>> params["w"].tolist(), float(state.shared["dynamic_scale"])
    ([1.0], 16384.0)
    """
    check_number("initial_scale", initial_scale, 0.0, float("inf"))
    if not is_traced_or_array(dynamic_growth_steps):
        check_integer("dynamic_growth_steps", dynamic_growth_steps, 1)
    inner = inner.with_hyperparameters(loss_scale_factor=None)
    own = {"initial_scale": initial_scale, "dynamic_growth_steps": dynamic_growth_steps}
    settings = {"inner": inner, **own, "name": name}
    return LossScaleOptimizer(LossScaleRule(inner=inner.rule), settings, {**inner.hyperparameters, **own})
