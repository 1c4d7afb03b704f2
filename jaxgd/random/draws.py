"""Draws from a source: TensorFlow's numbers from a `KerasSeed`, JAX's own from a JAX key.

The type of the source decides at trace time. Scale and offset are applied in two roundings, as in TensorFlow.
"""

from numbers import Real
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.core import Tracer

from jaxgd._checks import is_traced_or_array, wrong
from jaxgd._types import Array, Scalar, Shape
from jaxgd.random.keras_draws import host_uniform, keras_normal, keras_truncated_normal, keras_uniform
from jaxgd.random.on_host import NeedsProgramError, is_on_host, take_place
from jaxgd.random.sources import KerasSeed, Source, check_jax_key


def uniform(
    source: Source, shape: Shape, minval: Scalar = 0.0, maxval: Scalar = 1.0, dtype: Any = jnp.float32
) -> Array:
    """Uniform numbers in [minval, maxval).

    value = u * (maxval - minval) + minval

    Args:
      source: a `KerasSeed`, or a JAX key.
      shape: the shape of the result.
      minval, maxval: scalars, perhaps traced.
      dtype: float16, bfloat16, float32 or float64.

    Returns:
      An array of that shape and dtype.

    Raises:
      TypeError: the source is neither, or the dtype is no floating point.
      ValueError: float64 is asked for while JAX's x64 mode is off.

    Keras: bit-equal to `keras.random.uniform` in all four types. Bounds that are Python numbers are
    rounded to float32 first, as Keras on TensorFlow does even in float64.

    >>> from jaxgd.random import keras_seed
    >>> print(uniform(keras_seed(1), (2,)))
    [0.8784882  0.45998025]
    """
    dtype = _check_dtype(dtype)
    if is_on_host():
        return _host_uniform(source, tuple(shape), minval, maxval, dtype)
    low, high = (_rounded_through_float32(bound, dtype) for bound in (minval, maxval))
    if isinstance(source, KerasSeed):
        unit = keras_uniform(source, tuple(shape), dtype)
    else:
        unit = jax.random.uniform(check_jax_key("source", source), tuple(shape), dtype)
    return _round_product(unit * (high - low)) + low


def normal(
    source: Source, shape: Shape, mean: Scalar = 0.0, stddev: Scalar = 1.0, dtype: Any = jnp.float32
) -> Array:
    """Normal numbers.

    value = z * stddev + mean

    Args, Returns, Raises: as `uniform`.

    Keras: `keras.random.normal` within one unit in the last place of z (float32: 2.4e-7, float64: 4.5e-16);
    sine and logarithm are XLA's, not the C library's.

    >>> normal(jax.random.key(0), (2, 3)).shape
    (2, 3)
    """
    dtype = _check_dtype(dtype)
    _check_on_device()
    if isinstance(source, KerasSeed):
        unit = keras_normal(source, tuple(shape), dtype)
    else:
        unit = jax.random.normal(check_jax_key("source", source), tuple(shape), dtype)
    return _scaled(unit, mean, stddev)


def truncated_normal(
    source: Source, shape: Shape, mean: Scalar = 0.0, stddev: Scalar = 1.0, dtype: Any = jnp.float32
) -> Array:
    """Normal numbers that lie within two standard deviations of the mean; others are drawn again.

    value = z * stddev + mean,  |z| < 2

    The standard deviation of the result is 0.87962566 times `stddev`.

    Args, Returns, Raises: as `uniform`.

    Keras: `keras.random.truncated_normal`, within the error of `normal`.
    """
    dtype = _check_dtype(dtype)
    _check_on_device()
    if isinstance(source, KerasSeed):
        unit = keras_truncated_normal(source, tuple(shape), dtype)
    else:
        unit = jax.random.truncated_normal(check_jax_key("source", source), -2.0, 2.0, tuple(shape), dtype)
    return _scaled(unit, mean, stddev)


def keep_mask(source: Source, rate: Scalar, shape: Shape, dtype: Any = jnp.float32) -> Array:
    """Which elements dropout keeps.

    keep = u >= rate

    Args:
      source: a `KerasSeed`, or a JAX key.
      rate: scalar in [0, 1], the probability of being dropped; perhaps traced.
      shape: the shape of the mask.
      dtype: the type of the values that are dropped; it decides which words u is made of.

    Returns:
      bool array of that shape.

    Raises:
      ValueError: a rate that is a Python number outside [0, 1].

    Keras: bit-equal to the mask of `keras.random.dropout`.
    """
    dtype = _check_dtype(dtype)
    if not is_traced_or_array(rate) and not 0 <= rate <= 1:
        raise wrong("rate", rate, "a number in [0, 1]")
    return uniform(source, shape, dtype=dtype) >= jnp.asarray(rate, dtype)


def _host_uniform(source: Source, shape: Shape, minval: Scalar, maxval: Scalar, dtype: np.dtype) -> Any:
    fits = dtype in (np.float32, np.float64)
    is_number = not is_traced_or_array(minval) and not is_traced_or_array(maxval)
    if not isinstance(source, KerasSeed) or isinstance(source.seed, Tracer) or not (fits and is_number):
        raise NeedsProgramError
    take_place(shape)
    low, high = (np.float32(bound).astype(dtype) for bound in (minval, maxval))
    return host_uniform(source, shape, dtype) * (high - low) + low


def _check_on_device() -> None:
    if is_on_host():
        raise NeedsProgramError


def _check_dtype(dtype: Any) -> np.dtype:
    result = np.dtype(dtype)
    if not jnp.issubdtype(result, jnp.floating):
        raise TypeError(f"dtype: expected a floating point type, got {result}.")
    if result == np.float64 and not jax.config.read("jax_enable_x64"):
        raise ValueError("dtype: expected float32 or less while jax_enable_x64 is off, got float64.")
    return result


def _rounded_through_float32(value: Scalar, dtype: np.dtype) -> Array:
    return jnp.asarray(np.float32(value) if isinstance(value, Real) else value, dtype)


def _scaled(unit: Array, mean: Scalar, stddev: Scalar) -> Array:
    return _round_product(unit * jnp.asarray(stddev, unit.dtype)) + jnp.asarray(mean, unit.dtype)


def _round_product(product: Array) -> Array:
    """The product as it is. A compiler that saw it added to would round product and sum only once."""
    info = jnp.finfo(product.dtype)
    if info.bits == 16:
        product = lax.reduce_precision(product, exponent_bits=info.nexp, mantissa_bits=info.nmant)
    return lax.max(product, jnp.asarray(info.min, product.dtype))
