"""Follow the regularized leader: parameters solved for from sums of gradients, with L1 and L2 penalties."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, Unpack

import jax.numpy as jnp

from jaxgd._types import Array, Scalar
from jaxgd.optimizers._arithmetic import divide_by_shared, power, rounded, square
from jaxgd.optimizers._definition import NON_NEGATIVE, Cast, Slots
from jaxgd.optimizers._optimizer import Optimizer, build
from jaxgd.optimizers._options import CommonOptions, with_common_options
from jaxgd.optimizers._rule import Rule

_STRENGTHS = ("l1_regularization_strength", "l2_regularization_strength", "beta")


@dataclass(frozen=True, kw_only=True)
class FtrlRule(Rule):
    """See `ftrl`. Not additive: the new parameter is solved for."""

    class_name = "Ftrl"
    numbers = {  # noqa: RUF012
        "learning_rate_power": (-float("inf"), 0.0),
        "initial_accumulator_value": NON_NEGATIVE,
        "l1_regularization_strength": NON_NEGATIVE,
        "l2_regularization_strength": NON_NEGATIVE,
        "l2_shrinkage_regularization_strength": NON_NEGATIVE,
        "beta": NON_NEGATIVE,
    }
    slot_names = ("accumulator", "linear")
    additive = False
    reads_params = True

    def derive(self, values: Mapping[str, Any], cast: Cast) -> dict[str, Any]:
        return {
            **{name: values[name] for name in _STRENGTHS},
            "initial_accumulator_value": cast(values["initial_accumulator_value"]),
            "exponent": -values["learning_rate_power"],
            "double_shrinkage": 2 * values["l2_shrinkage_regularization_strength"],
        }

    def init_slot(self, name: str, path: str, value: Array, numbers: Mapping[str, Any]) -> Array:
        return jnp.full_like(value, numbers["initial_accumulator_value"] if name == "accumulator" else 0)

    def per_step(
        self, n: SimpleNamespace, shared: Mapping[str, Any]
    ) -> tuple[dict[str, Array], dict[str, Any]]:
        strength = n.l2_regularization_strength + n.beta / (2 * n.learning_rate)
        return {"double_l2": 2 * strength}, {}

    def leaf(self, n: SimpleNamespace, grad: Array, value: Array, slots: Slots) -> tuple[Array, Slots]:
        old, limit = slots["accumulator"], n.l1_regularization_strength
        shrunk = grad + rounded(n.double_shrinkage * value, n.zero)
        total = old + square(grad, n.zero)
        new_power = power(total, n.exponent, n.zero)
        sigma = divide_by_shared(new_power - power(old, n.exponent, n.zero), n.learning_rate)
        linear = slots["linear"] + (shrunk - rounded(sigma * value, n.zero))
        quadratic = divide_by_shared(new_power, n.learning_rate) + n.double_l2
        new_value = (jnp.clip(linear, -limit, limit) - linear) / quadratic
        return new_value, {"accumulator": total, "linear": linear}


@with_common_options
def ftrl(
    learning_rate: Any = 0.001,
    learning_rate_power: Scalar = -0.5,
    initial_accumulator_value: Scalar = 0.1,
    l1_regularization_strength: Scalar = 0.0,
    l2_regularization_strength: Scalar = 0.0,
    l2_shrinkage_regularization_strength: Scalar = 0.0,
    beta: Scalar = 0.0,
    **common: Unpack[CommonOptions],
) -> Optimizer:
    """Follow the regularized leader, with p = -learning_rate_power and r = learning_rate.

    N' = N + g**2; z <- z + g + 2 shrinkage w - (N'**p - N**p) / r w;
    w = (clip(z, -l1, l1) - z) / (N'**p / r + 2 (l2 + beta / (2 r))); N <- N'

    Args:
      learning_rate: a number > 0, a scalar array, a schedule, or a function of the step.
      learning_rate_power: <= 0.
      initial_accumulator_value: >= 0, where N starts.
      l1_regularization_strength, l2_regularization_strength: >= 0.
      l2_shrinkage_regularization_strength: >= 0, adds to the gradient, not to the divisor.
      beta: >= 0.
      **common: see the package docstring.

    Returns:
      An `Optimizer`; slots `accumulator` (N) and `linear` (z).

    Raises:
      TypeError, ValueError: an argument is no number or out of its range.
    Keras: Ftrl; a quarter of TensorFlow's elementwise powers are one unit off, 2e-7 of the distance
    travelled in float32. optax has none.

    >>> ftrl(0.5).rule.additive
    False
    """
    settings = {
        "learning_rate": learning_rate,
        "learning_rate_power": learning_rate_power,
        "initial_accumulator_value": initial_accumulator_value,
        "l1_regularization_strength": l1_regularization_strength,
        "l2_regularization_strength": l2_regularization_strength,
        "l2_shrinkage_regularization_strength": l2_shrinkage_regularization_strength,
        "beta": beta,
    }
    return build(FtrlRule, settings, common)
