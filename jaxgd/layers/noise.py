"""Gaussian noise, added while training."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from jaxgd import random
from jaxgd._checks import check_integer, check_real
from jaxgd._types import Array
from jaxgd.layers.base import Context, Gradients, Layer, Output
from jaxgd.layers.dropout import needed_source


@dataclass(frozen=True, repr=False)
class GaussianNoise(Layer):
    """y = x + N(0, stddev) while training, x otherwise.

    Args:
      stddev: standard deviation of the noise, not negative; 0 is the identity.
      seed: an int fixes the seed of this layer where Keras's numbers are drawn, that is under a `KerasKey`;
        None takes the run's. A JAX key decides for all layers.

    Raises:
      ValueError: a negative stddev, or no key while training.
    Keras: `GaussianNoise`.
    >>> gaussian_noise(0.1)
    gaussian_noise(0.1)
    """

    stddev: float
    seed: int | None = field(default=None, kw_only=True)
    active: bool = field(init=False, repr=False, default=True)

    scalars: ClassVar[tuple[str, ...]] = ("stddev",)
    keeps_values: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_real("stddev", self.stddev, 0.0)
        if self.seed is not None:
            check_integer("seed", self.seed, 0)
        object.__setattr__(self, "active", self.stddev > 0)

    def draws(self) -> tuple[str, ...]:
        return ("noise",) if self.active and self.seed is None else ()

    def forward(self, params: Mapping[str, Array], x: Array, context: Context) -> Output:
        if not (context.training and self.active):
            return Output(x)
        noise = random.normal(
            needed_source(self, context), x.shape, mean=0.0, stddev=self.stddev, dtype=x.dtype
        )
        return Output(x + noise)

    def backward(self, params: Mapping[str, Array], x: Array, upstream: Array, context: Context) -> Gradients:
        return Gradients(upstream)


gaussian_noise = GaussianNoise
