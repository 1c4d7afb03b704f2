"""Dropout's relatives: noise that multiplies, and dropout that keeps the statistics of SELU networks."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import jax.numpy as jnp

from jaxgd import random
from jaxgd._checks import check_integer, check_real
from jaxgd._types import Array
from jaxgd.layers.base import Context, Gradients, Layer, Output
from jaxgd.layers.dropout import needed_source

_ALPHA_TIMES_SCALE = 1.6732632423543772 * 1.0507009873554805
"""Of SELU: what its output tends to on the left, with the sign changed."""


@dataclass(frozen=True, repr=False)
class GaussianDropout(Layer):
    """y = x * N(1, sqrt(rate / (1 - rate))) while training, x otherwise.

    Args:
      rate: in [0, 1); the noise has the variance that dropout of this rate has.
      seed: as in `dropout`.

    Raises:
      ValueError: rate outside [0, 1), or no key while training.
    Keras: `GaussianDropout`.
    >>> gaussian_dropout(0.1)
    gaussian_dropout(0.1)
    """

    rate: float
    seed: int | None = field(default=None, kw_only=True)
    deviation: float = field(init=False, repr=False, default=0.0)
    active: bool = field(init=False, repr=False, default=True)

    scalars: ClassVar[tuple[str, ...]] = ("rate", "deviation")
    keeps_values: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_real("rate", self.rate, 0.0, math.nextafter(1.0, 0.0))
        if self.seed is not None:
            check_integer("seed", self.seed, 0)
        object.__setattr__(self, "deviation", math.sqrt(self.rate / (1.0 - self.rate)))
        object.__setattr__(self, "active", self.rate > 0)

    def draws(self) -> tuple[str, ...]:
        return ("noise",) if self.active and self.seed is None else ()

    def _noisy(self, values: Array, context: Context) -> Array:
        if not (context.training and self.active):
            return values
        source = needed_source(self, context)
        return values * random.normal(source, values.shape, 1.0, self.deviation, values.dtype)

    def forward(self, params: Mapping[str, Array], x: Array, context: Context) -> Output:
        return Output(self._noisy(x, context))

    def backward(self, params: Mapping[str, Array], x: Array, upstream: Array, context: Context) -> Gradients:
        return Gradients(self._noisy(upstream, context))


@dataclass(frozen=True, repr=False)
class AlphaDropout(Layer):
    """Entries are set to SELU's limit on the left, then all are scaled and shifted to keep mean and variance.

    y = a * (x where kept, else -1.758) + b while training, x otherwise

    Args:
      rate: share of the entries that are set, in [0, 1).
      seed: as in `dropout`.

    Raises:
      ValueError: rate outside [0, 1), or no key while training.
    Keras: `AlphaDropout`.
    References: Klambauer et al. (2017), arXiv:1706.02515.
    >>> alpha_dropout(0.1)
    alpha_dropout(0.1)
    """

    rate: float
    seed: int | None = field(default=None, kw_only=True)
    factor: float = field(init=False, repr=False, default=1.0)
    shift: float = field(init=False, repr=False, default=0.0)
    active: bool = field(init=False, repr=False, default=True)

    scalars: ClassVar[tuple[str, ...]] = ("rate", "factor", "shift")
    keeps_values: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_real("rate", self.rate, 0.0, math.nextafter(1.0, 0.0))
        if self.seed is not None:
            check_integer("seed", self.seed, 0)
        factor = ((1 - self.rate) * (1 + self.rate * _ALPHA_TIMES_SCALE**2)) ** -0.5
        object.__setattr__(self, "factor", factor)
        object.__setattr__(self, "shift", factor * _ALPHA_TIMES_SCALE * self.rate)
        object.__setattr__(self, "active", self.rate > 0)

    def draws(self) -> tuple[str, ...]:
        return ("mask",) if self.active and self.seed is None else ()

    def _kept(self, x: Array, context: Context) -> Array:
        """The mask; it is drawn in the parameter dtype, whatever is computed in."""
        source = needed_source(self, context)
        return random.keep_mask(source, self.rate, x.shape, context.params_dtype)

    def forward(self, params: Mapping[str, Array], x: Array, context: Context) -> Output:
        if not (context.training and self.active):
            return Output(x)
        values = jnp.where(self._kept(x, context), x, jnp.asarray(-_ALPHA_TIMES_SCALE, x.dtype))
        factor, shift = (jnp.asarray(each, x.dtype) for each in (self.factor, self.shift))
        return Output(factor * values + shift)

    def backward(self, params: Mapping[str, Array], x: Array, upstream: Array, context: Context) -> Gradients:
        if not (context.training and self.active):
            return Gradients(upstream)
        scaled = upstream * jnp.asarray(self.factor, x.dtype)
        return Gradients(jnp.where(self._kept(x, context), scaled, jnp.zeros((), x.dtype)))


gaussian_dropout = GaussianDropout
alpha_dropout = AlphaDropout
