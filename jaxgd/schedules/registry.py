"""Schedules by what a user or a file gives: a number, a schedule, a function, a configuration."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, TypeAlias

import jax.numpy as jnp

from jaxgd._checks import unknown_name
from jaxgd._types import Array, Scalar
from jaxgd.schedules import cosine, decays
from jaxgd.schedules._schedule import Schedule, number, register

_CONSTRUCTORS: dict[str, Callable[..., Schedule]] = {
    "CosineDecay": cosine.cosine_decay,
    "CosineDecayRestarts": cosine.cosine_decay_restarts,
    "ExponentialDecay": decays.exponential_decay,
    "InverseTimeDecay": decays.inverse_time_decay,
    "PiecewiseConstantDecay": decays.piecewise_constant_decay,
    "PolynomialDecay": decays.polynomial_decay,
}


@register()
@dataclass(frozen=True)
class Constant(Schedule):
    """The same rate at every step, in the default float type: Keras does not round it to float32."""

    class_name: ClassVar[str] = "Constant"
    arguments: ClassVar[tuple[str, ...]] = ("learning_rate",)

    learning_rate: Scalar

    def __call__(self, step: Any) -> Array:
        """learning_rate."""
        rate = jnp.asarray(self.learning_rate)
        rate = rate if jnp.issubdtype(rate.dtype, jnp.floating) else rate.astype(float)
        return jnp.broadcast_to(rate, jnp.shape(step))


@register(static=("function",))
@dataclass(frozen=True)
class FunctionOfStep(Schedule):
    """Someone else's schedule, as of optax. It cannot be written to a file."""

    class_name: ClassVar[str] = "FunctionOfStep"

    function: Callable[[Any], Any]

    def __call__(self, step: Any) -> Array:
        """function(step)."""
        return jnp.asarray(self.function(step))


Identifier: TypeAlias = Schedule | Scalar | Callable[[Any], Any] | Mapping[str, Any]
"""What `get` takes: a schedule, a number, a function of the step, or Keras's config of a schedule."""


def names() -> tuple[str, ...]:
    """The names of Keras's classes, as they stand in files.

    >>> names()[:2]
    ('CosineDecay', 'CosineDecayRestarts')
    """
    return tuple(sorted(_CONSTRUCTORS))


def get(identifier: Identifier) -> Schedule:
    """The schedule that an identifier means.

    Args:
      identifier: a `Schedule`; a number or a scalar array, for the same rate at every step; a function of the
        step; or what Keras writes into files, a mapping with `class_name` and `config`.
    Returns: a `Schedule`.
    Raises:
      TypeError: the identifier is none of these, or the configuration has an unknown argument.
      ValueError: the class is unknown, or a number is not finite.
    Keras: a function there takes no argument; here it takes the step, as in optax.
    >>> get({"class_name": "ExponentialDecay",
    ...      "config": {"initial_learning_rate": 0.5, "decay_steps": 10, "decay_rate": 0.5}}).decay_rate
    0.5
    """
    if isinstance(identifier, Schedule):
        return identifier
    if isinstance(identifier, Mapping):
        return _from_config(identifier)
    if callable(identifier):
        return FunctionOfStep(identifier)
    return Constant(number("learning_rate", identifier))


def _from_config(written: Mapping[str, Any]) -> Schedule:
    """A schedule from Keras's serialized form; the name of the TensorFlow operation is of no use."""
    class_name = written.get("class_name")
    if class_name not in _CONSTRUCTORS:
        raise unknown_name("schedule", class_name, names())
    config = {key: value for key, value in dict(written.get("config", {})).items() if key != "name"}
    return _CONSTRUCTORS[class_name](**config)
