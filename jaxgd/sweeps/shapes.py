"""The shapes of a network's parameters, traced once a structure however often a sweep asks."""

import functools
from typing import Any

import jax


def shapes_of(model: Any) -> Any:
    """{layer: {leaf: jax.ShapeDtypeStruct}}, as `jax.eval_shape(model.init)`; not to be changed.

    >>> import jaxgd
    >>> shapes_of(jaxgd.mlp([3, 2]))["dense"]["kernel"].shape
    (3, 2)
    """
    return _shapes(jax.tree.structure(model), bool(jax.config.read("jax_enable_x64")))


@functools.lru_cache(maxsize=256)
def _shapes(structure: Any, x64: bool) -> Any:
    """Of any model of this structure: its scalars change no shape."""
    return jax.eval_shape(jax.tree.unflatten(structure, [0.0] * structure.num_leaves).init)
