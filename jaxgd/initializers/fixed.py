"""Initializers that draw nothing."""

from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np

from jaxgd import random
from jaxgd._checks import is_traced_or_array, wrong
from jaxgd._types import Array, Scalar, Shape
from jaxgd.initializers.base import Initializer


@dataclass(frozen=True)
class Zeros(Initializer):
    """All 0. Keras: `Zeros`."""

    def __call__(self, source: Any, shape: Shape, dtype: Any = jnp.float32) -> Array:
        return random.filled(shape, 0, dtype)


@dataclass(frozen=True)
class Ones(Initializer):
    """All 1. Keras: `Ones`."""

    def __call__(self, source: Any, shape: Shape, dtype: Any = jnp.float32) -> Array:
        return random.filled(shape, 1, dtype)


@dataclass(frozen=True)
class Constant(Initializer):
    """All `value`. Keras: `Constant`; a Python number is rounded to float32 even in float64."""

    value: Scalar = 0.0

    def __call__(self, source: Any, shape: Shape, dtype: Any = jnp.float32) -> Array:
        value = self.value if is_traced_or_array(self.value) else np.float32(self.value)
        return random.filled(shape, value, dtype)


@dataclass(frozen=True)
class Identity(Initializer):
    """`gain` on the diagonal, 0 elsewhere. Raises ValueError unless the rank is 2. Keras: `Identity`."""

    gain: Scalar = 1.0

    def __call__(self, source: Any, shape: Shape, dtype: Any = jnp.float32) -> Array:
        if len(shape) != 2:
            raise wrong("shape", tuple(shape), "a shape of rank 2 for identity")
        return jnp.eye(*shape, dtype=dtype) * jnp.asarray(self.gain, dtype)
