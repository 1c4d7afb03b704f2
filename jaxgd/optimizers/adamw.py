"""AdamW: Adam with decoupled weight decay switched on."""

from dataclasses import dataclass
from typing import Any, Unpack

from jaxgd._checks import wrong
from jaxgd._types import Scalar
from jaxgd.optimizers._optimizer import Optimizer, build
from jaxgd.optimizers._options import SharedOptions, with_common_options
from jaxgd.optimizers.adam import AdamRule


@dataclass(frozen=True, kw_only=True)
class AdamWRule(AdamRule):
    """See `adamw`."""

    class_name = "AdamW"


@with_common_options
def adamw(
    learning_rate: Any = 0.001,
    weight_decay: Scalar = 0.004,
    beta_1: Scalar = 0.9,
    beta_2: Scalar = 0.999,
    epsilon: Scalar = 1e-7,
    amsgrad: bool = False,
    **common: Unpack[SharedOptions],
) -> Optimizer:
    """Adam with decoupled weight decay.

    w <- w - w weight_decay learning_rate, then the update of `adam` with the gradient of the undecayed w.

    Args:
      learning_rate, beta_1, beta_2, epsilon, amsgrad: as in `adam`.
      weight_decay: >= 0.
      **common: see the package docstring; `exclude_from_weight_decay=("bias",)` spares the biases.

    Returns:
      An `Optimizer`; slots as in `adam`.

    Raises:
      TypeError, ValueError: an argument is no number or out of its range; weight_decay is None.
    Keras: AdamW, bit-equal in float32. `optax.adamw` differs as `optax.adam` does; its decay is the same.

    >>> adamw().hyperparameters["weight_decay"]
    0.004
    """
    if weight_decay is None:
        raise wrong("weight_decay", weight_decay, "a number >= 0")
    settings = {
        "learning_rate": learning_rate,
        "weight_decay": weight_decay,
        "beta_1": beta_1,
        "beta_2": beta_2,
        "epsilon": epsilon,
        "amsgrad": amsgrad,
    }
    return build(AdamWRule, settings, common)
