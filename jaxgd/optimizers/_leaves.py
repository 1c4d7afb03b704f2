"""A parameter tree as lists of leaves, in one order, with a path and a role for each."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jax.tree_util import keystr, tree_flatten_with_path

from jaxgd._statistics import trainable_flags
from jaxgd._types import Array, PyTree


class Leaves(NamedTuple):
    """The static side of a tree: its structure, the leaves' paths ("layer/leaf") and which are trained."""

    treedef: Any
    paths: tuple[str, ...]
    trainable: tuple[bool, ...]

    @classmethod
    def of(cls, params: PyTree) -> "Leaves":
        entries, treedef = tree_flatten_with_path(params)
        keys = [path for path, _ in entries]
        names = tuple(keystr(path, simple=True, separator="/") for path in keys)
        return cls(treedef, names, tuple(trainable_flags(keys, [leaf for _, leaf in entries])))

    def flatten(self, tree: PyTree) -> list[Any]:
        """The leaves of a tree of this structure; None where it has None instead of a leaf."""
        return self.treedef.flatten_up_to(tree)

    def unflatten(self, leaves: list[Any]) -> PyTree:
        return self.treedef.unflatten(leaves)

    def active(self, grads: list[Any]) -> list[int]:
        """Positions of the leaves that are trained and have a gradient."""
        positions = [i for i, grad in enumerate(grads) if self.trainable[i] and grad is not None]
        if not positions:
            raise ValueError("grads: expected a gradient for at least one trainable parameter, got none.")
        return positions

    def trained(self, leaves: list[Any]) -> list[Any]:
        """`leaves` with None in place of those that are not trained."""
        return [leaf if keep else None for leaf, keep in zip(leaves, self.trainable, strict=True)]

    def dtype(self, values: list[Array]) -> Any:
        """The dtype of the trained leaves, the widest if they differ."""
        trained = [leaf for leaf in self.trained(values) if leaf is not None]
        return jnp.result_type(*trained) if trained else jnp.zeros(()).dtype


def replaced(leaves: list[Any], positions: list[int], values: list[Any]) -> list[Any]:
    """A copy of `leaves` with `values` at `positions`."""
    copy = list(leaves)
    for position, value in zip(positions, values, strict=True):
        copy[position] = value
    return copy


def blank(value: Any) -> Any:
    """A zero like a parameter; on the host where the parameter is on the default device, see `from_host`."""
    if isinstance(value, Tracer) or getattr(value, "committed", False):
        return jnp.zeros_like(value)
    return np.zeros(np.shape(value), jnp.result_type(value))


def from_host(tree: PyTree) -> PyTree:
    """`tree` with its NumPy arrays on the device, all in one call, in buffers of their own."""
    leaves, treedef = jax.tree.flatten(tree)
    places = [place for place, leaf in enumerate(leaves) if isinstance(leaf, np.ndarray | np.generic)]
    moved = jax.device_put(select(places, leaves), may_alias=False)
    return treedef.unflatten(replaced(leaves, places, moved))


def zeros_like(leaves: list[Any]) -> list[Any]:
    """A zero for every array, None for None."""
    return [None if leaf is None else blank(leaf) for leaf in leaves]


def select(positions: list[int], leaves: list[Any]) -> list[Any]:
    return [leaves[position] for position in positions]


def is_schedule_object(value: Any) -> bool:
    """Whether a callable is a pytree (its numbers are then data) and not a bare function."""
    return callable(value) and not jax.tree_util.all_leaves([value])
