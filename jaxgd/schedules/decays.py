"""Exponential, inverse-time and polynomial decay, and steps from one constant to the next."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, ClassVar

import jax.numpy as jnp

from jaxgd._checks import is_traced_or_array, wrong
from jaxgd._types import Array, Scalar
from jaxgd.schedules._schedule import (
    Schedule,
    beside,
    flag,
    float32,
    number,
    positive,
    quotient,
    register,
    rounded,
)


def _periods(step: Any, decay_steps: Any, staircase: bool) -> Array:
    """How often `decay_steps` have passed."""
    periods = quotient(float32(step), float32(decay_steps))
    return jnp.floor(periods) if staircase else periods


@register(static=("staircase",))
@dataclass(frozen=True)
class ExponentialDecay(Schedule):
    """See `exponential_decay`."""

    class_name: ClassVar[str] = "ExponentialDecay"
    arguments: ClassVar[tuple[str, ...]] = ("initial_learning_rate", "decay_steps", "decay_rate", "staircase")

    initial_learning_rate: Scalar
    decay_steps: Scalar
    decay_rate: Scalar
    staircase: bool = False

    def __call__(self, step: Any) -> Array:
        """initial_learning_rate * decay_rate ** (step / decay_steps)."""
        periods = _periods(step, self.decay_steps, self.staircase)
        return float32(self.initial_learning_rate) * jnp.power(float32(self.decay_rate), periods)


def exponential_decay(
    initial_learning_rate: Scalar,
    decay_steps: Scalar,
    decay_rate: Scalar,
    staircase: bool = False,
    name: str | None = None,
) -> ExponentialDecay:
    """The rate falls by the same factor in every period.

    rate = initial_learning_rate * decay_rate ** (step / decay_steps)

    Args:
      initial_learning_rate: scalar, the rate of step 0.
      decay_steps: scalar over 0, the length of a period in steps.
      decay_rate: scalar, the factor.
      staircase: whether the rate falls only at the end of a period.
      name: taken as in Keras, where it names operations of a graph, and not kept.
    Returns: a `Schedule`.
    Raises:
      TypeError, ValueError: a setting is not a finite number, or `decay_steps` is not over 0.
    Keras: `ExponentialDecay`, equal bit for bit.
    >>> round(float(exponential_decay(0.5, 10, 0.25)(5)), 6)
    0.25
    """
    return ExponentialDecay(
        number("initial_learning_rate", initial_learning_rate),
        positive("decay_steps", decay_steps),
        number("decay_rate", decay_rate),
        flag("staircase", staircase),
    )


@register(static=("staircase",))
@dataclass(frozen=True)
class InverseTimeDecay(Schedule):
    """See `inverse_time_decay`."""

    class_name: ClassVar[str] = "InverseTimeDecay"
    arguments: ClassVar[tuple[str, ...]] = ("initial_learning_rate", "decay_steps", "decay_rate", "staircase")

    initial_learning_rate: Scalar
    decay_steps: Scalar
    decay_rate: Scalar
    staircase: bool = False

    def __call__(self, step: Any) -> Array:
        """initial_learning_rate / (1 + decay_rate * step / decay_steps)."""
        periods = _periods(step, self.decay_steps, self.staircase)
        return float32(self.initial_learning_rate) / (1.0 + rounded(float32(self.decay_rate) * periods))


def inverse_time_decay(
    initial_learning_rate: Scalar,
    decay_steps: Scalar,
    decay_rate: Scalar,
    staircase: bool = False,
    name: str | None = None,
) -> InverseTimeDecay:
    """The rate falls like one over the time.

    rate = initial_learning_rate / (1 + decay_rate * step / decay_steps)

    Args:
      initial_learning_rate: scalar, the rate of step 0.
      decay_steps: scalar over 0, the length of a period in steps.
      decay_rate: scalar, what a period adds to the divisor.
      staircase: whether the rate falls only at the end of a period.
      name: taken as in Keras, where it names operations of a graph, and not kept.
    Returns: a `Schedule`.
    Raises:
      TypeError, ValueError: a setting is not a finite number, or `decay_steps` is not over 0.
    Keras: `InverseTimeDecay`, equal bit for bit.
    >>> float(inverse_time_decay(0.5, 10, 1.0)(10))
    0.25
    """
    return InverseTimeDecay(
        number("initial_learning_rate", initial_learning_rate),
        positive("decay_steps", decay_steps),
        number("decay_rate", decay_rate),
        flag("staircase", staircase),
    )


@register(static=("cycle",))
@dataclass(frozen=True)
class PolynomialDecay(Schedule):
    """See `polynomial_decay`."""

    class_name: ClassVar[str] = "PolynomialDecay"
    arguments: ClassVar[tuple[str, ...]] = (
        "initial_learning_rate",
        "decay_steps",
        "end_learning_rate",
        "power",
        "cycle",
    )

    initial_learning_rate: Scalar
    decay_steps: Scalar
    end_learning_rate: Scalar = 0.0001
    power: Scalar = 1.0
    cycle: bool = False

    def __call__(self, step: Any) -> Array:
        """(initial_learning_rate - end_learning_rate) * (1 - done) ** power + end_learning_rate."""
        end = float32(self.end_learning_rate)
        left = 1.0 - self._done(float32(step))
        left_over = jnp.power(left, beside(left, float32(self.power)))
        return rounded((float32(self.initial_learning_rate) - end) * left_over) + end

    def _done(self, step: Array) -> Array:
        """The part of the decay that is behind."""
        length = float32(self.decay_steps)
        if not self.cycle:
            return quotient(jnp.minimum(step, length), length)
        return step / (length * jnp.where(step == 0, 1.0, jnp.ceil(quotient(step, length))))


def polynomial_decay(
    initial_learning_rate: Scalar,
    decay_steps: Scalar,
    end_learning_rate: Scalar = 0.0001,
    power: Scalar = 1.0,
    cycle: bool = False,
    name: str | None = None,
) -> PolynomialDecay:
    """The rate falls to its end along a polynomial.

    rate = (initial_learning_rate - end_learning_rate) * (1 - min(step, decay_steps) / decay_steps) ** power
           + end_learning_rate

    Args:
      initial_learning_rate: scalar, the rate of step 0.
      decay_steps: scalar over 0, the number of steps of the decay.
      end_learning_rate: scalar, the rate from there on.
      power: scalar, the degree.
      cycle: whether, past the end, the decay is stretched to the next multiple of `decay_steps`.
      name: taken as in Keras, where it names operations of a graph, and not kept.
    Returns: a `Schedule`.
    Raises:
      TypeError, ValueError: a setting is not a finite number, or `decay_steps` is not over 0.
    Keras: `PolynomialDecay`, equal bit for bit.
    >>> float(polynomial_decay(1.0, 10, end_learning_rate=0.0)(5))
    0.5
    """
    return PolynomialDecay(
        number("initial_learning_rate", initial_learning_rate),
        positive("decay_steps", decay_steps),
        number("end_learning_rate", end_learning_rate),
        number("power", power),
        flag("cycle", cycle),
    )


@register()
@dataclass(frozen=True)
class PiecewiseConstantDecay(Schedule):
    """See `piecewise_constant_decay`."""

    class_name: ClassVar[str] = "PiecewiseConstantDecay"
    arguments: ClassVar[tuple[str, ...]] = ("boundaries", "values")

    boundaries: tuple[Scalar, ...]
    values: tuple[Scalar, ...]

    def __call__(self, step: Any) -> Array:
        """The value of the last interval whose boundary is under `step`."""
        step = jnp.asarray(step)
        rate = jnp.broadcast_to(float32(self.values[0]), step.shape)
        for boundary, value in zip(self.boundaries, self.values[1:], strict=True):
            rate = jnp.where(step > jnp.asarray(boundary).astype(step.dtype), float32(value), rate)
        return rate


def piecewise_constant_decay(
    boundaries: Sequence[Scalar],
    values: Sequence[Scalar],
    name: str | None = None,
) -> PiecewiseConstantDecay:
    """The rate changes from one constant to the next after given steps.

    rate = values[0] for step <= boundaries[0], values[1] for boundaries[0] < step <= boundaries[1], ...

    Args:
      boundaries: rising scalars, the last step of every value but the last; fractions are cut off.
      values: scalars, one more than boundaries.
      name: taken as in Keras, where it names operations of a graph, and not kept.
    Returns: a `Schedule`.
    Raises:
      TypeError, ValueError: a setting is not a finite number, the lengths do not fit, or the boundaries do
        not rise.
    Keras: `PiecewiseConstantDecay`, equal bit for bit; it accepts boundaries that do not rise.
    >>> [round(float(piecewise_constant_decay([2], [0.5, 0.25])(step)), 6) for step in (2, 3)]
    [0.5, 0.25]
    """
    if len(values) != len(boundaries) + 1 or not boundaries:
        raise wrong(
            "values", list(values), f"one more than the {len(boundaries)} boundaries, of which one at least"
        )
    edges = tuple(number(f"boundaries[{i}]", edge) for i, edge in enumerate(boundaries))
    known = not any(is_traced_or_array(edge) for edge in edges)
    if known and any(left >= right for left, right in pairwise(edges)):
        raise wrong("boundaries", list(edges), "rising numbers")
    return PiecewiseConstantDecay(edges, tuple(number(f"values[{i}]", v) for i, v in enumerate(values)))
