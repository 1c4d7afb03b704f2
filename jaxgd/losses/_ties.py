"""Elementary functions whose derivative where two branches meet is TensorFlow's, not JAX's.

TensorFlow: abs'(0) = 0; a maximum that ties passes everything to its first argument; a clip that sits
on its bound passes everything; what is outside, NaN included, passes nothing.
"""

import jax
import jax.numpy as jnp
import numpy as np

from jaxgd._types import Array, Scalar

EPSILON = 1e-7
"""What Keras adds or clips with (`keras.config.epsilon()`)."""

EPSILON_FLOAT32 = float(np.float32(EPSILON))
"""The same where Keras rounds it to float32 on its way into float64 arithmetic."""


@jax.custom_jvp
def absolute(x: Array) -> Array:
    """|x|, with derivative sign(x): 0 at 0."""
    return jnp.abs(x)


@absolute.defjvp
def _absolute_jvp(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    (x,), (x_dot,) = primals, tangents
    return absolute(x), jnp.sign(x) * x_dot


def at_least(x: Array, bound: float) -> Array:
    """max(x, bound), with derivative 1 where x equals the bound."""
    return jnp.where(x >= bound, x, jax.lax.stop_gradient(jnp.maximum(x, bound)))


def clip(x: Array, low: float, high: float) -> Array:
    """x within [low, high], with derivative 1 on both bounds."""
    return jnp.where(is_within(x, low, high), x, jax.lax.stop_gradient(jnp.clip(x, low, high)))


def is_within(x: Array, low: float, high: float) -> Array:
    """Where `clip` passes a gradient on."""
    return (x >= low) & (x <= high)


def inverse_norm(x: Array, axis: int | tuple[int, ...]) -> Array:
    """min(1 / |x|, 1 / EPSILON), a constant where the second is less, so finite at the zero vector."""
    square_sum = jnp.sum(jnp.square(x), axis=axis, keepdims=True)
    is_long = jax.lax.rsqrt(square_sum) <= 1.0 / EPSILON
    return jnp.where(is_long, jax.lax.rsqrt(jnp.where(is_long, square_sum, 1.0)), 1.0 / EPSILON)


def divide_or_zero(numerator: Array, denominator: Scalar) -> Array:
    """numerator / denominator, 0 where the denominator is 0."""
    if isinstance(denominator, int | float):
        return numerator / denominator if denominator else jnp.zeros_like(numerator)
    is_zero = denominator == 0
    return jnp.where(is_zero, 0, numerator / jnp.where(is_zero, 1, denominator))
