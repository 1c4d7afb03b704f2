"""Drawing by NumPy in place of a compiled program: most of what a small run's parameters cost is compiling.

Only what comes out with the same bits: uniform numbers and constants. Sines and logarithms would not.
"""

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
"""Numbers of one array; a program draws more of them faster, its compilation included."""
_ON_HOST = ContextVar("on_host", default=False)


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
    token = _ON_HOST.set(True)
    try:
        yield
    finally:
        _ON_HOST.reset(token)


def is_on_host() -> bool:
    """Whether `drawn_on_host` asks."""
    return _ON_HOST.get()


def filled(shape: Shape, value: Any, dtype: Any) -> Any:
    """`jnp.full`, or `np.full` on the host."""
    if not is_on_host():
        return jnp.full(shape, value, dtype)
    if isinstance(value, jax.Array):
        raise NeedsProgramError
    return np.full(shape, value, dtype)
