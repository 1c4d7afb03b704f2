"""Activations that mix the values of a row: softmax, log_softmax, sparsemax and glu.

They have no elementwise derivative. Beside each stands its explicit vector-Jacobian product: what flows
back into `x` when `upstream` is the gradient with respect to the result.
"""

from typing import Any, TypeAlias

import jax
import jax.numpy as jnp

from jaxgd._checks import wrong
from jaxgd._types import Array
from jaxgd.activations._arguments import floating

Axis: TypeAlias = int | tuple[int, ...] | None


def softmax(x: Any, axis: Axis = -1) -> Array:
    """Normalised exponentials: positive, of sum 1.

    f(x) = exp(x) / sum(exp(x))

    Args:
      x: float[...].
      axis: the axis, or axes, that are normalised together; None for all.
    Returns: float[...], shape and dtype of `x`.
    Keras: `softmax`, equal to rounding; negative axes in a tuple work here. Not copied: with an entry of
      +inf or NaN the whole row is NaN, in TensorFlow only that entry.
    >>> softmax(jnp.array([0.0, 0.0])).tolist()
    [0.5, 0.5]
    """
    return _softmax(floating(x), _hashable(axis))


def _normalised(x: Array, axis: Axis) -> Array:
    unnormalised = jnp.exp(x - jnp.max(x, axis, keepdims=True))
    return unnormalised / jnp.sum(unnormalised, axis, keepdims=True)


_softmax = jax.custom_jvp(_normalised, nondiff_argnums=(1,))


@_softmax.defjvp
def _softmax_jvp(axis: Axis, primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    """Fewer operations than differentiating the quotient."""
    y = _softmax(primals[0], axis)
    weighted = y * tangents[0]
    return y, weighted - y * jnp.sum(weighted, axis, keepdims=True)


def softmax_backward(x: Any, upstream: Array, axis: Axis = -1) -> Array:
    """y * (upstream - sum(upstream * y)), y = softmax(x)."""
    y = softmax(x, axis)
    return y * (upstream - jnp.sum(upstream * y, _hashable(axis), keepdims=True))


def log_softmax(x: Any, axis: Axis = -1) -> Array:
    """Logarithm of softmax, without underflow.

    f(x) = x - log(sum(exp(x)))

    Args:
      x: float[...].
      axis: the axis, or axes, that are normalised together; None for all.
    Returns: float[...], shape and dtype of `x`.
    Keras: `log_softmax`, equal to rounding.
    >>> round(float(log_softmax(jnp.array([0.0, 0.0]))[0]), 4)
    -0.6931
    """
    return jax.nn.log_softmax(floating(x), _hashable(axis))


def log_softmax_backward(x: Any, upstream: Array, axis: Axis = -1) -> Array:
    """upstream - softmax(x) * sum(upstream)."""
    return upstream - softmax(x, axis) * jnp.sum(upstream, _hashable(axis), keepdims=True)


def sparsemax(x: Any, axis: int = -1, *, form: str = "exact") -> Array:
    """Projection onto the probability simplex: of sum 1, and exactly 0 for all but the largest values.

    f(x) = max(x - tau, 0), tau such that the sum is 1

    Args:
      x: float[...].
      axis: the axis that is projected.
      form: "exact", or "keras" for what Keras computes.
    Returns: float[...], shape and dtype of `x`.
    Raises:
      ValueError: `form` is neither.
    Keras: `sparsemax` takes the sum of the cumulative sums for tau, so that whenever more than one value
      is in the support its rows do not sum to 1. `form="keras"` is that function, gradient included; the
      default is the projection.
    References: Martins and Astudillo, 2016, arXiv 1602.02068.
    >>> sparsemax(jnp.array([1.0, 1.0, 0.0])).tolist()
    [0.5, 0.5, 0.0]
    >>> sparsemax(jnp.array([1.0, 1.0, 0.0]), form="keras").tolist()
    [0.0, 0.0, 0.0]
    """
    rows = jnp.moveaxis(floating(x), axis, -1)
    tau = jnp.sum(_tau_weights(rows, form) * rows, axis=-1, keepdims=True) - 1.0 / _support_size(rows)
    y = jnp.where(_passes(rows, tau, form), rows - tau, 0.0)
    return jnp.moveaxis(y, -1, axis)


def sparsemax_backward(x: Any, upstream: Array, axis: int = -1, form: str = "exact") -> Array:
    """u - w sum(u), where u is upstream on the entries that passed and w the weights of tau."""
    rows = jnp.moveaxis(floating(x), axis, -1)
    weights = _tau_weights(rows, form)
    tau = jnp.sum(weights * rows, axis=-1, keepdims=True) - 1.0 / _support_size(rows)
    passed = jnp.where(_passes(rows, tau, form), jnp.moveaxis(upstream, axis, -1), 0.0)
    return jnp.moveaxis(passed - weights * jnp.sum(passed, axis=-1, keepdims=True), -1, axis)


def _rank(rows: Array) -> Array:
    """The place of every entry in its row, the largest being 1; ties stay in the order of the row."""
    order = jnp.argsort(-rows, axis=-1, stable=True)
    return jnp.argsort(order, axis=-1, stable=True) + 1


def _support_size(rows: Array) -> Array:
    """How many of the largest values have a positive result: [..., 1], in the dtype of `rows`."""
    rows = jax.lax.stop_gradient(rows)
    descending = -jnp.sort(-rows, axis=-1)
    count = jnp.arange(1, rows.shape[-1] + 1, dtype=rows.dtype)
    in_support = descending - (jnp.cumsum(descending, axis=-1) - 1.0) / count > 0
    return jnp.sum(in_support, axis=-1, keepdims=True).astype(rows.dtype)


def _tau_weights(rows: Array, form: str) -> Array:
    """d tau / d x: a share for each value in the support; in Keras's form one for each sum it is in."""
    rank = _rank(jax.lax.stop_gradient(rows)).astype(rows.dtype)
    size = _support_size(rows)
    if form == "exact":
        return jnp.where(rank <= size, 1.0 / size, 0.0)
    if form == "keras":
        return jnp.maximum(size - rank + 1.0, 0.0) / size
    raise wrong("form", form, "'exact' or 'keras'")


def _passes(rows: Array, tau: Array, form: str) -> Array:
    """Where the result is not cut off. TensorFlow counts a tie as passing; the projection needs none."""
    return rows >= tau if form == "keras" else rows > tau


def glu(x: Any, axis: int = -1) -> Array:
    """Gated linear unit: one half of the values gates the other. The result is half as wide.

    f([a, b]) = a sigmoid(b)

    Args:
      x: float[..., 2 n].
      axis: the axis that is halved.
    Returns: float[..., n], dtype of `x`.
    Raises:
      ValueError: the axis has an odd size.
    Keras: `glu`, equal to rounding.
    References: Dauphin et al., 2016, arXiv 1612.08083.
    >>> glu(jnp.array([3.0, 0.0])).tolist()
    [1.5]
    """
    values, gates = _halves(floating(x), axis)
    return values * jax.nn.sigmoid(gates)


def glu_backward(x: Any, upstream: Array, axis: int = -1) -> Array:
    """[upstream s, upstream a s (1 - s)], s = sigmoid(b)."""
    values, gates = _halves(floating(x), axis)
    opened = jax.nn.sigmoid(gates)
    return jnp.concatenate([upstream * opened, upstream * values * opened * (1.0 - opened)], axis=axis)


def _halves(x: Array, axis: int) -> tuple[Array, Array]:
    """The first and the second half along an axis."""
    size = x.shape[axis]
    if size % 2:
        raise wrong("x", x.shape, f"an even size along axis {axis}")
    first, second = jnp.split(x, 2, axis=axis)
    return first, second


def _hashable(axis: Any) -> Axis:
    """An axis argument that may be a list, as one that can be a static argument."""
    return tuple(axis) if isinstance(axis, list) else axis
