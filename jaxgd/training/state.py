"""What a run carries from step to step."""

from typing import Any

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from jaxgd import optimizers
from jaxgd._statistics import partition, trainable_mask
from jaxgd._types import Array, PyTree


@flax.struct.dataclass
class TrainState:
    """Everything that one training step reads and writes; a pytree.

    Attributes:
      step: int32 scalar, how many steps were taken.
      params: the parameters, statistics included.
      opt_state: what the optimizer remembers, its hyperparameters included.
      key: a JAX key or a `KerasKey`, folded with `step` before it is used; None if nothing is drawn.
    """

    step: Array
    params: PyTree
    opt_state: PyTree
    key: Any = None

    @classmethod
    def create(
        cls, *, params: PyTree, optimizer: Any, key: Any = None, trainable: PyTree | None = None
    ) -> "TrainState":
        """The state before the first step.

        Args:
          params: any pytree of arrays; they and the key are copied, so that the caller keeps them.
          optimizer: a name, an optimizer of `jaxgd.optimizers`, or any optax transformation.
          key: a JAX key or a `KerasKey`.
          trainable: a tree of bool like `params`; None trains all but the statistics.
        """
        check_key(key)
        mask = trainable_mask(params) if trainable is None else trainable
        moving, _ = partition(params, mask)
        chosen = optimizers.get(optimizer)
        opt_state = chosen.init(moving)
        if not isinstance(chosen, optimizers.Optimizer):  # ours has buffers of its own
            opt_state = copy(opt_state)
        step, params, key = copy((np.zeros((), np.int32), params, key))
        return cls(step, params, opt_state, key)


def check_key(key: Any) -> None:
    """Raises TypeError for a seed in the place of a key."""
    if isinstance(key, int):
        raise TypeError(f"key: expected a JAX key or a KerasKey, got {key!r}. Give model.key({key!r}).")


def copy(tree: PyTree) -> PyTree:
    """The same values in buffers of their own, so that donating them leaves the caller's alone."""
    if all(_is_whole_here(leaf) for leaf in jax.tree.leaves(tree)):
        return jax.device_put(tree, may_alias=False)  # all in one call
    return jax.tree.map(lambda leaf: jnp.array(leaf, copy=True), tree)


def _is_whole_here(leaf: Any) -> bool:
    """Whether no other process holds a part of an array; a traced one has no place yet."""
    return isinstance(leaf, Tracer) or getattr(leaf, "is_fully_addressable", True)
