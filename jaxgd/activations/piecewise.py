"""Piecewise polynomials in the shape of a sigmoid, and the shrinking functions, each beside its derivative.

At a kink every derivative is TensorFlow's, by formula here and through `jax.grad` alike.
"""

from typing import Any

import jax
import jax.numpy as jnp

from jaxgd._types import Array, Scalar
from jaxgd.activations._arguments import clip, floating, setting


def hard_sigmoid(x: Any) -> Array:
    """Straight-line sigmoid.

    f(x) = min(max(x + 3, 0), 6) / 6

    Args:
      x: float[...].
    Returns: float[...], dtype of `x`, within [0, 1].
    Keras: `hard_sigmoid`, equal; f' is 0 at -3, 3 and NaN.
    """
    return jax.nn.relu6(floating(x) + 3.0) / 6.0


def hard_sigmoid_derivative(x: Any) -> Array:
    """f'(x) = 1/6 where -3 < x < 3, else 0."""
    shifted = floating(x) + 3.0
    return jnp.where((shifted > 0) & (shifted < 6), 1.0 / 6.0, 0.0).astype(shifted.dtype)


def hard_silu(x: Any) -> Array:
    """Straight-line gate on a linear unit, also called hard swish.

    f(x) = x hard_sigmoid(x)

    Args:
      x: float[...].
    Returns: float[...], dtype of `x`.
    Keras: `hard_silu` (`hard_swish`), equal; f' is 0 at -3 and 1 at 3. Not copied: at +inf f' is 1
      and at -inf 0, in TensorFlow NaN. The value at -inf is NaN in both.
    References: Howard et al., 2019, arXiv 1905.02244.
    """
    x = floating(x)
    return x * hard_sigmoid(x)


def hard_silu_derivative(x: Any) -> Array:
    """f'(x) = g + x/6 where -3 < x < 3, g elsewhere; g = hard_sigmoid(x)."""
    x = floating(x)
    shifted = x + 3.0
    bends = (shifted > 0) & (shifted < 6)
    return hard_sigmoid(x) + jnp.where(bends, x / 6.0, 0.0)


def hard_tanh(x: Any) -> Array:
    """Straight-line hyperbolic tangent.

    f(x) = min(max(x, -1), 1)

    Args:
      x: float[...].
    Returns: float[...], dtype of `x`, within [-1, 1].
    Keras: `hard_tanh`, equal; f' is 1 at -1 and 1, and 0 at NaN.
    """
    return clip(floating(x), -1.0, 1.0)


def hard_tanh_derivative(x: Any) -> Array:
    """f'(x) = 1 where -1 <= x <= 1, else 0."""
    x = floating(x)
    return ((x >= -1) & (x <= 1)).astype(x.dtype)


def sparse_sigmoid(x: Any) -> Array:
    """Sigmoid of the sparsemax family.

    f(x) = 0 where x <= -1, 1 where x >= 1, (x + 1) / 2 between

    Args:
      x: float[...].
    Returns: float[...], dtype of `x`, within [0, 1].
    Keras: `sparse_sigmoid`, equal; f' is 0 at -1 and 1, and 1/2 at NaN.
    References: Blondel et al., 2019, arXiv 1901.02324.
    """
    x = floating(x)
    return jnp.where(x <= -1, 0.0, jnp.where(x >= 1, 1.0, 0.5 * (x + 1.0)))


def sparse_sigmoid_derivative(x: Any) -> Array:
    """f'(x) = 0 where |x| >= 1, else 1/2."""
    x = floating(x)
    return jnp.where(jnp.abs(x) >= 1, 0.0, 0.5).astype(x.dtype)


def sparse_plus(x: Any) -> Array:
    """Smooth rectifier of the sparsemax family.

    f(x) = 0 where x <= -1, x where x >= 1, (x + 1)^2 / 4 between

    Args:
      x: float[...].
    Returns: float[...], dtype of `x`.
    Keras: `sparse_plus`, equal; f' is 0 at -1 and 1 at 1. Not copied: at infinity f' is 0 or 1,
      in TensorFlow NaN.
    """
    x = floating(x)
    bent = jnp.where(jnp.abs(x) >= 1, 0.0, x)
    return jnp.where(x <= -1, 0.0, jnp.where(x >= 1, x, 0.25 * jnp.square(bent + 1.0)))


def sparse_plus_derivative(x: Any) -> Array:
    """f'(x) = 0 where x <= -1, 1 where x >= 1, (x + 1) / 2 between."""
    x = floating(x)
    return jnp.where(x <= -1, 0.0, jnp.where(x >= 1, 1.0, 0.5 * (x + 1.0)))


def soft_shrink(x: Any, threshold: Scalar = 0.5) -> Array:
    """Pulls every value toward zero, and small ones to it.

    f(x) = x - threshold where x > threshold, x + threshold where x < -threshold, 0 between

    Args:
      x: float[...].
      threshold: scalar.
    Returns: float[...], dtype of `x`.
    Raises:
      TypeError, ValueError: `threshold` is not a finite number.
    Keras: `soft_shrink`, equal; f' is 0 at the kinks. NaN becomes 0, as there.
    >>> soft_shrink(jnp.array([-2.0, 0.25, 2.0])).tolist()
    [-1.5, 0.0, 1.5]
    """
    x = floating(x)
    cut = setting("threshold", threshold, x)
    return jnp.where(x > cut, x - cut, jnp.where(x < -cut, x + cut, 0.0))


def soft_shrink_derivative(x: Any, threshold: Scalar = 0.5) -> Array:
    """f'(x) = 1 outside the threshold, 0 within."""
    x = floating(x)
    cut = setting("threshold", threshold, x)
    return ((x > cut) | (x < -cut)).astype(x.dtype)


def hard_shrink(x: Any, threshold: Scalar = 0.5) -> Array:
    """Sets small values to zero and leaves the others.

    f(x) = x where |x| > threshold, else 0

    Args:
      x: float[...].
      threshold: scalar.
    Returns: float[...], dtype of `x`.
    Raises:
      TypeError, ValueError: `threshold` is not a finite number.
    Keras: `hard_shrink`, equal; f' is 0 at the kinks. NaN becomes 0, as there.
    >>> hard_shrink(jnp.array([-2.0, 0.25, 2.0])).tolist()
    [-2.0, 0.0, 2.0]
    """
    x = floating(x)
    return jnp.where(jnp.abs(x) > setting("threshold", threshold, x), x, 0.0)


def hard_shrink_derivative(x: Any, threshold: Scalar = 0.5) -> Array:
    """f'(x) = 1 where |x| > threshold, else 0."""
    x = floating(x)
    return (jnp.abs(x) > setting("threshold", threshold, x)).astype(x.dtype)


def threshold(x: Any, threshold: Scalar, default_value: Scalar) -> Array:
    """Replaces every value that does not pass the threshold.

    f(x) = x where x > threshold, else default_value

    Args:
      x: float[...].
      threshold: scalar.
      default_value: scalar.
    Returns: float[...], dtype of `x`.
    Raises:
      TypeError, ValueError: a setting is not a finite number.
    Keras: `threshold`, equal; f' is 0 at the threshold. NaN becomes `default_value`, as there.
    >>> threshold(jnp.array([0.5, 2.0]), 1.0, -1.0).tolist()
    [-1.0, 2.0]
    """
    x = floating(x)
    default = setting("default_value", default_value, x)
    return jnp.where(x > setting("threshold", threshold, x), x, default)


def threshold_derivative(x: Any, threshold: Scalar, default_value: Scalar) -> Array:
    """f'(x) = 1 where x > threshold, else 0, whatever the default value."""
    del default_value
    x = floating(x)
    return (x > setting("threshold", threshold, x)).astype(x.dtype)
