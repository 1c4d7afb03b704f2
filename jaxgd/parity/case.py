"""A case of the catalogue as data, what came of it, and what a family of cases consists of."""

import hashlib
from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeAlias

import numpy as np

from jaxgd.parity.comparator import Tolerance

Options: TypeAlias = tuple[tuple[str, Any], ...]
Reference: TypeAlias = Literal["eager", "function", "xla"]
Results: TypeAlias = Mapping[str, Any]
"""{what: tree of arrays}, the same keys on both sides."""


@dataclass(frozen=True)
class Case:
    """One question to both libraries.

    Attributes:
      family: "activation", "loss" and so on.
      subject: jaxgd's name of what is compared.
      options: its arguments.
      setting: how it is used: reduction, weights, common options of an optimizer.
      regime: what the numbers are like: "normal", "kinks", "saturated", ...
      dtype: "float32" or "float64".
      reference: how TensorFlow computes: eagerly, in a `tf.function`, or compiled by XLA.
    """

    family: str
    subject: str
    options: Options = ()
    setting: Options = ()
    regime: str = "normal"
    dtype: str = "float64"
    reference: Reference = "eager"

    @property
    def id(self) -> str:
        """The case's name in reports, in `--filter` and as the seed of its numbers."""
        words = [self.family, _words(self.subject, self.options)]
        if self.setting:
            words.append(_words("", self.setting).lstrip("-"))
        return "/".join([*words, self.regime, self.dtype, self.reference])

    @property
    def program(self) -> tuple[Any, ...]:
        """Cases with equal ones share compiled programs or what Keras computed; they stay in one process."""
        return (self.family, self.subject, self.options, self.setting)

    def rng(self, *parts: Hashable) -> np.random.Generator:
        """The generator of the case's numbers: the same in both precisions and for every reference."""
        name = repr((self.family, self.subject, self.options, self.regime, *parts))
        return np.random.default_rng(int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "little"))

    def cast(self, array: Any) -> np.ndarray:
        """Numbers that float32 can hold, in the case's precision."""
        array = np.asarray(array)
        if array.dtype.kind != "f":
            return array
        return array.astype(np.float32).astype(self.dtype)

    def get(self, name: str, default: Any = None) -> Any:
        """A value of `setting`."""
        return dict(self.setting).get(name, default)

    def in_float64(self) -> "Case":
        """The same numbers in double precision: the truth that a float32 case is measured against."""
        return replace(self, dtype="float64")


def options_of(**options: Any) -> Options:
    """Arguments in the form that a case holds.

    >>> options_of(delta=2.0, axis=[0, 1])
    (('axis', (0, 1)), ('delta', 2.0))
    """
    plain = {name: tuple(value) if isinstance(value, list) else value for name, value in options.items()}
    return tuple(sorted(plain.items()))


def _words(name: str, options: Options) -> str:
    return name + "".join(f"-{key}={value}".replace(" ", "") for key, value in options)


@dataclass(frozen=True)
class Family:
    """What all cases of a family have in common. TensorFlow's side is `keras_side.<name>`.

    Attributes:
      name: of the family and of its module.
      cases: makes them.
      inputs: a case's numbers, for both sides.
      got: what jaxgd computes from a case and its inputs.
      tolerance: what is demanded of a case.
      gate: "" or why the expected results prove nothing (nothing moved, all gradients are zero).
      plain: what plain JAX or optax computes, or None where it has no such thing. Only reported.
      drawn: results that are drawn, other numbers in each precision: no float64 truth excuses them.
      cost: about how many seconds of one core a case takes; long ones are begun first.
    """

    name: str
    cases: Callable[[], Iterator[Case]]
    inputs: Callable[[Case], Any]
    got: Callable[[Case, Any], Results]
    tolerance: Callable[[Case], Tolerance]
    gate: Callable[[Case, Results], str]
    plain: Callable[[Case, Any], Results | None] | None = None
    drawn: tuple[str, ...] = ()
    cost: float = 0.1


@dataclass(frozen=True)
class Outcome:
    """What came of a case.

    Attributes:
      error: max |difference| / max |expected|, the largest of all results.
      ulps, bit_equal: see `Comparison`.
      demands_bits: whether bit-equality was demanded.
      truth: {"jaxgd": .., "keras": ..}: distances from float64, where a float32 case was measured so.
      plain: the distance of plain JAX or optax from Keras, None if there is nothing to measure.
      curve: {"keras": .., "jaxgd": ..}: errors over the steps of a trajectory, against float64.
      known: the id of the known difference that applies, or "".
      message: why the case failed, or "".
    """

    case: Case
    passed: bool
    error: float
    ulps: int
    bit_equal: bool
    demands_bits: bool
    message: str = ""
    known: str = ""
    truth: Mapping[str, float] = field(default_factory=dict)
    plain: float | None = None
    curve: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    seconds: float = 0.0
