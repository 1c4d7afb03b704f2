"""RMSprop: gradients divided by the root of their moving mean square."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, Unpack

from jaxgd._checks import is_traced_or_array
from jaxgd._types import Array, Scalar
from jaxgd.optimizers._arithmetic import divide_by_root, fused, mix, rounded
from jaxgd.optimizers._definition import NON_NEGATIVE, UNIT, Cast, Slots
from jaxgd.optimizers._optimizer import Optimizer, build
from jaxgd.optimizers._options import CommonOptions, with_common_options
from jaxgd.optimizers._rule import Rule


@dataclass(frozen=True, kw_only=True)
class RMSpropRule(Rule):
    """See `rmsprop`."""

    class_name = "RMSprop"
    numbers = {"rho": UNIT, "momentum": UNIT, "epsilon": NON_NEGATIVE}  # noqa: RUF012

    has_momentum: bool = False
    centered: bool = False

    @classmethod
    def static_fields(cls, settings: Mapping[str, Any]) -> dict[str, Any]:
        momentum = settings["momentum"]
        return {
            "has_momentum": is_traced_or_array(momentum) or momentum > 0,
            "centered": settings["centered"],
        }

    def derive(self, values: Mapping[str, Any], cast: Cast) -> dict[str, Any]:
        own = {"rho": values["rho"], "one_minus_rho": 1 - values["rho"], "epsilon": values["epsilon"]}
        return {**own, "momentum": values["momentum"]} if self.has_momentum else own

    def active_slots(self) -> tuple[str, ...]:
        momentum = ("momentum",) if self.has_momentum else ()
        return ("velocity", *momentum, *(("average_gradient",) if self.centered else ()))

    def leaf(self, n: SimpleNamespace, grad: Array, value: Array, slots: Slots) -> tuple[Array, Slots]:
        new = {"velocity": mix(slots["velocity"], grad * grad, n.rho, n.one_minus_rho, n.zero)}
        square = new["velocity"]
        if self.centered:
            mean = new["average_gradient"] = mix(
                slots["average_gradient"], grad, n.rho, n.one_minus_rho, n.zero
            )
            square = square - rounded(mean * mean, n.zero)
        step = divide_by_root(n.learning_rate * grad, square + n.epsilon, n.zero)
        if self.has_momentum:
            new["momentum"] = rounded(n.momentum * slots["momentum"], n.zero) + step
            step = fused(new["momentum"], n.zero)
        return -step, new


@with_common_options
def rmsprop(
    learning_rate: Any = 0.001,
    rho: Scalar = 0.9,
    momentum: Scalar = 0.0,
    epsilon: Scalar = 1e-7,
    centered: bool = False,
    **common: Unpack[CommonOptions],
) -> Optimizer:
    """RMSprop.

    v <- rho v + (1 - rho) g**2; w <- w - learning_rate g / sqrt(v + epsilon). Centered: v - a**2 instead of
    v, where a <- rho a + (1 - rho) g. With momentum: m <- momentum m + that step; w <- w - m.

    Args:
      learning_rate: a number >= 0, a scalar array, a schedule, or a function of the step.
      rho: in [0, 1], how much of the old mean is kept.
      momentum: in [0, 1]; 0 keeps no momentum.
      epsilon: >= 0, inside the root.
      centered: whether to divide by the variance instead of the mean square.
      **common: see the package docstring.

    Returns:
      An `Optimizer`; slots `velocity`, `momentum` and `average_gradient`, the last two if in use.

    Raises:
      TypeError, ValueError: an argument is no number or out of its range.
    Keras: RMSprop, bit-equal in float32 to eager calls; a `tf.function` multiplies by a reciprocal root
    instead (up to 3e-5 of the distance travelled). `optax.rmsprop(learning_rate, decay=rho, eps=epsilon,
    centered=centered, momentum=momentum or None)` is equal to 3e-15 in float64.

    >>> import jax.numpy as jnp
    >>> state = rmsprop().init({"w": jnp.zeros(2)})
    >>> sorted(state.slots)
    ['velocity']
    """
    settings = {
        "learning_rate": learning_rate,
        "rho": rho,
        "momentum": momentum,
        "epsilon": epsilon,
        "centered": centered,
    }
    return build(RMSpropRule, settings, common)
