"""The shapes of a network's parameters, traced once a structure however often anyone asks."""

import functools
from typing import Any

import jax


def param_shapes(model: Any) -> Any:
    """{layer: {leaf: jax.ShapeDtypeStruct}}, as `jax.eval_shape(model.init)`; not to be changed.

    >>> import jaxgd
    >>> param_shapes(jaxgd.mlp([3, 2]))["dense"]["kernel"].shape
    (3, 2)
    """
    return _traced(jax.tree.structure(model), bool(jax.config.read("jax_enable_x64")))


@functools.lru_cache(maxsize=256)
def _traced(structure: Any, x64: bool) -> Any:
    """Of any model of this structure: its scalars change no shape. JAX's draws take less long to trace."""
    model = jax.tree.unflatten(structure, [0.0] * structure.num_leaves)
    try:
        return jax.eval_shape(lambda: model.init(jax.random.key(0)))
    except Exception:  # an initializer of a user's that takes Keras's seeds alone
        return jax.eval_shape(model.init)
