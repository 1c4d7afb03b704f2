"""What an initializer is, and what those that draw share."""

from typing import Any

import jax.numpy as jnp

from jaxgd import random
from jaxgd._described import Described
from jaxgd._types import Array, Shape


class Initializer(Described):
    """`init(source, shape, dtype)` makes values; `is_random` says whether they depend on the source."""

    is_random: bool = False

    def __call__(self, source: Any, shape: Shape, dtype: Any = jnp.float32) -> Array:
        raise NotImplementedError(f"{type(self).__name__} makes no values.")


class RandomInitializer(Initializer):
    """An initializer that draws: from its own `seed` if it has one, else from the source."""

    seed: int | None

    @property
    def is_random(self) -> bool:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Whether the values depend on the source."""
        return self.seed is None

    def __post_init__(self) -> None:
        if self.seed is not None and (isinstance(self.seed, bool) or not isinstance(self.seed, int)):
            raise TypeError(f"seed: expected an int or None, got {self.seed!r}.")

    def _source(self, source: Any) -> Any:
        return source if self.seed is None else random.keras_seed(self.seed)
