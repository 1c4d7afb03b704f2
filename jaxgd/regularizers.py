"""Penalties on weights or activities: every Keras regularizer as a frozen description, called on an array.

A coefficient that is a Python number is rounded to float32, as Keras on TensorFlow does even in float64.
"""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxgd._checks import check_real, is_traced_or_array, unknown_name, wrong
from jaxgd._described import Described, get_described
from jaxgd._types import Array, Scalar

_LARGEST_INVERSE_NORM = 1e7
_MODES = ("rows", "columns")


class Regularizer(Described):
    """What every regularizer is: `regularizer(w)`, a scalar of w's dtype."""

    def __call__(self, w: Array) -> Array:
        raise TypeError(f"{type(self).__name__} has no value.")

    def gradient(self, w: Array) -> Array:
        """d penalty / d w, for backpropagation by hand; where no formula is written, `jax.grad`."""
        return jax.grad(self)(w)


@dataclass(frozen=True)
class L1(Regularizer):
    """l1 * sum |w|; the gradient at 0 is 0, as TensorFlow's. Keras: `L1`.

    >>> float(L1(0.5)(jnp.array([1.0, -3.0])))
    2.0
    """

    l1: Scalar = 0.01

    def __post_init__(self) -> None:
        _check_coefficient("l1", self.l1)

    def __call__(self, w: Array) -> Array:
        return _rounded(self.l1, w) * jnp.sum(_absolute(w))

    def gradient(self, w: Array) -> Array:
        return _rounded(self.l1, w) * jnp.sign(w)


@dataclass(frozen=True)
class L2(Regularizer):
    """l2 * sum w**2, without a half. Keras: `L2`."""

    l2: Scalar = 0.01

    def __post_init__(self) -> None:
        _check_coefficient("l2", self.l2)

    def __call__(self, w: Array) -> Array:
        return _rounded(self.l2, w) * jnp.sum(jnp.square(w))

    def gradient(self, w: Array) -> Array:
        return _rounded(self.l2, w) * 2 * w


@dataclass(frozen=True)
class L1L2(Regularizer):
    """l1 * sum |w| + l2 * sum w**2. Keras: `L1L2`, whose coefficients are 0 by default, also by name."""

    l1: Scalar = 0.0
    l2: Scalar = 0.0

    def __post_init__(self) -> None:
        _check_coefficient("l1", self.l1)
        _check_coefficient("l2", self.l2)

    def __call__(self, w: Array) -> Array:
        return L1(self.l1)(w) + L2(self.l2)(w)

    def gradient(self, w: Array) -> Array:
        return L1(self.l1).gradient(w) + L2(self.l2).gradient(w)


@dataclass(frozen=True)
class OrthogonalRegularizer(Regularizer):
    """factor * mean |cosine| over the pairs of rows (or columns) of a matrix.

    Args:
      factor: coefficient of at least 0.
      mode: "rows" or "columns".

    Raises:
      ValueError: an unknown mode; called on an array whose rank is not 2, or with fewer than two rows.

    Keras: `OrthogonalRegularizer`, which cannot be called in float64.
    """

    factor: Scalar = 0.01
    mode: str = "rows"

    def __post_init__(self) -> None:
        _check_coefficient("factor", self.factor)
        if self.mode not in _MODES:
            raise unknown_name("mode", self.mode, _MODES)

    def __call__(self, w: Array) -> Array:
        if w.ndim != 2:
            raise wrong("w", w.shape, "an array of rank 2 for the orthogonal regularizer")
        rows = _unit_rows(w if self.mode == "rows" else w.T)
        count = rows.shape[0]
        if count < 2:
            raise wrong("w", w.shape, f"at least two {self.mode} for the orthogonal regularizer")
        cosines = _absolute(jnp.dot(rows, rows.T, precision="highest") * (1 - jnp.eye(count, dtype=w.dtype)))
        return _rounded(self.factor, w) * 0.5 * jnp.sum(cosines) / (count * (count - 1) / 2)


def _check_coefficient(name: str, value: Scalar) -> None:
    if not is_traced_or_array(value):
        check_real(name, value, minimum=0.0)


def _rounded(coefficient: Scalar, w: Array) -> Array:
    value = coefficient if is_traced_or_array(coefficient) else np.float32(coefficient)
    return jnp.asarray(value, w.dtype)


def _absolute(x: Array) -> Array:
    """|x|, with TensorFlow's derivative 0 at 0; that of `jnp.abs` is 1."""
    return x * lax.sign(x)


def _unit_rows(x: Array) -> Array:
    squares = jnp.sum(jnp.square(x), axis=1, keepdims=True)
    inverse = lax.rsqrt(jnp.where(squares > 0, squares, 1))
    largest = jnp.asarray(min(_LARGEST_INVERSE_NORM, float(jnp.finfo(x.dtype).max)), x.dtype)
    return x * jnp.where((squares > 0) & (inverse <= largest), inverse, largest)


l1 = L1
l2 = L2
l1_l2 = L1L2
orthogonal_regularizer = OrthogonalRegularizer

_CLASSES: dict[str, type] = {
    "l1": L1,
    "l2": L2,
    "l1_l2": L1L2,
    "orthogonal_regularizer": OrthogonalRegularizer,
}


def names() -> tuple[str, ...]:
    """The names that `get` knows."""
    return tuple(_CLASSES)


def get(identifier: Any, **options: Any) -> Any:
    """The regularizer behind a name, a class, a regularizer or a callable(w); None stays None.

    Raises:
      ValueError: unknown name. TypeError: none of these, or options with a regularizer.

    Keras: `keras.regularizers.get`, which minds the case.

    >>> get("L2", l2=0.1)
    L2(l2=0.1)
    """
    return None if identifier is None else get_described("regularizer", identifier, _CLASSES, options)
