"""Adadelta: steps in the units of the parameters, from mean squared gradients and mean squared steps."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, Unpack

import jax.numpy as jnp

from jaxgd._types import Array, Scalar
from jaxgd.optimizers._arithmetic import divide_by_root, mix, rounded
from jaxgd.optimizers._definition import NON_NEGATIVE, UNIT, Cast, Slots
from jaxgd.optimizers._optimizer import Optimizer, build
from jaxgd.optimizers._options import CommonOptions, with_common_options
from jaxgd.optimizers._rule import Rule


@dataclass(frozen=True, kw_only=True)
class AdadeltaRule(Rule):
    """See `adadelta`."""

    class_name = "Adadelta"
    numbers = {"rho": UNIT, "epsilon": NON_NEGATIVE}  # noqa: RUF012
    slot_names = ("accumulated_grad", "accumulated_delta_var")

    def derive(self, values: Mapping[str, Any], cast: Cast) -> dict[str, Any]:
        return {"rho": values["rho"], "one_minus_rho": 1 - values["rho"], "epsilon": values["epsilon"]}

    def leaf(self, n: SimpleNamespace, grad: Array, value: Array, slots: Slots) -> tuple[Array, Slots]:
        squares = mix(slots["accumulated_grad"], grad * grad, n.rho, n.one_minus_rho, n.zero)
        steps = slots["accumulated_delta_var"]
        delta = -divide_by_root(jnp.sqrt(steps + n.epsilon) * grad, squares + n.epsilon, n.zero)
        new_steps = mix(steps, delta * delta, n.rho, n.one_minus_rho, n.zero)
        change = rounded(n.learning_rate * delta, n.zero)
        return change, {"accumulated_grad": squares, "accumulated_delta_var": new_steps}


@with_common_options
def adadelta(
    learning_rate: Any = 0.001,
    rho: Scalar = 0.95,
    epsilon: Scalar = 1e-7,
    **common: Unpack[CommonOptions],
) -> Optimizer:
    """Adadelta.

    G <- rho G + (1 - rho) g**2; d = -sqrt(X + epsilon) / sqrt(G + epsilon) g;
    X <- rho X + (1 - rho) d**2; w <- w + learning_rate d

    Args:
      learning_rate: a number >= 0, a scalar array, a schedule, or a function of the step.
      rho: in [0, 1], how much of the old means is kept.
      epsilon: >= 0, inside both roots.
      **common: see the package docstring.

    Returns:
      An `Optimizer`; slots `accumulated_grad` (G) and `accumulated_delta_var` (X).

    Raises:
      TypeError, ValueError: an argument is no number or out of its range.
    Keras: Adadelta, bit-equal in float32 to eager calls; a `tf.function` multiplies by a reciprocal root
    instead (up to 3e-5 of the distance travelled). `optax.adadelta(learning_rate, rho, epsilon)` is equal
    (distance 0); its defaults are others.

    >>> adadelta(0.5).hyperparameters["rho"]
    0.95
    """
    return build(AdadeltaRule, {"learning_rate": learning_rate, "rho": rho, "epsilon": epsilon}, common)
