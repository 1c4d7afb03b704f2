"""Which leaves of a parameter tree are statistics: kept beside the weights, never trained.

A mapping that holds `moving_mean` and `moving_variance` (BatchNormalization) keeps those two leaves as
statistics; one whose keys are exactly `mean`, `variance` and `count` (Normalization) keeps all three. Integer
leaves have no gradient and are not trained either.
"""

from collections import defaultdict
from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jax.tree_util import DictKey, KeyPath

from jaxgd._types import PyTree

_MOVING = frozenset({"moving_mean", "moving_variance"})
_NORMALIZATION = frozenset({"mean", "variance", "count"})


def trainable_flags(paths: Sequence[KeyPath], leaves: Sequence[jax.typing.ArrayLike]) -> list[bool]:
    """For every leaf of a flattened tree, whether an optimizer may change it."""
    siblings: dict[KeyPath, set] = defaultdict(set)
    for path in paths:
        for depth, entry in enumerate(path):
            siblings[path[:depth]].add(_key(entry))
    return [
        not (path and _is_statistic(_key(path[-1]), siblings[path[:-1]]))
        and jnp.issubdtype(jnp.result_type(leaf), jnp.inexact)
        for path, leaf in zip(paths, leaves, strict=True)
    ]


def trainable_mask(params: PyTree) -> PyTree:
    """A tree of bools like `params`: False for statistics and for integer leaves.

    >>> trainable_mask({"norm": {"gamma": 1.0, "moving_mean": 0.0, "moving_variance": 1.0}})
    {'norm': {'gamma': True, 'moving_mean': False, 'moving_variance': False}}
    """
    entries, treedef = jax.tree_util.tree_flatten_with_path(params)
    return treedef.unflatten(trainable_flags([path for path, _ in entries], [leaf for _, leaf in entries]))


def partition(params: PyTree, mask: PyTree) -> tuple[PyTree, PyTree]:
    """Two trees like `params`: the leaves where `mask` is True, and the rest, each with None for the other.

    >>> partition({"a": 1.0, "b": 2.0}, {"a": True, "b": False})
    ({'a': 1.0, 'b': None}, {'a': None, 'b': 2.0})
    """
    chosen = jax.tree.map(lambda leaf, keep: leaf if keep else None, params, mask)
    rest = jax.tree.map(lambda leaf, keep: None if keep else leaf, params, mask)
    return chosen, rest


def merge(first: PyTree, second: PyTree) -> PyTree:
    """The inverse of `partition`: leaves of `first`, and those of `second` where `first` has None.

    >>> merge({"a": 1.0, "b": None}, {"a": None, "b": 2.0})
    {'a': 1.0, 'b': 2.0}
    """
    return jax.tree.map(
        lambda one, other: other if one is None else one, first, second, is_leaf=lambda node: node is None
    )


def _key(entry: object) -> object:
    return getattr(entry, "key", None) if isinstance(entry, DictKey) else None


def _is_statistic(name: object, siblings: set) -> bool:
    if name in _MOVING:
        return siblings >= _MOVING
    return name in _NORMALIZATION and siblings == _NORMALIZATION
