"""Nadam: Adam with Nesterov's look ahead and a momentum that warms up."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, Unpack

import jax.numpy as jnp

from jaxgd._types import Array, Scalar
from jaxgd.optimizers._arithmetic import divide_by_shared, lerp_towards, power, rounded, square
from jaxgd.optimizers._definition import NON_NEGATIVE, UNIT, Cast, Slots
from jaxgd.optimizers._optimizer import Optimizer, build
from jaxgd.optimizers._options import CommonOptions, with_common_options
from jaxgd.optimizers._rule import Rule

MOMENTUM_DECAY = 0.96


@dataclass(frozen=True, kw_only=True)
class NadamRule(Rule):
    """See `nadam`."""

    class_name = "Nadam"
    numbers = {"beta_1": UNIT, "beta_2": UNIT, "epsilon": NON_NEGATIVE}  # noqa: RUF012
    slot_names = ("momentum", "velocity")

    def derive(self, values: Mapping[str, Any], cast: Cast) -> dict[str, Any]:
        beta_1, beta_2 = cast(values["beta_1"]), cast(values["beta_2"])
        return {
            "beta_1": beta_1,
            "beta_2": beta_2,
            "one_minus_beta_1": 1 - beta_1,
            "one_minus_beta_2": 1 - beta_2,
            "epsilon": values["epsilon"],
            "momentum_decay": cast(MOMENTUM_DECAY),
            "exact_beta_1": values["beta_1"],
            "exact_momentum_decay": MOMENTUM_DECAY,
        }

    def init_shared(self, dtype: Any) -> dict[str, Any]:
        return {"u_product": jnp.ones((), dtype)}

    def per_step(
        self, n: SimpleNamespace, shared: Mapping[str, Any]
    ) -> tuple[dict[str, Array], dict[str, Any]]:
        now = rounded(n.beta_1 * _warm_up(n, n.momentum_decay, n.step), n.zero)
        ahead = n.beta_1 * _warm_up(n, n.momentum_decay, n.step + 1)
        warm_up = _warm_up(n, n.exact_momentum_decay, n.step)
        product = rounded(shared["u_product"] * n.exact_beta_1 * warm_up, n.zero)
        scalars = {
            "ahead": ahead,
            "ahead_correction": 1 - rounded(product * ahead, n.zero),
            "gradient_share": 1 - now,
            "correction": 1 - product,
            "velocity_correction": 1 - power(n.beta_2, n.step, n.zero),
        }
        return scalars, {"u_product": product}

    def leaf(self, n: SimpleNamespace, grad: Array, value: Array, slots: Slots) -> tuple[Array, Slots]:
        momentum = lerp_towards(slots["momentum"], grad, n.one_minus_beta_1, n.zero)
        velocity = lerp_towards(slots["velocity"], square(grad, n.zero), n.one_minus_beta_2, n.zero)
        mean = divide_by_shared(n.ahead * momentum, n.ahead_correction)
        mean = mean + divide_by_shared(n.gradient_share * grad, n.correction)
        root = jnp.sqrt(divide_by_shared(velocity, n.velocity_correction))
        step = mean * n.learning_rate / (root + n.epsilon)
        return -step, {"momentum": momentum, "velocity": velocity}


def _warm_up(n: SimpleNamespace, decay: Array, step: Array) -> Array:
    """From about a half to 1, the factor of the momentum at a step."""
    return 1 - 0.5 * power(decay, step, n.zero)


@with_common_options
def nadam(
    learning_rate: Any = 0.001,
    beta_1: Scalar = 0.9,
    beta_2: Scalar = 0.999,
    epsilon: Scalar = 1e-7,
    **common: Unpack[CommonOptions],
) -> Optimizer:
    """Nadam.

    u_t = beta_1 (1 - 0.96**t / 2); U <- U u_t; m, v as in `adam`;
    w <- w - learning_rate (u_{t+1} m / (1 - U u_{t+1}) + (1 - u_t) g / (1 - U)) / (sqrt(v / (1 - beta_2**t))
    + epsilon)

    Args:
      learning_rate: a number >= 0, a scalar array, a schedule, or a function of the step.
      beta_1: in [0, 1], the momentum that u_t approaches, and how much of the mean gradient is kept.
      beta_2: in [0, 1], how much of the mean square is kept.
      epsilon: >= 0, added to the corrected root.
      **common: see the package docstring.

    Returns:
      An `Optimizer`; slots `momentum` and `velocity`; `u_product` (U) in `state.shared`.

    Raises:
      TypeError, ValueError: an argument is no number or out of its range.
    Keras: Nadam, bit-equal in float32. `optax.nadam` has a constant momentum, another algorithm: 47 % of the
    distance travelled away.

    >>> import jax.numpy as jnp
    >>> float(nadam().init({"w": jnp.zeros(1)}).shared["u_product"])
    1.0
    """
    settings = {"learning_rate": learning_rate, "beta_1": beta_1, "beta_2": beta_2, "epsilon": epsilon}
    return build(NadamRule, settings, common)
