"""Projections of weights after an update: every Keras constraint as a frozen description, called on an array.

The default axis 0 of a kernel [inputs, units] means: the weights that flow into one unit.
"""

from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp

from jaxgd._checks import check_real, is_traced_or_array, wrong
from jaxgd._described import Described, get_described
from jaxgd._types import Array, Scalar

_EPSILON = 1e-7


class Constraint(Described):
    """What every constraint is: `constraint(w)`, an array of w's shape and dtype."""

    def __call__(self, w: Array) -> Array:
        raise NotImplementedError(f"{type(self).__name__} projects nothing.")


@dataclass(frozen=True)
class MaxNorm(Constraint):
    """Vectors along `axis` longer than `max_value` are shortened to it.

    w * min(norm, max_value) / (1e-7 + norm)

    Keras: `MaxNorm`. As there, a vector within the limit shrinks by the factor norm / (1e-7 + norm) as well.

    >>> print(MaxNorm(1.0)(jnp.array([[0.0], [8.0]])).ravel())
    [0. 1.]
    """

    max_value: Scalar = 2
    axis: int | tuple[int, ...] = 0

    def __post_init__(self) -> None:
        _check_norm("max_value", self.max_value)
        _tuple_axis(self)

    def __call__(self, w: Array) -> Array:
        norms = _norms(w, self.axis)
        return w * (_clip(norms, 0, self.max_value) / (_EPSILON + norms))


@dataclass(frozen=True)
class UnitNorm(Constraint):
    """Vectors along `axis` are scaled to length 1: w / (1e-7 + norm). Keras: `UnitNorm`."""

    axis: int | tuple[int, ...] = 0

    def __post_init__(self) -> None:
        _tuple_axis(self)

    def __call__(self, w: Array) -> Array:
        return w / (_EPSILON + _norms(w, self.axis))


@dataclass(frozen=True)
class NonNeg(Constraint):
    """Negative weights become 0. Keras: `NonNeg`."""

    def __call__(self, w: Array) -> Array:
        return jnp.maximum(w, 0)


@dataclass(frozen=True)
class MinMaxNorm(Constraint):
    """The lengths of vectors along `axis` are brought into [min_value, max_value], by the share `rate`.

    w * (rate * clip(norm, min_value, max_value) + (1 - rate) * norm) / (1e-7 + norm)

    Raises:
      ValueError: a bound below 0, bounds that cross, or a rate outside [0, 1].

    Keras: `MinMaxNorm`.
    """

    min_value: Scalar = 0.0
    max_value: Scalar = 1.0
    rate: Scalar = 1.0
    axis: int | tuple[int, ...] = 0

    def __post_init__(self) -> None:
        _check_norm("min_value", self.min_value)
        _check_norm("max_value", self.max_value)
        if not is_traced_or_array(self.rate):
            check_real("rate", self.rate, 0.0, 1.0)
        if (
            not any(map(is_traced_or_array, (self.min_value, self.max_value)))
            and self.min_value > self.max_value
        ):
            raise wrong("min_value", self.min_value, f"at most max_value ({self.max_value})")
        _tuple_axis(self)

    def __call__(self, w: Array) -> Array:
        norms = _norms(w, self.axis)
        rate = jnp.asarray(self.rate, w.dtype)
        desired = rate * _clip(norms, self.min_value, self.max_value) + (1 - rate) * norms
        return w * (desired / (_EPSILON + norms))


def _norms(w: Array, axis: int | tuple[int, ...]) -> Array:
    return jnp.sqrt(jnp.sum(jnp.square(w), axis=axis, keepdims=True))


def _clip(norms: Array, low: Scalar, high: Scalar) -> Array:
    return jnp.clip(norms, jnp.asarray(low, norms.dtype), jnp.asarray(high, norms.dtype))


def _check_norm(name: str, value: Scalar) -> None:
    if not is_traced_or_array(value):
        check_real(name, value, minimum=0.0)


def _tuple_axis(description: Any) -> None:
    """A list of axes, as read from a file, becomes a tuple, so that the description can be hashed."""
    if isinstance(description.axis, list):
        object.__setattr__(description, "axis", tuple(description.axis))


max_norm = MaxNorm
unit_norm = UnitNorm
non_neg = NonNeg
min_max_norm = MinMaxNorm

_CLASSES: dict[str, type] = {
    "max_norm": MaxNorm,
    "unit_norm": UnitNorm,
    "non_neg": NonNeg,
    "min_max_norm": MinMaxNorm,
}


def names() -> tuple[str, ...]:
    """The names that `get` knows."""
    return tuple(_CLASSES)


def get(identifier: Any, **options: Any) -> Any:
    """The constraint behind a name, a class, a constraint or a callable(w); None stays None.

    Raises:
      ValueError: unknown name. TypeError: none of these, or options with a constraint.

    Keras: `keras.constraints.get`, which minds the case.

    >>> get("MaxNorm", max_value=3.0)
    MaxNorm(max_value=3.0, axis=0)
    """
    return None if identifier is None else get_described("constraint", identifier, _CLASSES, options)
