"""Lion: steps of one size, in the direction of the sign of the momentum."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, Unpack

import jax.numpy as jnp

from jaxgd._checks import is_traced_or_array, wrong
from jaxgd._types import Array, Scalar
from jaxgd.optimizers._arithmetic import mix
from jaxgd.optimizers._definition import UNIT, Cast, Slots
from jaxgd.optimizers._optimizer import Optimizer, build
from jaxgd.optimizers._options import CommonOptions, with_common_options
from jaxgd.optimizers._rule import Rule


@dataclass(frozen=True, kw_only=True)
class LionRule(Rule):
    """See `lion`."""

    class_name = "Lion"
    numbers = {"beta_1": UNIT, "beta_2": UNIT}  # noqa: RUF012
    slot_names = ("momentum",)

    def derive(self, values: Mapping[str, Any], cast: Cast) -> dict[str, Any]:
        beta_1, beta_2 = cast(values["beta_1"]), cast(values["beta_2"])
        return {
            "beta_1": beta_1,
            "one_minus_beta_1": 1 - beta_1,
            "beta_2": beta_2,
            "one_minus_beta_2": 1 - beta_2,
        }

    def leaf(self, n: SimpleNamespace, grad: Array, value: Array, slots: Slots) -> tuple[Array, Slots]:
        direction = jnp.sign(mix(slots["momentum"], grad, n.beta_1, n.one_minus_beta_1, n.zero))
        momentum = mix(slots["momentum"], grad, n.beta_2, n.one_minus_beta_2, n.zero)
        return -(n.learning_rate * direction), {"momentum": momentum}


@with_common_options
def lion(
    learning_rate: Any = 0.001,
    beta_1: Scalar = 0.9,
    beta_2: Scalar = 0.99,
    **common: Unpack[CommonOptions],
) -> Optimizer:
    """Lion.

    w <- w - learning_rate sign(beta_1 m + (1 - beta_1) g); m <- beta_2 m + (1 - beta_2) g

    Args:
      learning_rate: a number >= 0, a scalar array, a schedule, or a function of the step.
      beta_1: in (0, 1], how much of the momentum enters the direction.
      beta_2: in [0, 1], how much of the momentum is kept.
      **common: see the package docstring.

    Returns:
      An `Optimizer`; slot `momentum`.

    Raises:
      TypeError, ValueError: an argument is no number or out of its range.
    Keras: Lion, bit-equal in float32. `optax.lion(learning_rate, beta_1, beta_2, weight_decay=0.0)` is equal
    (distance 0); its default decays by 1e-3.

    >>> import jax.numpy as jnp
    >>> updates, _ = lion(0.5).update({"w": jnp.array([3.0, -1.0])}, lion(0.5).init({"w": jnp.zeros(2)}))
    >>> updates["w"].tolist()
    [-0.5, 0.5]
    """
    if not is_traced_or_array(beta_1) and beta_1 == 0:
        raise wrong("beta_1", beta_1, "a number in (0, 1]")
    return build(LionRule, {"learning_rate": learning_rate, "beta_1": beta_1, "beta_2": beta_2}, common)
