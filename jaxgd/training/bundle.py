"""Several arrays that share their rows, treated as one: the inputs or the targets of a graph."""

from collections.abc import Sequence
from typing import Any

import jax


@jax.tree_util.register_pytree_node_class
class Bundle:
    """One array for each input or output; None for an output that has no target.

    What training does with an array of rows works on a bundle: `len` and `shape[0]` are the rows, a slice is
    a slice of each.

    >>> import numpy as np
    >>> pair = Bundle([np.zeros((5, 2)), np.zeros((5, 3))])
    >>> len(pair), len(pair[:2]), [array.shape for array in pair[:2].arrays]
    (5, 2, [(2, 2), (2, 3)])
    """

    def __init__(self, arrays: Sequence[Any]) -> None:
        self.arrays = tuple(arrays)

    def __len__(self) -> int:
        return self.shape[0]

    @property
    def shape(self) -> tuple[int, ...]:
        """(rows,)."""
        return next(each.shape[:1] for each in self.arrays if each is not None)

    def __getitem__(self, rows: Any) -> "Bundle":
        return Bundle([None if each is None else each[rows] for each in self.arrays])

    def tree_flatten(self) -> tuple[tuple[Any, ...], None]:
        return self.arrays, None

    @classmethod
    def tree_unflatten(cls, aux: None, children: Sequence[Any]) -> "Bundle":
        return cls(children)


def parts(value: Any, count: int) -> tuple[Any, ...]:
    """One entry for each of `count` outputs; what is no bundle, or None, goes to all."""
    return value.arrays if isinstance(value, Bundle) else (value,) * count


def bundled(arrays: Sequence[Any]) -> Any:
    """The array itself if there is only one, else a bundle."""
    return arrays[0] if len(arrays) == 1 else Bundle(arrays)
