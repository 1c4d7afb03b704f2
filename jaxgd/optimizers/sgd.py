"""Stochastic gradient descent, with momentum and Nesterov's form of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, Unpack

from jaxgd._checks import is_traced_or_array
from jaxgd._types import Array, Scalar
from jaxgd.optimizers._arithmetic import fused, rounded
from jaxgd.optimizers._definition import UNIT, Cast, Slots
from jaxgd.optimizers._optimizer import Optimizer, build
from jaxgd.optimizers._options import CommonOptions, with_common_options
from jaxgd.optimizers._rule import Rule


@dataclass(frozen=True, kw_only=True)
class SGDRule(Rule):
    """See `sgd`."""

    class_name = "SGD"
    numbers = {"momentum": UNIT}  # noqa: RUF012

    has_momentum: bool = False
    nesterov: bool = False

    @classmethod
    def static_fields(cls, settings: Mapping[str, Any]) -> dict[str, Any]:
        momentum = settings["momentum"]
        return {
            "has_momentum": is_traced_or_array(momentum) or momentum != 0,
            "nesterov": settings["nesterov"],
        }

    def derive(self, values: Mapping[str, Any], cast: Cast) -> dict[str, Any]:
        return {"momentum": cast(values["momentum"])} if self.has_momentum else {}

    def active_slots(self) -> tuple[str, ...]:
        return ("momentum",) if self.has_momentum else ()

    def leaf(self, n: SimpleNamespace, grad: Array, value: Array, slots: Slots) -> tuple[Array, Slots]:
        step = rounded(grad * n.learning_rate, n.zero)
        if not self.has_momentum:
            return -step, {}
        velocity = rounded(slots["momentum"] * n.momentum, n.zero) - step
        ahead = rounded(velocity * n.momentum, n.zero) - step if self.nesterov else fused(velocity, n.zero)
        return ahead, {"momentum": velocity}


@with_common_options
def sgd(
    learning_rate: Any = 0.01,
    momentum: Scalar = 0.0,
    nesterov: bool = False,
    **common: Unpack[CommonOptions],
) -> Optimizer:
    """Gradient descent.

    w <- w - learning_rate g; with momentum v <- momentum v - learning_rate g, then w <- w + v, or
    w <- w + momentum v - learning_rate g with `nesterov`.

    Args:
      learning_rate: a number >= 0, a scalar array, a schedule, or a function of the step.
      momentum: in [0, 1]; 0 keeps no velocity. The learning rate of each step stays inside the velocity.
      nesterov: whether to look ahead along the velocity.
      **common: see the package docstring.

    Returns:
      An `Optimizer`; slot `momentum` if there is momentum.

    Raises:
      TypeError, ValueError: an argument is no number or out of its range.
    Keras: SGD, bit-equal in float32; an int rate or momentum is taken too. `optax.sgd` is equal for a
    constant rate (measured distance 0), and differs with momentum under a schedule.

    >>> import jax.numpy as jnp
    >>> updates, _ = sgd(0.5).update({"w": jnp.array([2.0])}, sgd(0.5).init({"w": jnp.array([1.0])}))
    >>> updates["w"].tolist()
    [-1.0]
    """
    return build(
        SGDRule, {"learning_rate": learning_rate, "momentum": momentum, "nesterov": nesterov}, common
    )
