"""Sigmoids and the smooth units made from them, each beside its derivative."""

import math
from typing import Any

import jax
import jax.numpy as jnp

from jaxgd._types import Array, Scalar
from jaxgd.activations._arguments import float32_setting, floating, setting

_SQRT_HALF = math.sqrt(0.5)
_INVERSE_SQRT_PI = 1.0 / math.sqrt(math.pi)
_GELU_SCALE = math.sqrt(2.0 / math.pi)
_GELU_CUBIC = 0.044715


def sigmoid(x: Any) -> Array:
    """Logistic function.

    f(x) = 1 / (1 + exp(-x))

    Args:
      x: float[...].
    Returns: float[...], dtype of `x`, within [0, 1].
    Keras: `sigmoid`, equal to rounding.
    >>> float(sigmoid(0.0))
    0.5
    """
    return jax.nn.sigmoid(floating(x))


def sigmoid_derivative(x: Any) -> Array:
    """f'(x) = f (1 - f)."""
    y = sigmoid(x)
    return y * (1.0 - y)


def log_sigmoid(x: Any) -> Array:
    """Logarithm of the logistic function, without underflow.

    f(x) = -log(1 + exp(-x))

    Args:
      x: float[...].
    Returns: float[...], dtype of `x`.
    Keras: `log_sigmoid`, equal to rounding.
    """
    return -jax.nn.softplus(-floating(x))


def log_sigmoid_derivative(x: Any) -> Array:
    """f'(x) = sigmoid(-x)."""
    return jax.nn.sigmoid(-floating(x))


def softplus(x: Any) -> Array:
    """Smooth rectifier.

    f(x) = log(1 + exp(x))

    Args:
      x: float[...].
    Returns: float[...], dtype of `x`.
    Keras: `softplus`, equal to rounding.
    """
    return jax.nn.softplus(floating(x))


def softplus_derivative(x: Any) -> Array:
    """f'(x) = sigmoid(x)."""
    return sigmoid(x)


def tanh(x: Any) -> Array:
    """Hyperbolic tangent.

    f(x) = (exp(x) - exp(-x)) / (exp(x) + exp(-x))

    Args:
      x: float[...].
    Returns: float[...], dtype of `x`.
    Keras: `tanh`, equal to rounding.
    """
    return jnp.tanh(floating(x))


def tanh_derivative(x: Any) -> Array:
    """f'(x) = (1 - f) (1 + f)."""
    y = tanh(x)
    return (1.0 - y) * (1.0 + y)


def tanh_shrink(x: Any) -> Array:
    """What the hyperbolic tangent leaves over.

    f(x) = x - tanh(x)

    Args:
      x: float[...].
    Returns: float[...], dtype of `x`.
    Keras: `tanh_shrink`, equal to rounding.
    """
    x = floating(x)
    return x - jnp.tanh(x)


def tanh_shrink_derivative(x: Any) -> Array:
    """f'(x) = tanh(x)^2."""
    return jnp.square(tanh(x))


def _quotient(x: Array) -> Array:
    return x / (1.0 + jnp.abs(x))


_softsign = jax.custom_jvp(_quotient)


@_softsign.defjvp
def _softsign_jvp(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    """The quotient rule would be NaN at infinity, where the slope is 0."""
    (x,), (dx,) = primals, tangents
    return _softsign(x), dx / jnp.square(1.0 + jnp.abs(x))


def softsign(x: Any) -> Array:
    """A sigmoid with slow tails.

    f(x) = x / (1 + |x|)

    Args:
      x: float[...].
    Returns: float[...], dtype of `x`, within [-1, 1].
    Keras: `softsign`, equal; at infinity the value is NaN and f' is 0, as there.
    """
    return _softsign(floating(x))


def softsign_derivative(x: Any) -> Array:
    """f'(x) = 1 / (1 + |x|)^2."""
    return 1.0 / jnp.square(1.0 + jnp.abs(floating(x)))


def silu(x: Any) -> Array:
    """Sigmoid-weighted linear unit, also called swish.

    f(x) = x sigmoid(x)

    Args:
      x: float[...].
    Returns: float[...], dtype of `x`.
    Keras: `silu` (`swish`), equal to rounding; NaN at -inf, as there.
    References: Ramachandran et al., 2017, arXiv 1710.05941.
    """
    return jax.nn.silu(floating(x))


def silu_derivative(x: Any) -> Array:
    """f'(x) = s + x s (1 - s), s = sigmoid(x)."""
    x = floating(x)
    gate = jax.nn.sigmoid(x)
    return gate + x * gate * (1.0 - gate)


def gelu(x: Any, approximate: bool = False) -> Array:
    """Gaussian error linear unit.

    f(x) = x P(X <= x), X normal; approximate: x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))) / 2

    Args:
      x: float[...].
      approximate: whether to use the tanh form.
    Returns: float[...], dtype of `x`.
    Keras: `gelu`, equal to rounding: sqrt(1/2) and 0.044715 are rounded to float32 even among float64 arrays,
      as TensorFlow rounds them. JAX's own default is the approximate form. NaN at -inf, as there.
    References: Hendrycks and Gimpel, 2016, arXiv 1606.08415.
    >>> round(float(gelu(1.0)), 4), round(float(gelu(1.0, approximate=True)), 4)
    (0.8413, 0.8412)
    """
    x = floating(x)
    if not approximate:
        return 0.5 * x * jax.lax.erfc(-x * float32_setting("sqrt(1/2)", _SQRT_HALF, x))
    cubic = float32_setting("0.044715", _GELU_CUBIC, x)
    return 0.5 * x * (1.0 + jnp.tanh(_GELU_SCALE * (x + cubic * x * x * x)))


def gelu_derivative(x: Any, approximate: bool = False) -> Array:
    """f'(x) = P(x) + x p(x), p the normal density; approximate: the chain rule of the tanh form."""
    x = floating(x)
    if not approximate:
        scaled = x * float32_setting("sqrt(1/2)", _SQRT_HALF, x)
        return 0.5 * jax.lax.erfc(-scaled) + scaled * jnp.exp(-scaled * scaled) * _INVERSE_SQRT_PI
    cubic = float32_setting("0.044715", _GELU_CUBIC, x)
    t = jnp.tanh(_GELU_SCALE * (x + cubic * x * x * x))
    inner = _GELU_SCALE * (1.0 + 3.0 * cubic * x * x)
    return 0.5 * (1.0 + t) + 0.5 * x * (1.0 - t) * (1.0 + t) * inner


def squareplus(x: Any, b: Scalar = 4.0) -> Array:
    """Smooth rectifier made of a square root.

    f(x) = (x + sqrt(x^2 + b)) / 2

    Args:
      x: float[...].
      b: scalar of at least 0, the width of the bend.
    Returns: float[...], dtype of `x`.
    Raises:
      TypeError, ValueError: `b` is not a finite number, or is negative.
    Keras: `squareplus`, equal to rounding; NaN at -inf, as there.
    References: Barron, 2021, arXiv 2112.11687.
    >>> float(squareplus(0.0))
    1.0
    """
    x = floating(x)
    return (x + jnp.sqrt(jnp.square(x) + setting("b", b, x, minimum=0.0))) / 2.0


def squareplus_derivative(x: Any, b: Scalar = 4.0) -> Array:
    """f'(x) = (1 + x / sqrt(x^2 + b)) / 2."""
    x = floating(x)
    return (1.0 + x / jnp.sqrt(jnp.square(x) + setting("b", b, x, minimum=0.0))) / 2.0


def mish(x: Any) -> Array:
    """Self-gated smooth rectifier.

    f(x) = x tanh(softplus(x))

    Args:
      x: float[...].
    Returns: float[...], dtype of `x`.
    Keras: `mish`, equal to rounding; NaN at -inf, as there.
    References: Misra, 2019, arXiv 1908.08681.
    """
    x = floating(x)
    return x * jnp.tanh(jax.nn.softplus(x))


def mish_derivative(x: Any) -> Array:
    """f'(x) = t + x (1 - t^2) sigmoid(x), t = tanh(softplus(x))."""
    x = floating(x)
    t = jnp.tanh(jax.nn.softplus(x))
    return t + x * (1.0 - t) * (1.0 + t) * jax.nn.sigmoid(x)
