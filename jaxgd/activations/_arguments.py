"""Inputs and settings of activations, brought to the form the formulas need."""

from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxgd._checks import check_real, is_traced_or_array, wrong
from jaxgd._types import Array


def floating(x: Any) -> Array:
    """`x` as a floating array; integers take the default float type. Raises TypeError for complex numbers."""
    x = jnp.asarray(x)
    if jnp.issubdtype(x.dtype, jnp.complexfloating):
        raise TypeError(f"x: expected real numbers, got {x.dtype.name}.")
    return x if jnp.issubdtype(x.dtype, jnp.floating) else x.astype(float)


def setting(name: str, value: Any, x: Array, minimum: float = -np.inf) -> Any:
    """A setting that never promotes `x`: an array takes its dtype, a number is checked and stays a number."""
    if is_traced_or_array(value):
        return value.astype(x.dtype)
    return check_real(name, value, minimum)


def float32_setting(name: str, value: Any, x: Array, minimum: float = -np.inf) -> Any:
    """A setting that TensorFlow holds in float32, even among float64 arrays; an array is used as it is."""
    value = setting(name, value, x, minimum)
    if is_traced_or_array(value) or x.dtype != jnp.float64:
        return value
    return float(np.float32(value))


def nonzero_setting(name: str, value: Any, x: Array) -> Any:
    """A setting that is divided by."""
    value = setting(name, value, x)
    if is_number(value, 0.0):
        raise wrong(name, value, "a number other than 0")
    return value


def is_number(value: Any, number: float) -> bool:
    """Whether a setting is known, while tracing, to be this number."""
    return not is_traced_or_array(value) and value == number


def clip(x: Array, lower: float, upper: float) -> Array:
    """`x` held within [lower, upper], with derivative 1 at both bounds and 0 at NaN, as in TensorFlow."""
    return jnp.where((x >= lower) & (x <= upper), x, lax.stop_gradient(jnp.clip(x, lower, upper)))
