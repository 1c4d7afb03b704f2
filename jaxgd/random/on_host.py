"""Drawing by NumPy in place of a compiled program: most of what a small run's parameters cost is compiling.

Only what comes out with the same bits: uniform numbers and constants. Sines and logarithms would not.
"""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np

from jaxgd._types import PyTree, Shape

T = TypeVar("T", bound=PyTree)

LARGEST = 2**20
"""Numbers of all arrays: a program draws more of them faster, its compilation included, and who asks for
shapes alone, perhaps of a network that a stranger's file declares, is not given large arrays."""
_LEFT: ContextVar[int | None] = ContextVar("left", default=None)


class NeedsProgramError(Exception):
    """What was asked for has other bits, or takes longer, without a program."""


def drawn_on_host(draw: Callable[[], T]) -> T | None:
    """What `draw()` gives, on the device in one call; None if any of it needs a program."""
    try:
        with _on_host():
            drawn = draw()
    except NeedsProgramError:
        return None
    if not all(isinstance(leaf, np.ndarray) for leaf in jax.tree.leaves(drawn)):
        return None
    return jax.device_put(drawn, may_alias=False)


@contextmanager
def _on_host() -> Iterator[None]:
    token = _LEFT.set(LARGEST)
    try:
        yield
    finally:
        _LEFT.reset(token)


def is_on_host() -> bool:
    """Whether `drawn_on_host` asks."""
    return _LEFT.get() is not None


def take_place(shape: Shape) -> None:
    """Count an array that is made on the host. Raises NeedsProgramError if there are too many numbers."""
    left = (_LEFT.get() or 0) - math.prod(shape)
    if left < 0:
        raise NeedsProgramError
    _LEFT.set(left)


def filled(shape: Shape, value: Any, dtype: Any) -> Any:
    """`jnp.full`, or `np.full` on the host."""
    if not is_on_host():
        return jnp.full(shape, value, dtype)
    if isinstance(value, jax.Array):
        raise NeedsProgramError
    take_place(shape)
    return np.full(shape, value, dtype)
