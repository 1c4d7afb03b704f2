"""Adafactor: mean squares of a matrix kept as one row and one column."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, Unpack

import jax.numpy as jnp

from jaxgd._types import Array, Scalar
from jaxgd.optimizers._arithmetic import divide_by_root, divide_by_shared, mix, power, rounded, square
from jaxgd.optimizers._definition import ANY, NON_NEGATIVE, Cast, Slots
from jaxgd.optimizers._optimizer import Optimizer, build
from jaxgd.optimizers._options import CommonOptions, with_common_options
from jaxgd.optimizers._rule import Rule


@dataclass(frozen=True, kw_only=True)
class AdafactorRule(Rule):
    """See `adafactor`."""

    class_name = "Adafactor"
    numbers = {  # noqa: RUF012
        "beta_2_decay": ANY,
        "epsilon_1": NON_NEGATIVE,
        "epsilon_2": NON_NEGATIVE,
        "clip_threshold": NON_NEGATIVE,
    }
    slot_names = ("r", "c", "velocity")
    reads_params = True

    bounded: bool = True

    @classmethod
    def static_fields(cls, settings: Mapping[str, Any]) -> dict[str, Any]:
        return {"bounded": settings["relative_step"] or not settings["documented"]}

    def derive(self, values: Mapping[str, Any], cast: Cast) -> dict[str, Any]:
        return {**{name: values[name] for name in self.numbers}, "epsilon_2": cast(values["epsilon_2"])}

    def init_slot(self, name: str, path: str, value: Array, numbers: Mapping[str, Any]) -> Array | None:
        if name == "velocity":
            return jnp.zeros_like(value)
        if value.ndim < 2:
            return None
        axis = -1 if name == "r" else -2
        return jnp.zeros_like(value.mean(axis=axis))

    def per_step(
        self, n: SimpleNamespace, shared: Mapping[str, Any]
    ) -> tuple[dict[str, Array], dict[str, Any]]:
        taken = power(n.step, n.beta_2_decay, n.zero)
        kept = 1 - taken
        rate = n.learning_rate
        if self.bounded:
            rate = jnp.minimum(rate, 1 / rounded(jnp.sqrt(n.step), n.zero))
        return {"rate": rate, "kept": kept, "taken": 1 - kept}, {}

    def leaf(self, n: SimpleNamespace, grad: Array, value: Array, slots: Slots) -> tuple[Array, Slots]:
        new = _mean_squares(n, square(grad, n.zero) + n.epsilon_1, slots)
        direction = divide_by_root(grad, new["velocity"], n.zero)
        direction = divide_by_shared(direction, jnp.maximum(1, _rms(direction) / n.clip_threshold))
        rate = jnp.maximum(n.epsilon_2, _rms(value)) * n.rate
        return -rounded(rate * direction, n.zero), new


def _mean_squares(n: SimpleNamespace, squares: Array, slots: Slots) -> Slots:
    """The slots after one more gradient; the velocity of a matrix is the product of its row and column."""
    if squares.ndim < 2:
        return {"r": None, "c": None, "velocity": mix(slots["velocity"], squares, n.kept, n.taken, n.zero)}
    row = mix(slots["r"], squares.mean(axis=-1), n.kept, n.taken, n.zero)
    column = mix(slots["c"], squares.mean(axis=-2), n.kept, n.taken, n.zero)
    share = row / row.mean(axis=-1, keepdims=True)
    return {"r": row, "c": column, "velocity": share[..., :, None] * column[..., None, :]}


def _rms(x: Array) -> Array:
    return jnp.sqrt(jnp.mean(jnp.square(x)))


@with_common_options
def adafactor(
    learning_rate: Any = 0.001,
    beta_2_decay: Scalar = -0.8,
    epsilon_1: Scalar = 1e-30,
    epsilon_2: Scalar = 1e-3,
    clip_threshold: Scalar = 1.0,
    relative_step: bool = True,
    *,
    documented: bool = False,
    **common: Unpack[CommonOptions],
) -> Optimizer:
    """Adafactor, without momentum.

    b = 1 - t**beta_2_decay; q = g**2 + epsilon_1; vectors: V <- b V + (1 - b) q; matrices:
    r <- b r + (1 - b) mean_columns(q), c <- b c + (1 - b) mean_rows(q), V = r / mean(r) * c; u = g / sqrt(V);
    w <- w - max(epsilon_2, RMS(w)) min(learning_rate, 1 / sqrt(t)) u / max(1, RMS(u) / clip_threshold)

    Args:
      learning_rate: a number >= 0, a scalar array, a schedule, or a function of the step.
      beta_2_decay: exponent of the decay of the means, negative.
      epsilon_1: >= 0, added to squared gradients.
      epsilon_2: >= 0, the least size that a parameter is taken to have.
      clip_threshold: >= 0, the largest root mean square of u.
      relative_step: whether the rate is bounded by 1 / sqrt(t); without effect unless `documented`.
      documented: False computes what Keras does, where the rate is always bounded. True lets
        `relative_step=False` take the learning rate as it is, which Keras documents and does not do.
      **common: see the package docstring.

    Returns:
      An `Optimizer`; slots `r` and `c` (None for vectors) and `velocity` (V).

    Raises:
      TypeError, ValueError: an argument is no number or out of its range.
    Keras: Adafactor; means are summed in another order, 4e-6 of the distance travelled in float32.
    `optax.adafactor` has the same formula for matrices with `min_dim_size_to_factor=1` and a bounded rate
    (1e-8).

    >>> import jax.numpy as jnp
    >>> slots = adafactor().init({"w": jnp.zeros((3, 2))}).slots
    >>> slots["r"]["w"].shape, slots["c"]["w"].shape
    ((3,), (2,))
    """
    settings = {
        "learning_rate": learning_rate,
        "beta_2_decay": beta_2_decay,
        "epsilon_1": epsilon_1,
        "epsilon_2": epsilon_2,
        "clip_threshold": clip_threshold,
        "relative_step": relative_step,
        "documented": documented,
    }
    return build(AdafactorRule, settings, common)
