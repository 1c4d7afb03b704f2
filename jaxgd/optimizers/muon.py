"""Muon: momentum made orthogonal for matrices, Adam for everything else."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, Unpack

import jax.numpy as jnp

from jaxgd._checks import check_integer
from jaxgd._types import Array, Scalar
from jaxgd.optimizers._arithmetic import divide_by_shared, lerp_towards, rounded, square
from jaxgd.optimizers._definition import ANY, NON_NEGATIVE, UNIT, Cast, Slots
from jaxgd.optimizers._optimizer import Optimizer, build
from jaxgd.optimizers._options import SharedOptions, with_common_options
from jaxgd.optimizers._rule import Rule
from jaxgd.optimizers.adam import adam_constants, adam_step_size

_NORM_EPSILON = 1e-7


@dataclass(frozen=True, kw_only=True)
class MuonRule(Rule):
    """See `muon`."""

    class_name = "Muon"
    numbers = {  # noqa: RUF012
        "adam_beta_1": UNIT,
        "adam_beta_2": UNIT,
        "epsilon": NON_NEGATIVE,
        "adam_weight_decay": NON_NEGATIVE,
        "muon_a": ANY,
        "muon_b": ANY,
        "muon_c": ANY,
        "adam_lr_ratio": NON_NEGATIVE,
        "momentum": UNIT,
        "rms_rate": NON_NEGATIVE,
    }
    slot_names = ("momentum", "velocity")

    adam_decays: bool = True
    scales: bool = True
    exclude_layers: tuple[str, ...] = ()
    exclude_embeddings: bool = True
    ns_steps: int = 5
    nesterov: bool = True

    @classmethod
    def static_fields(cls, settings: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "adam_decays": settings["adam_weight_decay"] is not None,
            "scales": settings["rms_rate"] is not None,
            "exclude_layers": tuple(settings["exclude_layers"]),
            **{name: settings[name] for name in ("exclude_embeddings", "ns_steps", "nesterov")},
        }

    def derive(self, values: Mapping[str, Any], cast: Cast) -> dict[str, Any]:
        betas = {"beta_1": values["adam_beta_1"], "beta_2": values["adam_beta_2"]}
        names = [
            "muon_a",
            "muon_b",
            "muon_c",
            "adam_lr_ratio",
            "momentum",
            *(["rms_rate"] if self.scales else []),
        ]
        own = {name: values[name] for name in names}
        own["momentum_minus_one"] = values["momentum"] - 1
        if self.adam_decays:
            own["adam_weight_decay"] = cast(values["adam_weight_decay"])
        return {**own, **adam_constants({**betas, "epsilon": values["epsilon"]}, cast)}

    def is_excluded(self, path: str) -> bool:
        return super().is_excluded(path.rsplit("/", 1)[-1])

    def has_own_decay(self) -> bool:
        return self.adam_decays

    def uses_adam(self, path: str, value: Array) -> bool:
        """Whether a parameter is no matrix, an embedding, or in an excluded layer."""
        embedding = self.exclude_embeddings and "embedding" in path.lower()
        return value.ndim != 2 or embedding or any(re.search(layer, path) for layer in self.exclude_layers)

    def decay_of(self, path: str, value: Array, n: SimpleNamespace) -> Array | None:
        if not self.uses_adam(path, value):
            return super().decay_of(path, value, n)
        return n.adam_weight_decay if self.adam_decays and not self.is_excluded(path) else None

    def init_slot(self, name: str, path: str, value: Array, numbers: Mapping[str, Any]) -> Array | None:
        if name == "velocity" and not self.uses_adam(path, value):
            return None
        return jnp.zeros_like(value)

    def per_step(
        self, n: SimpleNamespace, shared: Mapping[str, Any]
    ) -> tuple[dict[str, Array], dict[str, Any]]:
        rate = n.learning_rate * n.adam_lr_ratio
        return {"alpha": adam_step_size(SimpleNamespace(**{**vars(n), "learning_rate": rate}))}, {}

    def leaf(self, n: SimpleNamespace, grad: Array, value: Array, slots: Slots) -> tuple[Array, Slots]:
        if slots["velocity"] is None:
            return self._orthogonal_step(n, grad, slots)
        momentum = lerp_towards(slots["momentum"], grad, n.one_minus_beta_1, n.zero)
        velocity = lerp_towards(slots["velocity"], square(grad, n.zero), n.one_minus_beta_2, n.zero)
        step = momentum * n.alpha / (jnp.sqrt(velocity) + n.epsilon)
        return -step, {"momentum": momentum, "velocity": velocity}

    def _orthogonal_step(self, n: SimpleNamespace, grad: Array, slots: Slots) -> tuple[Array, Slots]:
        old = slots["momentum"]
        momentum = old + (grad + rounded(old * n.momentum_minus_one, n.zero))
        direction = grad + rounded(n.momentum * momentum, n.zero) if self.nesterov else momentum
        step = n.learning_rate * orthogonalized(
            direction, self.ns_steps, n.muon_a, n.muon_b, n.muon_c, n.zero
        )
        if self.scales:
            step = step * jnp.asarray(math.sqrt(max(grad.shape)), grad.dtype) * n.rms_rate
        return -rounded(step, n.zero), {"momentum": momentum, "velocity": None}


def orthogonalized(matrix: Array, num_steps: int, a: Scalar, b: Scalar, c: Scalar, zero: Array) -> Array:
    """Newton and Schulz's iteration: about the orthogonal matrix nearest to `matrix`.

    X <- a X + (b A + c A A) X with A = X X^T, from X = matrix / norm(matrix), on the side with fewer rows.
    """
    is_tall = matrix.shape[0] > matrix.shape[1]
    x = matrix.T if is_tall else matrix
    x = divide_by_shared(x, jnp.sqrt(jnp.sum(square(x, zero))) + _NORM_EPSILON)
    for _ in range(num_steps):
        gram = _product(x, x.T)
        x = rounded(a * x, zero) + _product(rounded(b * gram, zero) + _product(c * gram, gram), x)
    return x.T if is_tall else x


def _product(a: Array, b: Array) -> Array:
    """Never shortened, whatever a device does by default."""
    return jnp.dot(a, b, precision="highest")


@with_common_options
def muon(
    learning_rate: Any = 0.001,
    adam_beta_1: Scalar = 0.9,
    adam_beta_2: Scalar = 0.999,
    adam_weight_decay: Scalar | None = 0.004,
    epsilon: Scalar = 1e-7,
    weight_decay: Scalar | None = 0.004,
    *,
    exclude_layers: Sequence[str] | None = None,
    exclude_embeddings: bool = True,
    muon_a: Scalar = 3.4445,
    muon_b: Scalar = -4.7750,
    muon_c: Scalar = 2.0315,
    adam_lr_ratio: Scalar = 1.0,
    momentum: Scalar = 0.95,
    ns_steps: int = 5,
    nesterov: bool = True,
    rms_rate: Scalar | None = 0.2,
    **common: Unpack[SharedOptions],
) -> Optimizer:
    """Muon.

    Matrices: m <- momentum m + g; G = g + momentum m (with `nesterov`, else m); X = `orthogonalized(G)`;
    w <- w - learning_rate X sqrt(max(rows, columns)) rms_rate. Other parameters: `adam` at learning_rate
    adam_lr_ratio.

    Args:
      learning_rate: a number >= 0, a scalar array, a schedule, or a function of the step.
      adam_beta_1, adam_beta_2, epsilon: Adam's numbers.
      adam_weight_decay: decay of Adam's parameters, or None.
      weight_decay: decay of the matrices, or None.
      exclude_layers: regular expressions searched for in "layer/leaf" paths; a match is Adam's.
      exclude_embeddings: whether paths with "embedding" in them are Adam's.
      muon_a, muon_b, muon_c: coefficients of the iteration.
      adam_lr_ratio: >= 0, Adam's share of the learning rate.
      momentum: in [0, 1].
      ns_steps: iterations.
      nesterov: whether to look ahead along the momentum.
      rms_rate: >= 0, or None for steps whose size does not depend on the shape.
      **common: see the package docstring; here `exclude_from_weight_decay` is searched for in leaf names
        only.

    Returns:
      An `Optimizer`; slots `momentum`, and `velocity` (None for matrices that Adam does not train).

    Raises:
      TypeError, ValueError: an argument is no number or out of its range.
    Keras: Muon; matrix products round in another order, 2e-5 of the distance travelled in float32.
    `optax.contrib.muon` corrects the momentum's bias and is 2e-2 away.

    >>> import jax.numpy as jnp
    >>> muon().init({"w": jnp.zeros((2, 2)), "b": jnp.zeros(2)}).slots["velocity"]["w"] is None
    True
    """
    settings = {name: value for name, value in locals().items() if name != "common"}
    settings["exclude_layers"] = list(exclude_layers or ())
    settings["ns_steps"] = check_integer("ns_steps", ns_steps, 0)
    return build(MuonRule, settings, common)
