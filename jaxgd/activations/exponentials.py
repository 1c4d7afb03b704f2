"""Units whose left branch is an exponential: elu, selu, celu and exp itself, each beside its derivative."""

from typing import Any

import jax.numpy as jnp
from jax import lax

from jaxgd._types import Array, Scalar
from jaxgd.activations._arguments import floating, is_number, nonzero_setting, setting

_SELU_SCALE = 1.0507009873554804934193349852946
_SELU_SCALE_ALPHA = 1.7580993408473768599402175208123
"""scale * alpha of selu: the fixed point of mean 0 and variance 1."""


def _safe_expm1(x: Array) -> Array:
    """exp(x) - 1 left of zero; 0 elsewhere, so that the unused branch never overflows into a gradient."""
    return jnp.expm1(jnp.where(x < 0, x, 0.0))


def _exp_below_zero(x: Array) -> Array:
    """exp(x) left of zero; 1 elsewhere."""
    return jnp.exp(jnp.where(x < 0, x, 0.0))


def elu(x: Any, alpha: Scalar = 1.0) -> Array:
    """Exponential linear unit.

    f(x) = x where x > 0, alpha (exp(x) - 1) elsewhere

    Args:
      x: float[...].
      alpha: scalar, minus the limit at -inf.
    Returns: float[...], dtype of `x`.
    Raises:
      TypeError, ValueError: `alpha` is not a finite number.
    Keras: `elu`, equal; f' is `alpha` at 0 and at NaN.
    References: Clevert et al., 2016, arXiv 1511.07289.
    >>> round(float(elu(-1.0, alpha=2.0)), 4)
    -1.2642
    """
    x = floating(x)
    y = jnp.where(x < 0, _safe_expm1(x), x)
    if is_number(alpha, 1.0):
        return y
    return jnp.where(x > 0, y, setting("alpha", alpha, x) * y)


def elu_derivative(x: Any, alpha: Scalar = 1.0) -> Array:
    """f'(x) = 1 where x > 0, alpha exp(x) elsewhere."""
    x = floating(x)
    return jnp.where(x > 0, 1.0, setting("alpha", alpha, x) * _exp_below_zero(x)).astype(x.dtype)


def selu(x: Any) -> Array:
    """Scaled exponential linear unit, which keeps mean 0 and variance 1 from layer to layer.

    f(x) = scale x where x > 0, scale alpha (exp(x) - 1) elsewhere; scale = 1.0507..., alpha = 1.6732...

    Args:
      x: float[...].
    Returns: float[...], dtype of `x`.
    Keras: `selu`, equal; f' is scale at 0 and at NaN.
    References: Klambauer et al., 2017, arXiv 1706.02515.
    >>> round(float(selu(1.0)), 4)
    1.0507
    """
    x = floating(x)
    return jnp.where(x < 0, _SELU_SCALE_ALPHA * _safe_expm1(x), _SELU_SCALE * x)


def selu_derivative(x: Any) -> Array:
    """f'(x) = scale alpha exp(x) where x < 0, scale elsewhere."""
    x = floating(x)
    return jnp.where(x < 0, _SELU_SCALE_ALPHA * _exp_below_zero(x), _SELU_SCALE).astype(x.dtype)


def celu(x: Any, alpha: Scalar = 1.0) -> Array:
    """Continuously differentiable exponential linear unit.

    f(x) = max(x, 0) + alpha (exp(min(x, 0) / alpha) - 1)

    Args:
      x: float[...].
      alpha: scalar other than 0, minus the limit at -inf.
    Returns: float[...], dtype of `x`.
    Raises:
      TypeError, ValueError: `alpha` is not a finite number, or is 0.
    Keras: `celu`, equal; f' is 2 at 0, as TensorFlow gives the ties of max and of min to `x`, and 0 at NaN.
    References: Barron, 2017, arXiv 1704.07483.
    >>> round(float(celu(-1.0, alpha=2.0)), 4)
    -0.7869
    """
    x = floating(x)
    alpha = nonzero_setting("alpha", alpha, x)
    positive = jnp.where(x >= 0, x, lax.stop_gradient(jnp.maximum(x, 0.0)))
    negative = jnp.where(x <= 0, x, lax.stop_gradient(jnp.minimum(x, 0.0)))
    return positive + alpha * jnp.expm1(negative / alpha)


def celu_derivative(x: Any, alpha: Scalar = 1.0) -> Array:
    """f'(x) = [x >= 0] + [x <= 0] exp(x / alpha)."""
    x = floating(x)
    alpha = nonzero_setting("alpha", alpha, x)
    decaying = jnp.where(x <= 0, jnp.exp(jnp.minimum(x, 0.0) / alpha), 0.0)
    return (x >= 0).astype(x.dtype) + decaying


def exponential(x: Any) -> Array:
    """The exponential.

    f(x) = exp(x)

    Args:
      x: float[...].
    Returns: float[...], dtype of `x`.
    Keras: `exponential`, equal to rounding.
    """
    return jnp.exp(floating(x))


def exponential_derivative(x: Any) -> Array:
    """f'(x) = exp(x)."""
    return jnp.exp(floating(x))
