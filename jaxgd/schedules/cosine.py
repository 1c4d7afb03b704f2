"""Cosine decay, with a warmup or with restarts."""

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import jax
import jax.numpy as jnp

from jaxgd._types import Array, Scalar
from jaxgd.schedules._schedule import Schedule, float32, number, positive, quotient, register, rounded


def _half_wave(done: Array) -> Array:
    """1 + cos(pi done): from 2 to 0."""
    return 1.0 + jnp.cos(float32(math.pi) * done)


@register()
@dataclass(frozen=True)
class CosineDecay(Schedule):
    """See `cosine_decay`. `falls` is 1 - alpha, which Keras rounds after the subtraction and not before."""

    class_name: ClassVar[str] = "CosineDecay"
    arguments: ClassVar[tuple[str, ...]] = (
        "initial_learning_rate",
        "decay_steps",
        "alpha",
        "warmup_target",
        "warmup_steps",
    )

    initial_learning_rate: Scalar
    decay_steps: Scalar
    alpha: Scalar
    falls: Scalar
    warmup_target: Scalar | None
    warmup_steps: Scalar

    def __call__(self, step: Any) -> Array:
        """The warmup's line, then half a wave of the cosine."""
        step = float32(step)
        if self.warmup_target is None:
            return self._decayed(step, self.initial_learning_rate)
        warmup_steps = float32(self.warmup_steps)
        decayed = self._decayed(step - warmup_steps, self.warmup_target)
        return jnp.where(step < warmup_steps, self._warming(step, warmup_steps, self.warmup_target), decayed)

    def _decayed(self, step: Array, peak: Any) -> Array:
        length = float32(self.decay_steps)
        cosine = 0.5 * _half_wave(quotient(jnp.minimum(step, length), length))
        return float32(peak) * (rounded(float32(self.falls) * cosine) + float32(self.alpha))

    def _warming(self, step: Array, warmup_steps: Array, target: Any) -> Array:
        start = float32(self.initial_learning_rate)
        return rounded((float32(target) - start) * quotient(step, jnp.maximum(warmup_steps, 1.0))) + start


def cosine_decay(
    initial_learning_rate: Scalar,
    decay_steps: Scalar,
    alpha: Scalar = 0.0,
    *,
    warmup_target: Scalar | None = None,
    warmup_steps: Scalar = 0,
    name: str | None = None,
) -> CosineDecay:
    """The rate falls along half a wave of the cosine, after a straight warmup if there is a target for it.

    rate = peak * ((1 - alpha) * (1 + cos(pi * done)) / 2 + alpha), done = steps of the decay / decay_steps

    Args:
      initial_learning_rate: scalar, the rate of step 0, and the peak if there is no warmup.
      decay_steps: scalar over 0, the number of steps of the decay, which follow those of the warmup.
      alpha: scalar, the last rate as a part of the peak.
      warmup_target: scalar, the peak to which the rate rises in a straight line; None for no warmup.
      warmup_steps: scalar, the number of steps of the warmup.
      name: taken as in Keras, where it names operations of a graph, and not kept.
    Returns: a `Schedule`.
    Raises:
      TypeError, ValueError: a setting is not a finite number, or `decay_steps` is not over 0.
    Keras: `CosineDecay`, equal bit for bit.
    References: Loshchilov and Hutter, 2016, arXiv 1608.03983; Goyal et al., 2017, arXiv 1706.02677.
    >>> round(float(cosine_decay(0.5, 10)(5)), 6)
    0.25
    """
    alpha = number("alpha", alpha)
    return CosineDecay(
        number("initial_learning_rate", initial_learning_rate),
        positive("decay_steps", decay_steps),
        alpha,
        1.0 - alpha,
        None if warmup_target is None else number("warmup_target", warmup_target),
        number("warmup_steps", warmup_steps),
    )


@register()
@dataclass(frozen=True)
class CosineDecayRestarts(Schedule):
    """See `cosine_decay_restarts`."""

    class_name: ClassVar[str] = "CosineDecayRestarts"
    arguments: ClassVar[tuple[str, ...]] = (
        "initial_learning_rate",
        "first_decay_steps",
        "t_mul",
        "m_mul",
        "alpha",
    )

    initial_learning_rate: Scalar
    first_decay_steps: Scalar
    t_mul: Scalar = 2.0
    m_mul: Scalar = 1.0
    alpha: Scalar = 0.0

    def __call__(self, step: Any) -> Array:
        """Half a wave of the cosine in every period."""
        restarts, done = self._period(quotient(float32(step), float32(self.first_decay_steps)))
        alpha = float32(self.alpha)
        cosine = 0.5 * jnp.power(float32(self.m_mul), restarts) * _half_wave(done)
        return float32(self.initial_learning_rate) * (rounded((1.0 - alpha) * cosine) + alpha)

    def _period(self, time: Array) -> tuple[Array, Array]:
        """How many restarts lie behind, and the part of the period that does; time in first periods."""
        growth = float32(self.t_mul)
        equal = growth == 1.0
        restarts, done = _growing_period(time, jnp.where(equal, 2.0, growth))
        return jnp.where(equal, jnp.floor(time), restarts), jnp.where(equal, time - jnp.floor(time), done)


def _growing_period(time: Array, growth: Array) -> tuple[Array, Array]:
    """The same where every period is `growth` times as long as the one before: a geometric series."""
    restarts = jnp.floor(quotient(_log(1.0 - rounded(time * (1.0 - growth))), _log(growth)))
    length = rounded(jnp.power(growth, restarts))  # or x / a**b would become x * a**-b
    return restarts, (time - quotient(1.0 - length, 1.0 - growth)) / length


def _log(x: Array) -> Array:
    """The logarithm rounded once. An ulp decides here whether a step belongs to the old period or the new."""
    with jax.enable_x64(True):
        return jnp.log(x.astype(jnp.float64)).astype(jnp.float32)


def cosine_decay_restarts(
    initial_learning_rate: Scalar,
    first_decay_steps: Scalar,
    t_mul: Scalar = 2.0,
    m_mul: Scalar = 1.0,
    alpha: Scalar = 0.0,
    name: str | None = None,
) -> CosineDecayRestarts:
    """The rate falls along half a wave of the cosine, jumps up and falls again, in ever longer periods.

    rate = initial_learning_rate * ((1 - alpha) * m_mul**i * (1 + cos(pi * done)) / 2 + alpha), after i
    restarts

    Args:
      initial_learning_rate: scalar, the rate of step 0.
      first_decay_steps: scalar over 0, the number of steps of the first period.
      t_mul: scalar, how many times as long every period is as the one before.
      m_mul: scalar, how many times as high it starts.
      alpha: scalar, the last rate of every period as a part of `initial_learning_rate`.
      name: taken as in Keras, where it names operations of a graph, and not kept.
    Returns: a `Schedule`.
    Raises:
      TypeError, ValueError: a setting is not a finite number, or `first_decay_steps` is not over 0.
    Keras: `CosineDecayRestarts`, equal bit for bit.
    References: Loshchilov and Hutter, 2016, arXiv 1608.03983.
    >>> [round(float(cosine_decay_restarts(0.5, 10)(step)), 6) for step in (0, 5, 10, 20)]
    [0.5, 0.25, 0.5, 0.25]
    """
    return CosineDecayRestarts(
        number("initial_learning_rate", initial_learning_rate),
        positive("first_decay_steps", first_decay_steps),
        number("t_mul", t_mul),
        number("m_mul", m_mul),
        number("alpha", alpha),
    )
