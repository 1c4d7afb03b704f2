"""Piecewise linear units that are open to the right: relu and its kin, each beside its derivative.

At a kink every derivative is TensorFlow's, by formula here and through `jax.grad` alike.
"""

from typing import Any

import jax
import jax.numpy as jnp

from jaxgd._types import Array, Scalar
from jaxgd.activations._arguments import float32_setting, floating, is_number, setting


def linear(x: Any) -> Array:
    """The identity.

    f(x) = x

    Args:
      x: float[...].
    Returns: `x`, same shape and dtype.
    Keras: `linear`, equal.
    """
    return floating(x)


def linear_derivative(x: Any) -> Array:
    """f'(x) = 1."""
    return jnp.ones_like(floating(x))


def relu(
    x: Any, negative_slope: Scalar = 0.0, max_value: Scalar | None = None, threshold: Scalar = 0.0
) -> Array:
    """Rectified linear unit, with an optional leak, ceiling and threshold.

    f(x) = min(max(x, 0), max_value)      where x > threshold
           negative_slope (x - threshold) elsewhere

    Args:
      x: float[...].
      negative_slope: scalar, slope below the threshold.
      max_value: scalar of at least 0, or None for no ceiling.
      threshold: scalar; values up to and including it are cut off.
    Returns: float[...], dtype of `x`.
    Raises:
      TypeError, ValueError: a setting is not a finite number, or `max_value` is negative.
    Keras: `relu`, equal, kinks included: f' is 0 at 0 and at `threshold`; 1 at `max_value`, but 0 there
      if it is the number 6 (not an array that holds it); `negative_slope` at 0 if it is the only setting. As
      in Keras a number given for `max_value` or `threshold`, or for a lone `negative_slope`, is rounded to
      float32 even among float64 arrays. NaN gives NaN with derivative 0; it gives 0 if there is a threshold
      but no leak.
    >>> relu(jnp.array([-2.0, 0.5, 9.0]), max_value=6.0).tolist()
    [0.0, 0.5, 6.0]
    """
    x = floating(x)
    if is_number(negative_slope, 0.0):
        return _ceiled_relu(x, max_value, threshold)
    if max_value is None and is_number(threshold, 0.0):
        return leaky_relu(x, negative_slope)
    slope = setting("negative_slope", negative_slope, x)
    negative_part = jax.nn.relu(setting("threshold", threshold, x) - x)
    return _ceiled_relu(x, max_value, threshold) - slope * negative_part


def _ceiled_relu(x: Array, max_value: Scalar | None, threshold: Scalar) -> Array:
    """relu without a leak."""
    y = jax.nn.relu(x) if is_number(threshold, 0.0) else _above(x, threshold)
    if max_value is None:
        return y
    ceiling = float32_setting("max_value", max_value, x, minimum=0.0)
    return jnp.where(_saturates(y, ceiling, threshold), ceiling, jnp.where(y < 0, 0.0, y))


def _above(x: Array, threshold: Scalar) -> Array:
    """`x` where it is over the threshold, else 0."""
    return jnp.where(x > float32_setting("threshold", threshold, x), x, 0.0)


def _saturates(y: Array, ceiling: Any, threshold: Scalar) -> Array:
    """Where the ceiling holds. TensorFlow's relu6 counts its bound as flat, its clip does not."""
    flat_at_bound = is_number(ceiling, 6.0) and is_number(threshold, 0.0)
    return y >= ceiling if flat_at_bound else y > ceiling


def relu_derivative(
    x: Any, negative_slope: Scalar = 0.0, max_value: Scalar | None = None, threshold: Scalar = 0.0
) -> Array:
    """f'(x) = 1 between threshold and ceiling, negative_slope below the threshold, else 0."""
    x = floating(x)
    if max_value is None and is_number(threshold, 0.0) and not is_number(negative_slope, 0.0):
        return leaky_relu_derivative(x, negative_slope)
    slope = setting("negative_slope", negative_slope, x)
    rises = x > float32_setting("threshold", threshold, x)
    if max_value is not None:
        ceiling = float32_setting("max_value", max_value, x, minimum=0.0)
        rises &= ~_saturates(x, ceiling, threshold) & (x >= 0)
    below = x < setting("threshold", threshold, x)
    return jnp.where(rises, 1.0, jnp.where(below, slope, 0.0)).astype(x.dtype)


def relu6(x: Any) -> Array:
    """Rectified linear unit with a ceiling of 6.

    f(x) = min(max(x, 0), 6)

    Args:
      x: float[...].
    Returns: float[...], dtype of `x`.
    Keras: `relu6`, equal; f' is 0 at 0, at 6 and at NaN.
    """
    return jax.nn.relu6(floating(x))


def relu6_derivative(x: Any) -> Array:
    """f'(x) = 1 where 0 < x < 6, else 0."""
    x = floating(x)
    return ((x > 0) & (x < 6)).astype(x.dtype)


def leaky_relu(x: Any, negative_slope: Scalar = 0.2) -> Array:
    """Rectified linear unit that leaks below zero.

    f(x) = x where x > 0, negative_slope x elsewhere

    Args:
      x: float[...].
      negative_slope: scalar, or an array that broadcasts against `x`.
    Returns: float[...], dtype of `x`.
    Raises:
      TypeError, ValueError: `negative_slope` is not a finite number.
    Keras: `leaky_relu`, equal; f' is `negative_slope` at 0. A number is rounded to float32 even among
      float64 arrays, as Keras on TensorFlow rounds it; an array is used as it is.
    >>> leaky_relu(jnp.array([-2.0, 3.0]), negative_slope=0.25).tolist()
    [-0.5, 3.0]
    """
    x = floating(x)
    return jnp.where(x > 0, x, float32_setting("negative_slope", negative_slope, x) * x)


def leaky_relu_derivative(x: Any, negative_slope: Scalar = 0.2) -> Array:
    """f'(x) = 1 where x > 0, negative_slope elsewhere."""
    x = floating(x)
    slope = float32_setting("negative_slope", negative_slope, x)
    return jnp.where(x > 0, jnp.ones_like(x), slope)
