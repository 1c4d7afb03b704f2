"""Adagrad: gradients divided by the root of the sum of all their squares."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, Unpack

import jax.numpy as jnp

from jaxgd._types import Array, Scalar
from jaxgd.optimizers._arithmetic import divide_by_root, square
from jaxgd.optimizers._definition import NON_NEGATIVE, Cast, Slots
from jaxgd.optimizers._optimizer import Optimizer, build
from jaxgd.optimizers._options import CommonOptions, with_common_options
from jaxgd.optimizers._rule import Rule


@dataclass(frozen=True, kw_only=True)
class AdagradRule(Rule):
    """See `adagrad`."""

    class_name = "Adagrad"
    numbers = {"initial_accumulator_value": NON_NEGATIVE, "epsilon": NON_NEGATIVE}  # noqa: RUF012
    slot_names = ("accumulator",)

    def derive(self, values: Mapping[str, Any], cast: Cast) -> dict[str, Any]:
        initial = cast(values["initial_accumulator_value"])
        return {"initial_accumulator_value": initial, "epsilon": values["epsilon"]}

    def init_slot(self, name: str, path: str, value: Array, numbers: Mapping[str, Any]) -> Array:
        return jnp.full_like(value, numbers["initial_accumulator_value"])

    def leaf(self, n: SimpleNamespace, grad: Array, value: Array, slots: Slots) -> tuple[Array, Slots]:
        total = slots["accumulator"] + square(grad, n.zero)
        return -divide_by_root(n.learning_rate * grad, total + n.epsilon, n.zero), {"accumulator": total}


@with_common_options
def adagrad(
    learning_rate: Any = 0.001,
    initial_accumulator_value: Scalar = 0.1,
    epsilon: Scalar = 1e-7,
    **common: Unpack[CommonOptions],
) -> Optimizer:
    """Adagrad.

    A <- A + g**2; w <- w - learning_rate g / sqrt(A + epsilon)

    Args:
      learning_rate: a number >= 0, a scalar array, a schedule, or a function of the step.
      initial_accumulator_value: >= 0, where A starts.
      epsilon: >= 0, inside the root.
      **common: see the package docstring.

    Returns:
      An `Optimizer`; slot `accumulator` (A).

    Raises:
      TypeError, ValueError: an argument is no number or out of its range.
    Keras: Adagrad, bit-equal in float32 to eager calls; a `tf.function` multiplies by a reciprocal root
    instead (up to 3e-5 of the distance travelled). `optax.adagrad(learning_rate, 0.1, 1e-7)` is equal in
    float64 (4e-16); in float32 it multiplies by a reciprocal root, 8.5e-6 of the distance travelled away.

    >>> import jax.numpy as jnp
    >>> adagrad(initial_accumulator_value=0.5).init({"w": jnp.zeros(1)}).slots["accumulator"]["w"].tolist()
    [0.5]
    """
    settings = {
        "learning_rate": learning_rate,
        "initial_accumulator_value": initial_accumulator_value,
        "epsilon": epsilon,
    }
    return build(AdagradRule, settings, common)
