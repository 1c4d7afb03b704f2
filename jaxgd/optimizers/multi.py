"""Several optimizers, each for the parameters whose paths it is given."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jax.tree_util import keystr

from jaxgd._checks import wrong
from jaxgd._statistics import merge, partition, trainable_mask
from jaxgd._types import Array, PyTree, Scalar
from jaxgd.optimizers._optimizer import Optimizer, serialize
from jaxgd.optimizers._rule import Rule
from jaxgd.optimizers._state import OptimizerState
from jaxgd.optimizers.loss_scale import LossScaleOptimizer


@dataclass(frozen=True, kw_only=True)
class MultiRule(Rule):
    """See `multi`. The inner states are `state.shared["optimizers"]`, in the order of `rules`."""

    class_name = "MultiOptimizer"

    rules: tuple[Rule, ...]
    routes: tuple[tuple[str, int], ...]
    default: int

    def hyperparameter_names(self) -> list[str]:
        return ["optimizers"]

    def route(self, path: str) -> int:
        """The position of the optimizer of a path: an exact key, else the one pattern that matches it all."""
        for key, index in self.routes:
            if key == path:
                return index
        matching = [index for key, index in self.routes if re.fullmatch(key, path)]
        if len(matching) > 1:
            raise wrong("optimizers", path, "at most one pattern that matches each path")
        return matching[0] if matching else self.default

    def parts(self, params: PyTree) -> list[PyTree]:
        """For each optimizer, a tree of bools like `params`: which leaves are its own."""
        routes = jax.tree_util.tree_map_with_path(
            lambda path, leaf: self.route(keystr(path, simple=True, separator="/")), params
        )
        trainable = trainable_mask(params)
        return [
            jax.tree.map(lambda route, keep, index=index: keep and route == index, routes, trainable)
            for index in range(len(self.rules))
        ]

    def init(self, hyperparameters: Mapping[str, Any], params: PyTree) -> OptimizerState:
        each = zip(self.rules, hyperparameters["optimizers"], self.parts(params), strict=True)
        states = tuple(rule.init(numbers, partition(params, part)[0]) for rule, numbers, part in each)
        return OptimizerState(jnp.zeros((), jnp.int32), {}, {}, {"optimizers": states}, None, None)

    def learning_rate(self, state: OptimizerState) -> Array:
        return self.rules[self.default].learning_rate(state.shared["optimizers"][self.default])

    def scale_loss(self, loss: Array, state: OptimizerState) -> Array:
        return self.rules[0].scale_loss(loss, state.shared["optimizers"][0])

    def finalize(self, params: PyTree, state: OptimizerState) -> PyTree:
        for rule, inner, part in zip(self.rules, state.shared["optimizers"], self.parts(params), strict=True):
            own, rest = partition(params, part)
            params = merge(rule.finalize(own, inner), rest)
        return params

    def apply(
        self,
        grads: PyTree,
        state: OptimizerState,
        params: PyTree,
        constrain: Callable[[PyTree], PyTree] | None = None,
    ) -> tuple[PyTree, OptimizerState]:
        new_params, state = self._each(lambda rule, *args: rule.apply(*args), grads, state, params)
        new_params = merge(new_params, params)
        return (new_params if constrain is None else constrain(new_params)), state

    def update(
        self, grads: PyTree, state: OptimizerState, params: PyTree | None
    ) -> tuple[PyTree, OptimizerState]:
        updates, state = self._each(
            lambda rule, *args: rule.update(*args), grads, state, grads if params is None else params
        )
        zeros = jax.tree.map(jnp.zeros_like, grads)
        return merge(updates, zeros), state

    def _each(
        self,
        step: Callable[..., tuple[PyTree, OptimizerState]],
        grads: PyTree,
        state: OptimizerState,
        params: PyTree,
    ) -> tuple[PyTree, OptimizerState]:
        """`step` of every optimizer that has parameters, merged; None where no optimizer is responsible."""
        result = jax.tree.map(lambda leaf: None, params)
        states = list(state.shared["optimizers"])
        for index, (rule, part) in enumerate(zip(self.rules, self.parts(params), strict=True)):
            if any(jax.tree.leaves(part)):
                own = partition(params, part)[0]
                moved, states[index] = step(rule, partition(grads, part)[0], states[index], own)
                result = merge(moved, result)
        return result, state._replace(count=state.count + 1, shared={"optimizers": tuple(states)})


class MultiOptimizer(Optimizer):
    """What `multi` returns."""

    def with_hyperparameters(self, **values: Any) -> Optimizer:
        if values.keys() - {"loss_scale_factor"}:
            raise TypeError("with_hyperparameters: set the numbers of the inner optimizers instead.")
        return multi(**{**self.settings, **values})

    def config(self) -> dict[str, Any]:
        optimizers = {key: serialize(inner) for key, inner in self.settings["optimizers"].items()}
        inner = {"default_optimizer": serialize(self.settings["default"]), "optimizer_map": optimizers}
        return {
            "optimizer_map": {
                "module": "keras.optimizers",
                "class_name": "OptimizerMap",
                "config": inner,
                "registered_name": None,
            },
            "loss_scale_factor": self.settings["loss_scale_factor"],
            "name": self.name,
        }


def multi(
    optimizers: Mapping[str, Optimizer],
    default: Optimizer,
    loss_scale_factor: Scalar | None = None,
    name: str | None = None,
) -> Optimizer:
    """Several optimizers in one; each counts, clips and averages its own parameters.

    Args:
      optimizers: "layer/leaf" path, or a regular expression that matches all of it -> its optimizer.
      default: the optimizer of all other parameters.
      loss_scale_factor: set on all of them.
      name: Keras's name of it.

    Returns:
      An `Optimizer`; `rule.learning_rate` is that of `default`.

    Raises:
      TypeError: a value is no optimizer of this package, or itself a wrapper.
      ValueError: while tracing, if two patterns match one path.
    Keras: MultiOptimizer with an OptimizerMap, equal; Keras's paths start with the model's name.
    `optax.partition` does the same with labels.

    >>> from jaxgd.optimizers import adam, sgd
    >>> multi({".*/bias": sgd(0.5)}, default=adam()).rule.route("out/bias")
    0
    """
    for inner in (*optimizers.values(), default):
        if not isinstance(inner, Optimizer) or isinstance(inner, LossScaleOptimizer | MultiOptimizer):
            raise TypeError(f"optimizers: expected plain optimizers, got {inner!r}.")
    distinct = list({id(inner): inner for inner in (*optimizers.values(), default)}.values())
    position = {id(inner): index for index, inner in enumerate(distinct)}
    scaled = [inner.with_hyperparameters(loss_scale_factor=loss_scale_factor) for inner in distinct]
    rule = MultiRule(
        rules=tuple(inner.rule for inner in scaled),
        routes=tuple((key, position[id(inner)]) for key, inner in optimizers.items()),
        default=position[id(default)],
    )
    settings = {
        "optimizers": dict(optimizers),
        "default": default,
        "loss_scale_factor": loss_scale_factor,
        "name": name,
    }
    return MultiOptimizer(rule, settings, {"optimizers": tuple(inner.hyperparameters for inner in scaled)})
