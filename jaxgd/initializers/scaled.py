"""Initializers whose variance depends on the number of inputs and outputs."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import jax.numpy as jnp

from jaxgd import random
from jaxgd._checks import check_integer, check_real, unknown_name, wrong
from jaxgd._types import Array, Shape
from jaxgd.initializers.base import RandomInitializer

_TRUNCATED_STDDEV = 0.87962566103423978  # of a standard normal cut at two standard deviations
_MODES = ("fan_in", "fan_out", "fan_avg")
_DISTRIBUTIONS = ("uniform", "truncated_normal", "untruncated_normal")


@dataclass(frozen=True)
class VarianceScaling(RandomInitializer):
    """Random numbers of variance scale / n, where n is the fan in, the fan out or their mean.

    Args:
      scale: positive number.
      mode: "fan_in", "fan_out" or "fan_avg".
      distribution: "uniform", "truncated_normal" (also "normal") or "untruncated_normal".
      seed: an int, or None to draw from the source.
      input_axes, output_axes: the axes that count as inputs and outputs; by default the last two, times
        the others.

    Raises:
      ValueError: an unknown mode or distribution, or a scale that is not positive.

    Keras: `VarianceScaling`; uniform bit-equal, the normal ones within 2.4e-7 standard deviations.
    """

    scale: float = 1.0
    mode: str = "fan_in"
    distribution: str = "truncated_normal"
    seed: int | None = None
    input_axes: tuple[int, ...] | None = None
    output_axes: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if check_real("scale", self.scale) <= 0:
            raise wrong("scale", self.scale, "a positive number")
        if self.mode not in _MODES:
            raise unknown_name("mode", self.mode, _MODES)
        name = {"normal": "truncated_normal"}.get(self.distribution.lower(), self.distribution.lower())
        if name not in _DISTRIBUTIONS:
            raise unknown_name("distribution", self.distribution, _DISTRIBUTIONS)
        _set(self, distribution=name, input_axes=_axes(self.input_axes), output_axes=_axes(self.output_axes))

    def __call__(self, source: Any, shape: Shape, dtype: Any = jnp.float32) -> Array:
        variance = self.scale / max(1.0, _fan(self.mode, *fans(shape, self.input_axes, self.output_axes)))
        source = self._source(source)
        if self.distribution == "uniform":
            limit = math.sqrt(3.0 * variance)
            return random.uniform(source, shape, -limit, limit, dtype)
        if self.distribution == "untruncated_normal":
            return random.normal(source, shape, 0.0, math.sqrt(variance), dtype)
        return random.truncated_normal(source, shape, 0.0, math.sqrt(variance) / _TRUNCATED_STDDEV, dtype)


@dataclass(frozen=True)
class FanScaled(RandomInitializer):
    """A `VarianceScaling` whose scale, mode and distribution its name fixes."""

    law: ClassVar[tuple[float, str, str]]

    seed: int | None = None
    input_axes: tuple[int, ...] | None = None
    output_axes: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        _set(self, input_axes=_axes(self.input_axes), output_axes=_axes(self.output_axes))

    def __call__(self, source: Any, shape: Shape, dtype: Any = jnp.float32) -> Array:
        return VarianceScaling(*self.law, *self.config().values())(source, shape, dtype)


@dataclass(frozen=True)
class GlorotUniform(FanScaled):
    """Uniform in ±sqrt(6 / (fan in + fan out)). Keras: `GlorotUniform`, bit-equal."""

    law = (1.0, "fan_avg", "uniform")


@dataclass(frozen=True)
class GlorotNormal(FanScaled):
    """Truncated normal of variance 2 / (fan in + fan out). Keras: `GlorotNormal`."""

    law = (1.0, "fan_avg", "truncated_normal")


@dataclass(frozen=True)
class HeUniform(FanScaled):
    """Uniform in ±sqrt(6 / fan in). Keras: `HeUniform`, bit-equal."""

    law = (2.0, "fan_in", "uniform")


@dataclass(frozen=True)
class HeNormal(FanScaled):
    """Truncated normal of variance 2 / fan in. Keras: `HeNormal`."""

    law = (2.0, "fan_in", "truncated_normal")


@dataclass(frozen=True)
class LecunUniform(FanScaled):
    """Uniform in ±sqrt(3 / fan in). Keras: `LecunUniform`, bit-equal."""

    law = (1.0, "fan_in", "uniform")


@dataclass(frozen=True)
class LecunNormal(FanScaled):
    """Truncated normal of variance 1 / fan in. Keras: `LecunNormal`."""

    law = (1.0, "fan_in", "truncated_normal")


def fans(
    shape: Sequence[int], input_axes: Sequence[int] | None = None, output_axes: Sequence[int] | None = None
) -> tuple[int, int]:
    """(fan in, fan out) of a kernel: its last two sizes, each times the product of the others.

    >>> fans((5, 10)), fans((7,)), fans((3, 3, 4, 8)), fans((2, 3, 4), (0, 1), (2,))
    ((5, 10), (7, 7), (36, 72), (6, 4))
    """
    if input_axes is not None and output_axes is not None:
        return math.prod(shape[axis] for axis in input_axes), math.prod(shape[axis] for axis in output_axes)
    if len(shape) < 2:
        return math.prod(shape), math.prod(shape)
    field = math.prod(shape[:-2])
    return shape[-2] * field, shape[-1] * field


def _fan(mode: str, fan_in: int, fan_out: int) -> float:
    return {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2.0}[mode]


def _axes(axes: Sequence[int] | None) -> tuple[int, ...] | None:
    return None if axes is None else tuple(check_integer("axis", axis, -(2**31)) for axis in axes)


def _set(description: Any, **values: Any) -> None:
    """Settings in their one form; the only writes to a frozen description, while it is made."""
    for name, value in values.items():
        object.__setattr__(description, name, value)
