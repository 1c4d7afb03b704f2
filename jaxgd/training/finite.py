"""Whether a state can be gone on from: no NaN and no infinity in it."""

import jax
import jax.numpy as jnp

from jaxgd._types import Array, PyTree
from jaxgd.random.philox import is_divisible

_SMALL = 2**16
"""Numbers in an array that is looked at together with others."""


def all_finite(tree: PyTree) -> Array:
    """Whether every number of a tree is finite.

    What is found of small arrays is laid end to end: two kernels for each of them would be a fifth of what
    XLA compiles for a run. Not where a program is divided over devices, which would have to gather them.
    """
    leaves = [leaf for leaf in jax.tree.leaves(tree) if jnp.issubdtype(jnp.result_type(leaf), jnp.inexact)]
    found = [jnp.isfinite(leaf) for leaf in leaves]
    if not is_divisible():
        found = _end_to_end(found)
    return jnp.stack([each.all() for each in found]).all() if found else jnp.asarray(True)


def _end_to_end(found: list[Array]) -> list[Array]:
    """The same, the small arrays as one."""
    small = [each.ravel() for each in found if each.size <= _SMALL]
    large = [each for each in found if each.size > _SMALL]
    return [*large, jnp.concatenate(small)] if small else large
