"""Schedule-free AdamW: the parameters are a running mean of fast iterates."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, Unpack

import jax.numpy as jnp

from jaxgd._checks import is_traced_or_array
from jaxgd._types import Array, Scalar
from jaxgd.optimizers._arithmetic import divide_by_shared, lerp_towards, mix, power, rounded, square
from jaxgd.optimizers._definition import NON_NEGATIVE, UNIT, Cast, Slots
from jaxgd.optimizers._optimizer import Optimizer, build
from jaxgd.optimizers._options import CommonOptions, with_common_options
from jaxgd.optimizers._rule import Rule


@dataclass(frozen=True, kw_only=True)
class ScheduleFreeAdamWRule(Rule):
    """See `schedule_free_adamw`. Not additive: the new parameter is a mean."""

    class_name = "ScheduleFreeAdamW"
    numbers = {  # noqa: RUF012
        "beta_1": UNIT,
        "beta_2": UNIT,
        "epsilon": NON_NEGATIVE,
        "warmup_steps": NON_NEGATIVE,
    }
    slot_names = ("momentum", "velocity")
    additive = False
    reads_params = True

    warms_up: bool = False
    documented: bool = False
    starts_at_zero: bool = False

    @classmethod
    def static_fields(cls, settings: Mapping[str, Any]) -> dict[str, Any]:
        steps = settings["warmup_steps"]
        forms = {name: settings[name] for name in ("documented", "starts_at_zero")}
        return {"warms_up": is_traced_or_array(steps) or steps > 0, **forms}

    def derive(self, values: Mapping[str, Any], cast: Cast) -> dict[str, Any]:
        numbers = {name: cast(values[name]) for name in self.numbers}
        complements = {f"one_minus_{name}": 1 - numbers[name] for name in ("beta_1", "beta_2")}
        return {**numbers, **complements}

    def init_slot(self, name: str, path: str, value: Array, numbers: Mapping[str, Any]) -> Array:
        copied = name == "momentum" and not self.starts_at_zero
        return jnp.copy(value) if copied else jnp.zeros_like(value)

    def per_step(
        self, n: SimpleNamespace, shared: Mapping[str, Any]
    ) -> tuple[dict[str, Array], dict[str, Any]]:
        warm = jnp.minimum(n.step / n.warmup_steps, 1) if self.warms_up else 1
        scalars = {
            "rate": n.learning_rate * warm,
            "correction": 1 - power(n.beta_2, n.step, n.zero),
            "newest": 1 / n.step,
            "rest": 1 - 1 / n.step,
        }
        return scalars, {}

    def leaf(self, n: SimpleNamespace, grad: Array, value: Array, slots: Slots) -> tuple[Array, Slots]:
        velocity = lerp_towards(slots["velocity"], square(grad, n.zero), n.one_minus_beta_2, n.zero)
        root = jnp.sqrt(divide_by_shared(velocity, n.correction)) + n.epsilon
        fast = slots["momentum"] - n.rate * grad / root
        reference = slots["momentum"] if self.documented else fast
        mean = divide_by_shared(value - rounded(n.one_minus_beta_1 * reference, n.zero), n.beta_1)
        mean = mix(mean, fast, n.rest, n.newest, n.zero)
        return mix(mean, fast, n.beta_1, n.one_minus_beta_1, n.zero), {"momentum": fast, "velocity": velocity}


@with_common_options
def schedule_free_adamw(
    learning_rate: Any = 0.0025,
    beta_1: Scalar = 0.9,
    beta_2: Scalar = 0.999,
    epsilon: Scalar = 1e-8,
    warmup_steps: Scalar = 0,
    *,
    documented: bool = False,
    starts_at_zero: bool = False,
    **common: Unpack[CommonOptions],
) -> Optimizer:
    """Schedule-free AdamW, as Keras computes it.

    v as in `adam`; z <- z - learning_rate min(t / warmup_steps, 1) g / (sqrt(v / (1 - beta_2**t)) + epsilon);
    w <- (1 - 1/t) w + z/t

    Args:
      learning_rate: a number >= 0, a scalar array, a schedule, or a function of the step.
      beta_1: in (0, 1], where between z and its mean the parameters are; without effect unless `documented`.
      beta_2: in [0, 1], how much of the mean square is kept.
      epsilon: >= 0, added to the corrected root.
      warmup_steps: >= 0, over how many steps the rate grows.
      documented: False computes what Keras's TensorFlow backend computes: z is read after it was changed.
        True computes the documented rule, in which x is the mean of z and w = beta_1 x + (1 - beta_1) z.
      starts_at_zero: False starts z at the parameters, as Keras does eagerly. True starts it at 0, so that
        the first step forgets the initial weights: what Keras's `fit` does to a model that was just compiled,
        as the copy of the weights is lost while the graph is traced. (Keras's `load_model` of a file without
        z starts it at random weights that are not those of the file; no form here does.)
      **common: see the package docstring.

    Returns:
      An `Optimizer`; slots `momentum` (z) and `velocity` (v).

    Raises:
      TypeError, ValueError: an argument is no number or out of its range.
    Keras: ScheduleFreeAdamW, bit-equal in float32; cases `optimizer/ScheduleFreeAdamW*`, and `fit` of a
    compiled model in `fit/*ScheduleFreeAdamW*`. `optax.contrib.schedule_free_adamw` is another algorithm,
    18 % of the distance travelled away.

    >>> schedule_free_adamw().rule.warms_up
    False
    """
    settings = {
        "learning_rate": learning_rate,
        "beta_1": beta_1,
        "beta_2": beta_2,
        "epsilon": epsilon,
        "warmup_steps": warmup_steps,
        "documented": documented,
        "starts_at_zero": starts_at_zero,
    }
    return build(ScheduleFreeAdamWRule, settings, common)
