"""Floating-point steps in the order and with the roundings that Keras's separate TensorFlow kernels have.

A compiler that sees a whole update at once contracts `a * b + c` to one rounding, turns `a / sqrt(b)` into
`a * rsqrt(b)`, and inverts a divisor that all entries share. Keras's kernels round after every operation. The
functions here mark where that matters; `zero` is the `opaque_zero` of the step.
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


def opaque_zero(step: Array) -> Array:
    """Minus zero for every step >= 0, which no compiler can know; adding it changes no number."""
    return jnp.where(step < 0, step, -0.0)


def rounded(value: Array, zero: Array) -> Array:
    """`value`, rounded to its precision before the next operation sees it.

    The compiler may contract a product with this addition, which costs and changes nothing, but then not with
    the sum that follows. `lax.optimization_barrier` is gone before contractions are made.
    """
    return value + zero


def fused(value: Array, zero: Array) -> Array:
    """`value`, so that the sum it enters is not the only operation of its loop.

    XLA runs a lone elementwise addition on a CPU 3.5 times slower than one with company (64 x 128 entries).
    """
    return value + zero


def power(base: Array, exponent: Array, zero: Array) -> Array:
    """`base ** exponent`, rounded: the last operation inside a power is a product."""
    return rounded(jnp.power(base, exponent), zero)


def square(value: Array, zero: Array) -> Array:
    """`value**2`, rounded."""
    return rounded(value * value, zero)


def lerp_towards(old: Array, new: Array, fraction: Array, zero: Array) -> Array:
    """`old + (new - old) * fraction`, the moving average of Adam and its relatives."""
    return old + rounded((new - old) * fraction, zero)


def mix(old: Array, new: Array, keep: Array, take: Array, zero: Array) -> Array:
    """`keep * old + take * new`, the moving average of RMSprop, Adadelta, Lion and the weights' EMA."""
    return rounded(keep * old, zero) + rounded(take * new, zero)


def divide_by_root(numerator: Array, square: Array, zero: Array) -> Array:
    """`numerator / sqrt(square)`, with the root rounded first."""
    return numerator / rounded(jnp.sqrt(square), zero)


def divide_by_shared(values: Array, divisor: Array) -> Array:
    """`values / divisor` for a scalar divisor, as divisions: it is not inverted, and multiplied by."""
    return values / jnp.where(jnp.isnan(values), values, divisor)


def cast_constant(value: Any, dtype: Any, constants: Constants) -> Any:
    """A hyperparameter as `keras.ops.cast` sees it: through float32 if `constants` is "keras"."""
    if is_traced_or_array(value):
        return jnp.asarray(value, dtype)
    through_single = np.float32(value) if constants == "keras" else np.float64(value)
    return float(np.asarray(through_single).astype(dtype))


def as_arrays(values: Mapping[str, Any], dtype: Any) -> dict[str, Any]:
    """Hyperparameters as typed arrays of their own: counts int32, numbers `dtype`, schedules leaf by leaf.

    Plain numbers stay on the host, see `from_host`.
    """
    return {name: _as_array(name, value, dtype) for name, value in values.items()}


def _as_array(name: str, value: Any, dtype: Any) -> Any:
    if callable(value):
        return jax.tree.map(lambda leaf: jnp.array(leaf, jnp.result_type(leaf)), value)
    kind = jnp.int32 if name in INTEGERS else dtype
    return jnp.array(value, kind) if is_traced_or_array(value) else np.asarray(value, kind)
