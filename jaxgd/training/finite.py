"""Whether a state can be gone on from: no NaN and no infinity in it."""

from typing import Any

import jax
import jax.numpy as jnp

from jaxgd._types import Array, PyTree
from jaxgd.random.philox import is_divisible

_SMALL = 2**16
"""Numbers in an array that is copied to be looked at together with others."""


def all_finite(tree: PyTree) -> Array:
    """Whether every number of a tree is finite.

    Small arrays are laid end to end first: two kernels for each of them would be a fifth of what XLA compiles
    for a run. Not where a program is divided over devices, which would have to gather them.
    """
    leaves = [leaf for leaf in jax.tree.leaves(tree) if jnp.issubdtype(jnp.result_type(leaf), jnp.inexact)]
    if not is_divisible():
        leaves = _end_to_end(leaves)
    return jnp.stack([jnp.isfinite(leaf).all() for leaf in leaves]).all() if leaves else jnp.asarray(True)


def _end_to_end(leaves: list[Array]) -> list[Array]:
    """The same numbers, the small arrays of each dtype as one."""
    alone = [leaf for leaf in leaves if jnp.size(leaf) > _SMALL]
    small: dict[Any, list[Array]] = {}
    for leaf in leaves:
        if jnp.size(leaf) <= _SMALL:
            small.setdefault(jnp.result_type(leaf), []).append(jnp.ravel(leaf))
    return alone + [jnp.concatenate(of_dtype) for of_dtype in small.values()]
