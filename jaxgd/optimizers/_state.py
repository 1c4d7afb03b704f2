"""What an optimizer remembers between two updates."""

from typing import Any, NamedTuple

import jax.numpy as jnp

from jaxgd._types import Array, PyTree, Scalar


class OptimizerState(NamedTuple):
    """The state of every optimizer of this package: arrays only, so that a new value never compiles again.

    Attributes:
      count: int32 scalar, the calls of `apply` or `update` so far (Keras's raw iterations).
      hyperparameters: scalars in the parameters' dtype, and the constants derived from them. `learning_rate`
        may be a schedule.
      slots: slot name -> tree like the parameters, None where a parameter has no such slot.
      shared: scalars that belong to no single parameter (Nadam's `u_product`, a dynamic loss scale); the
        states of wrapped optimizers.
      accumulator: tree of gradient sums, or None without gradient accumulation.
      average: tree of averaged parameters, or None without `use_ema`.
    """

    count: Array  # pyright: ignore[reportIncompatibleMethodOverride]
    hyperparameters: dict[str, Any]
    slots: dict[str, PyTree]
    shared: dict[str, Any]
    accumulator: PyTree | None
    average: PyTree | None


def set_learning_rate(state: OptimizerState, value: Scalar) -> OptimizerState:
    """The same state with another constant learning rate. Nothing compiles again.

    Args:
      state: of an optimizer whose learning rate is a number.
      value: the new rate, a Python number or an array of the old one's shape.

    Raises:
      TypeError: the state has no settable rate: it is a schedule or a function, or belongs to several
        optimizers or to a plain optax transformation.
    Keras: assigning `optimizer.learning_rate`.

    >>> from jaxgd.optimizers import sgd
    >>> state = set_learning_rate(sgd(0.1).init({"w": jnp.zeros(2)}), 0.5)
    >>> float(state.hyperparameters["learning_rate"])
    0.5
    """
    old = state.hyperparameters.get("learning_rate")
    if old is None or callable(old):
        raise TypeError("learning_rate: cannot be set, this optimizer was not made with one number for it.")
    new = jnp.asarray(value, old.dtype)
    return state._replace(hyperparameters={**state.hyperparameters, "learning_rate": new})
