"""Lamb: Adam's direction, with a step as long as the parameter is large."""

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
from jaxgd.optimizers.adam import adam_constants


@dataclass(frozen=True, kw_only=True)
class LambRule(Rule):
    """See `lamb`."""

    class_name = "Lamb"
    numbers = {"beta_1": UNIT, "beta_2": UNIT, "epsilon": NON_NEGATIVE}  # noqa: RUF012
    slot_names = ("momentum", "velocity")
    reads_params = True

    def derive(self, values: Mapping[str, Any], cast: Cast) -> dict[str, Any]:
        return adam_constants(values, cast)

    def per_step(
        self, n: SimpleNamespace, shared: Mapping[str, Any]
    ) -> tuple[dict[str, Array], dict[str, Any]]:
        return {
            "correction_1": 1 - power(n.beta_1, n.step, n.zero),
            "correction_2": 1 - power(n.beta_2, n.step, n.zero),
        }, {}

    def leaf(self, n: SimpleNamespace, grad: Array, value: Array, slots: Slots) -> tuple[Array, Slots]:
        momentum = lerp_towards(slots["momentum"], grad, n.one_minus_beta_1, n.zero)
        velocity = lerp_towards(slots["velocity"], square(grad, n.zero), n.one_minus_beta_2, n.zero)
        root = jnp.sqrt(divide_by_shared(velocity, n.correction_2))
        direction = divide_by_shared(momentum, n.correction_1) / (root + n.epsilon)
        change = -rounded(_trust_ratio(value, direction, n.zero) * n.learning_rate * direction, n.zero)
        return change, {"momentum": momentum, "velocity": velocity}


def _trust_ratio(value: Array, direction: Array, zero: Array) -> Array:
    """norm(value) / norm(direction), 1 if either is zero."""
    size, length = (jnp.sqrt(jnp.sum(square(x, zero))) for x in (value, direction))
    usable = (size > 0) & (length > 0)
    return jnp.where(usable, size / rounded(jnp.where(usable, length, 1), zero), 1)


@with_common_options
def lamb(
    learning_rate: Any = 0.001,
    beta_1: Scalar = 0.9,
    beta_2: Scalar = 0.999,
    epsilon: Scalar = 1e-7,
    **common: Unpack[CommonOptions],
) -> Optimizer:
    """Lamb.

    m, v as in `adam`; u = m / (1 - beta_1**t) / (sqrt(v / (1 - beta_2**t)) + epsilon);
    w <- w - norm(w) / norm(u) learning_rate u, with the ratio 1 if a norm is zero

    Args:
      learning_rate: a number >= 0, a scalar array, a schedule, or a function of the step.
      beta_1: in [0, 1], how much of the mean gradient is kept.
      beta_2: in [0, 1], how much of the mean square is kept.
      epsilon: >= 0, added to the corrected root.
      **common: see the package docstring.

    Returns:
      An `Optimizer`; slots `momentum` and `velocity`.

    Raises:
      TypeError, ValueError: an argument is no number or out of its range.
    Keras: Lamb; norms are summed in another order, 3e-6 of the distance travelled in float32.
    `optax.lamb(eps=epsilon)` without decay is equal (3e-15 in float64); with decay it is another algorithm.

    >>> lamb(0.5).name
    'lamb'
    """
    settings = {"learning_rate": learning_rate, "beta_1": beta_1, "beta_2": beta_2, "epsilon": epsilon}
    return build(LambRule, settings, common)
