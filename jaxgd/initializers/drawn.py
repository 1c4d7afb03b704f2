"""Initializers whose law does not depend on the shape, and the orthogonal one."""

import math
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp

from jaxgd import random
from jaxgd._checks import wrong
from jaxgd._types import Array, Scalar, Shape
from jaxgd.initializers.base import RandomInitializer


@dataclass(frozen=True)
class RandomNormal(RandomInitializer):
    """Normal numbers, mean + stddev * z. Keras: `RandomNormal`, within 2.4e-7 standard deviations."""

    mean: Scalar = 0.0
    stddev: Scalar = 0.05
    seed: int | None = None

    def __call__(self, source: Any, shape: Shape, dtype: Any = jnp.float32) -> Array:
        return random.normal(self._source(source), shape, self.mean, self.stddev, dtype)


@dataclass(frozen=True)
class TruncatedNormal(RandomInitializer):
    """Normal numbers within two `stddev` of the mean.

    `stddev` is that before the cut; the values' own is 0.88 times it.

    Keras: `TruncatedNormal`, within 2.4e-7 standard deviations.
    """

    mean: Scalar = 0.0
    stddev: Scalar = 0.05
    seed: int | None = None

    def __call__(self, source: Any, shape: Shape, dtype: Any = jnp.float32) -> Array:
        return random.truncated_normal(self._source(source), shape, self.mean, self.stddev, dtype)


@dataclass(frozen=True)
class RandomUniform(RandomInitializer):
    """Uniform numbers in [minval, maxval). Keras: `RandomUniform`, bit-equal."""

    minval: Scalar = -0.05
    maxval: Scalar = 0.05
    seed: int | None = None

    def __call__(self, source: Any, shape: Shape, dtype: Any = jnp.float32) -> Array:
        return random.uniform(self._source(source), shape, self.minval, self.maxval, dtype)


@dataclass(frozen=True)
class Orthogonal(RandomInitializer):
    """A matrix with orthonormal columns (rows, if it is wide), times `gain`.

    Q * sign(diag R) of the QR factors of a normal matrix; a shape of rank above 2 is taken as [-1, last].

    Raises:
      ValueError: a shape of rank below 2.

    Keras: `Orthogonal`, to the rounding of QR (float32: 2e-6 for 128 columns).
    """

    gain: Scalar = 1.0
    seed: int | None = None

    def __call__(self, source: Any, shape: Shape, dtype: Any = jnp.float32) -> Array:
        if len(shape) < 2:
            raise wrong("shape", tuple(shape), "a shape of rank 2 or more for orthogonal")
        rows, columns = math.prod(shape[:-1]), shape[-1]
        working = jnp.float64 if dtype == jnp.float64 else jnp.float32
        normal = random.normal(self._source(source), (max(rows, columns), min(rows, columns)), dtype=working)
        q, r = jnp.linalg.qr(normal)
        q = q * jnp.sign(jnp.diagonal(r))
        return (jnp.asarray(self.gain, working) * (q.T if rows < columns else q).reshape(shape)).astype(dtype)
