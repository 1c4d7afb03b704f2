"""Floating-point steps in the order and with the roundings that Keras's separate TensorFlow kernels have.

A compiler that sees a whole update at once contracts `a * b + c` to one rounding and turns `a / sqrt(b)` into
`a * rsqrt(b)`. Keras's kernels round after every operation. `rounded` marks where that matters.
"""

from collections.abc import Mapping
from typing import Any, Literal, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np

from jaxgd._checks import is_traced_or_array
from jaxgd._types import Array

Constants: TypeAlias = Literal["keras", "exact"]

INTEGERS = frozenset({"gradient_accumulation_steps", "ema_overwrite_frequency", "dynamic_growth_steps"})
"""Hyperparameters that are counts and stay int32."""


def rounded(value: Array) -> Array:
    """`value`, rounded to its precision before the next operation sees it.

    The selection is the identity. It stands between a product and a sum (or a root and a division), and
    neither XLA nor LLVM looks through it; `lax.optimization_barrier` is gone before the contraction is made.
    """
    return jnp.where(jnp.isnan(value), jnp.nan, value)


def power(base: Array, exponent: Array) -> Array:
    """`base ** exponent`, rounded: the last operation inside a power is a product."""
    return rounded(jnp.power(base, exponent))


def square(value: Array) -> Array:
    """`value**2`, rounded."""
    return rounded(value * value)


def lerp_towards(old: Array, new: Array, fraction: Array) -> Array:
    """`old + (new - old) * fraction`, the moving average of Adam and its relatives."""
    return old + rounded((new - old) * fraction)


def mix(old: Array, new: Array, keep: Array, take: Array) -> Array:
    """`keep * old + take * new`, the moving average of RMSprop, Adadelta, Lion and the weights' EMA."""
    return rounded(keep * old) + rounded(take * new)


def divide_by_root(numerator: Array, square: Array) -> Array:
    """`numerator / sqrt(square)`, with the root rounded first."""
    return numerator / rounded(jnp.sqrt(square))


def divide_by_count(total: Array, count: Array) -> Array:
    """`total / count` as a division: a divisor that all entries share would be inverted and multiplied by."""
    return total / jnp.where(jnp.isnan(total), total, count.astype(total.dtype))


def cast_constant(value: Any, dtype: Any, constants: Constants) -> Any:
    """A hyperparameter as `keras.ops.cast` sees it: through float32 if `constants` is "keras"."""
    if is_traced_or_array(value):
        return jnp.asarray(value, dtype)
    through_single = np.float32(value) if constants == "keras" else np.float64(value)
    return float(np.asarray(through_single).astype(dtype))


def as_arrays(values: Mapping[str, Any], dtype: Any) -> dict[str, Any]:
    """Hyperparameters as strongly typed arrays: counts int32, numbers `dtype`, schedules leaf by leaf."""
    return {name: _as_array(name, value, dtype) for name, value in values.items()}


def _as_array(name: str, value: Any, dtype: Any) -> Any:
    if name in INTEGERS:
        return jnp.asarray(value, jnp.int32)
    if callable(value):
        return jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.result_type(leaf)), value)
    return jnp.asarray(value, dtype)
