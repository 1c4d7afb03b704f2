"""An optimizer's state with another learning rate, whatever form that has, and what of a state are slots."""

from typing import Any

import jax
from jax.tree_util import DictKey, GetAttrKey

from jaxgd._types import PyTree
from jaxgd.optimizers._state import OptimizerState

_RATES = ("learning_rate", "initial_learning_rate", "end_learning_rate", "warmup_target", "values")


def scale_learning_rate(state: OptimizerState, factor: float) -> OptimizerState:
    """The same state with its learning rate, or every rate of its schedule, times `factor`.

    Nothing compiles again: only numbers change.

    Args:
      state: of an optimizer of this package; several optimizers in one are all scaled.
      factor: such as 0.5, which is exact.

    Raises:
      TypeError: the rate is a function or belongs to a foreign transformation: it cannot be reached.

    >>> import jax.numpy as jnp
    >>> from jaxgd.optimizers import sgd
    >>> state = scale_learning_rate(sgd(0.1).init({"w": jnp.zeros(2)}), 0.5)
    >>> round(float(state.hyperparameters["learning_rate"]), 6)
    0.05
    """
    scaled = []

    def scale(path: Any, leaf: Any) -> Any:
        if not _is_rate(path):
            return leaf
        scaled.append(path)
        return (leaf * factor).astype(leaf.dtype)

    new = jax.tree_util.tree_map_with_path(scale, state)
    if not scaled:
        raise TypeError("learning_rate: cannot be scaled, it is a function or hidden in a transformation.")
    return new


def slots_of(state: OptimizerState) -> PyTree:
    """What is kept for each parameter: slots and sums of gradients; nothing of a foreign transformation's."""
    inner = state.shared.get("optimizers", ())
    return [state.slots, state.accumulator, *(slots_of(each) for each in inner)]


def _is_rate(path: Any) -> bool:
    """hyperparameters/learning_rate, or below it a field of a schedule that is a rate."""
    names = [each.name if isinstance(each, GetAttrKey) else getattr(each, "key", None) for each in path]
    at = DictKey("learning_rate")
    if at not in path or "hyperparameters" not in names:
        return False
    below = names[path.index(at) + 1 :]
    return not below or below[0] in _RATES
