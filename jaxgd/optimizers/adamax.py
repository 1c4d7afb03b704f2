"""Adamax: Adam with the largest gradient, slowly forgotten, in the place of the mean square."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, Unpack

import jax.numpy as jnp

from jaxgd._types import Array, Scalar
from jaxgd.optimizers._arithmetic import lerp_towards, power
from jaxgd.optimizers._definition import NON_NEGATIVE, UNIT, Cast, Slots
from jaxgd.optimizers._optimizer import Optimizer, build
from jaxgd.optimizers._options import CommonOptions, with_common_options
from jaxgd.optimizers._rule import Rule


@dataclass(frozen=True, kw_only=True)
class AdamaxRule(Rule):
    """See `adamax`."""

    class_name = "Adamax"
    numbers = {"beta_1": UNIT, "beta_2": UNIT, "epsilon": NON_NEGATIVE}  # noqa: RUF012
    slot_names = ("momentum", "norm")

    def derive(self, values: Mapping[str, Any], cast: Cast) -> dict[str, Any]:
        return {
            "beta_1": cast(values["beta_1"]),
            "one_minus_beta_1": 1 - values["beta_1"],
            "beta_2": values["beta_2"],
            "epsilon": values["epsilon"],
        }

    def per_step(
        self, n: SimpleNamespace, shared: Mapping[str, Any]
    ) -> tuple[dict[str, Array], dict[str, Any]]:
        return {"correction": 1 - power(n.beta_1, n.step, n.zero)}, {}

    def leaf(self, n: SimpleNamespace, grad: Array, value: Array, slots: Slots) -> tuple[Array, Slots]:
        momentum = lerp_towards(slots["momentum"], grad, n.one_minus_beta_1, n.zero)
        norm = jnp.maximum(n.beta_2 * slots["norm"], jnp.abs(grad))
        step = n.learning_rate * momentum / (n.correction * (norm + n.epsilon))
        return -step, {"momentum": momentum, "norm": norm}


@with_common_options
def adamax(
    learning_rate: Any = 0.001,
    beta_1: Scalar = 0.9,
    beta_2: Scalar = 0.999,
    epsilon: Scalar = 1e-7,
    **common: Unpack[CommonOptions],
) -> Optimizer:
    """Adamax, Adam in the infinity norm.

    m <- m + (g - m)(1 - beta_1); u <- max(beta_2 u, |g|);
    w <- w - learning_rate m / ((1 - beta_1**t)(u + epsilon))

    Args:
      learning_rate: a number >= 0, a scalar array, a schedule, or a function of the step.
      beta_1: in [0, 1], how much of the mean gradient is kept.
      beta_2: in [0, 1], how much of the largest gradient is kept.
      epsilon: >= 0, added after the maximum.
      **common: see the package docstring.

    Returns:
      An `Optimizer`; slots `momentum` and `norm` (u).

    Raises:
      TypeError, ValueError: an argument is no number or out of its range.
    Keras: Adamax, bit-equal in float32. `optax.adamax` adds epsilon inside the maximum: 1e-3 of the distance
    travelled away.

    >>> adamax(0.5).rule.slot_names
    ('momentum', 'norm')
    """
    settings = {"learning_rate": learning_rate, "beta_1": beta_1, "beta_2": beta_2, "epsilon": epsilon}
    return build(AdamaxRule, settings, common)
