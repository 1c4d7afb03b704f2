"""Which initializers NumPy carries out, so that a network of them begins without a program of its own."""

import math
from numbers import Real
from typing import Any

import numpy as np

from jaxgd import random
from jaxgd._types import Shape
from jaxgd.initializers.drawn import RandomUniform
from jaxgd.initializers.fixed import Ones, Zeros
from jaxgd.initializers.scaled import GlorotUniform, HeUniform, LecunUniform, VarianceScaling

MOST_ON_HOST = 1 << 20
"""Numbers. XLA draws more of them faster; and who asks for shapes alone should not be given large arrays."""


def made_on_host(initializer: Any, seed: int | None, shape: Shape, dtype: Any) -> np.ndarray | None:
    """What the initializer makes of Keras's seed, bit for bit; None if it is one that NumPy does not know.

    Args:
      initializer: an initializer, or a callable.
      seed: None where it draws none.
      shape, dtype: of the values; only float32 is made here.
    """
    if np.dtype(dtype) != np.float32 or math.prod(shape) > MOST_ON_HOST:
        return None
    if type(initializer) in (Zeros, Ones):
        return np.full(shape, float(type(initializer) is Ones), np.float32)
    bounds = _bounds(initializer, shape)
    return None if seed is None or bounds is None else random.uniform_on_host(seed, shape, *bounds)


def _bounds(initializer: Any, shape: Shape) -> tuple[float, float] | None:
    """Between which it draws uniform numbers, from the seed that it is given; None for all others."""
    if getattr(initializer, "seed", None) is not None:
        return None
    if type(initializer) in (GlorotUniform, HeUniform, LecunUniform):
        return initializer.scaling.bounds(shape)
    if type(initializer) is VarianceScaling and initializer.distribution == "uniform":
        return initializer.bounds(shape)
    if type(initializer) is not RandomUniform:
        return None
    low, high = initializer.minval, initializer.maxval
    return (float(low), float(high)) if isinstance(low, Real) and isinstance(high, Real) else None
