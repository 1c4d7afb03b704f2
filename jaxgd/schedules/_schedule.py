"""What every schedule is: a frozen dataclass that is a pytree, its numbers the leaves and its flags static.

A new number is therefore a new input of a compiled program, a new flag a new program.
"""

import dataclasses
from collections.abc import Callable
from typing import Any, ClassVar, TypeVar

import jax
import jax.numpy as jnp
import numpy as np

from jaxgd._checks import check_real, is_traced_or_array, wrong
from jaxgd._types import Array

T = TypeVar("T", bound=type)


@dataclasses.dataclass(frozen=True)
class Schedule:
    """`schedule(step) -> float32 scalar`, the learning rate of the update number `step`, counted from 0."""

    class_name: ClassVar[str] = ""
    arguments: ClassVar[tuple[str, ...]] = ()

    def __call__(self, step: Any) -> Array:
        """The rate of an integer step; an array of steps gives an array of rates."""
        raise NotImplementedError(f"{type(self).__name__} does not say what its rate is.")

    def config(self) -> dict[str, Any]:
        """Keras's arguments: the numbers that were given, or those that the leaves hold by now."""
        return {name: _plain(getattr(self, name)) for name in self.arguments}


def register(*, static: tuple[str, ...] = ()) -> Callable[[T], T]:
    """Makes a schedule a pytree: every field a leaf but for those named static."""

    def decorate(cls: T) -> T:
        fields = [field.name for field in dataclasses.fields(cls)]
        leaves = [name for name in fields if name not in static]
        jax.tree_util.register_pytree_with_keys(cls, *_tree_functions(cls, leaves, static))
        return cls

    return decorate


def _tree_functions(cls: type, leaves: list[str], static: tuple[str, ...]) -> tuple[Any, Any, Any]:
    """How JAX takes a schedule apart and puts it together; whatever the leaves are, nothing is checked."""

    def flatten(schedule: Any) -> tuple[list[Any], tuple[Any, ...]]:
        return [getattr(schedule, name) for name in leaves], tuple(getattr(schedule, name) for name in static)

    def flatten_with_keys(schedule: Any) -> tuple[list[Any], tuple[Any, ...]]:
        children, flags = flatten(schedule)
        keys = [jax.tree_util.GetAttrKey(name) for name in leaves]
        return list(zip(keys, children, strict=True)), flags

    def unflatten(flags: tuple[Any, ...], children: Any) -> Any:
        schedule = object.__new__(cls)
        for name, value in [*zip(leaves, children, strict=True), *zip(static, flags, strict=True)]:
            object.__setattr__(schedule, name, value)
        return schedule

    return flatten_with_keys, unflatten, flatten


def float32(value: Any) -> Array:
    """A number or a leaf in the type in which Keras computes every schedule."""
    return jnp.asarray(value).astype(jnp.float32)


def rounded(x: Array) -> Array:
    """`x`, with an operation between that changes no finite number.

    A compiler fuses a product and the sum that takes it, and rounds once where Keras rounds twice.
    """
    return jnp.minimum(x, jnp.finfo(jnp.float32).max)


def beside(x: Array, value: Array) -> Array:
    """`value` for every finite `x`, so that a compiler sees neither a constant nor something a batch shares.

    It would invert such a divisor and multiply, and make such a power of 1/2 a square root.
    """
    return value + 0.0 * x


def quotient(x: Array, divisor: Array) -> Array:
    """x / divisor, rounded once."""
    return x / beside(x, divisor)


def number(name: str, value: Any) -> Any:
    """A setting: an array as it is, a finite number as a Python number."""
    if is_traced_or_array(value):
        return value
    check_real(name, value)
    return value.item() if isinstance(value, np.generic) else value


def positive(name: str, value: Any) -> Any:
    """A setting over 0."""
    value = number(name, value)
    if not is_traced_or_array(value) and value <= 0:
        raise wrong(name, value, "a number over 0")
    return value


def flag(name: str, value: Any) -> bool:
    """A static setting."""
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{name}: expected True or False, got {value!r} ({type(value).__name__}).")
    return bool(value)


def _plain(value: Any) -> Any:
    """A leaf as a Python value, for a file."""
    if isinstance(value, (tuple, list)):
        return [_plain(one) for one in value]
    return np.asarray(value).item() if is_traced_or_array(value) else value
