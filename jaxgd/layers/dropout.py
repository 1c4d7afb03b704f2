"""Dropout: some entries are zero while training, the others are scaled up."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import jax.numpy as jnp

from jaxgd import random
from jaxgd._checks import check_integer, check_real
from jaxgd._types import Array
from jaxgd.layers.base import Context, Gradients, Layer, Output


@dataclass(frozen=True, repr=False)
class Dropout(Layer):
    """y = x * keep / (1 - rate) while training, x otherwise; keep = (uniform >= rate).

    Args:
      rate: share of the entries that become zero, in [0, 1]; 1 gives zeros, 0 the identity.
      seed: an int fixes the seed of this layer where Keras's numbers are drawn, that is under a `KerasKey`;
        None takes the run's. A JAX key decides for all layers.

    Raises:
      ValueError: rate outside [0, 1], or no key while training.
    Keras: `Dropout`, its masks bit for bit when the key is a `KerasKey`.
    >>> dropout(0.1)
    dropout(0.1)
    """

    rate: float
    seed: int | None = field(default=None, kw_only=True)
    scale: float = field(init=False, repr=False, default=1.0)
    """1 / (1 - rate), rounded once, from the exact rate."""
    active: bool = field(init=False, repr=False, default=True)

    scalars: ClassVar[tuple[str, ...]] = ("rate", "scale")
    keeps_values: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_real("rate", self.rate, 0.0, 1.0)
        if self.seed is not None:
            check_integer("seed", self.seed, 0)
        object.__setattr__(self, "scale", 1.0 / (1.0 - self.rate) if self.rate < 1 else 0.0)
        object.__setattr__(self, "active", self.rate > 0)

    def draws(self) -> tuple[str, ...]:
        return ("mask",) if self.active and self.seed is None else ()

    def _dropped(self, values: Array, context: Context) -> Array:
        """`values` after dropout; the mask depends on shape and dtype alone, so it is the same backward."""
        if not (context.training and self.active):
            return values
        keep = random.keep_mask(needed_source(self, context), self.rate, values.shape, values.dtype)
        scaled = values * jnp.asarray(self.scale, values.dtype)
        return jnp.where(keep, scaled, jnp.zeros((), values.dtype))

    def forward(self, params: Mapping[str, Array], x: Array, context: Context) -> Output:
        return Output(self._dropped(x, context))

    def backward(self, params: Mapping[str, Array], x: Array, upstream: Array, context: Context) -> Gradients:
        return Gradients(self._dropped(upstream, context))


def needed_source(layer: Layer, context: Context) -> Any:
    """The layer's source of random numbers. Raises ValueError where there is none."""
    if context.source is None:
        raise ValueError(f"{layer.kind}: training needs a key; pass key=... to forward.")
    return context.source


dropout = Dropout
