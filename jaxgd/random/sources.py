"""Where random numbers come from: a JAX key, or the seeds that Keras would have.

Keras gives every layer that draws its own pair [seed, count] and adds one to the count at each draw. A
`KerasKey` holds the seeds of all layers of a model and the one count; a `KerasSeed` is one layer's pair. Both
are pytrees, so seeds and counts may be traced, carried by a scan and mapped over.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp

from jaxgd._checks import check_integer
from jaxgd._types import Array

_SEED_MODULUS = 2**31 - 2


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class KerasSeed:
    """One stateless pair [seed, count], both scalars in [0, 2**31 - 2)."""

    seed: Array
    count: Array


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class KerasKey:
    """The seeds of a model's layers, and how often each layer has drawn.

    Args:
      seeds: int32[layers]; 0 where a layer draws nothing.
      count: int32 scalar, the number of draws that each layer's generator has made.

    >>> key = keras_key([7, 9]).at(3)
    >>> int(key.source(1).seed), int(key.source(1).count)
    (9, 3)
    """

    seeds: Array
    count: Array

    def at(self, step: Array | int) -> "KerasKey":
        """The same seeds, with every generator having drawn `step` times."""
        return replace(self, count=jnp.asarray(step, jnp.int32))

    def source(self, layer: Array | int) -> KerasSeed:
        """The pair of layer number `layer`."""
        return KerasSeed(self.seeds[layer], self.count)


Key: TypeAlias = jax.Array | KerasKey
"""What a model or a run takes."""
Source: TypeAlias = jax.Array | KerasSeed
"""What one draw takes."""


def keras_seed(seed: int, count: int = 0) -> KerasSeed:
    """The pair that Keras makes of an int seed, `[seed modulo 2**31 - 2, count]`.

    Raises:
      TypeError: the seed or the count is not an integer.
      ValueError: the count is negative.

    Keras: `keras.random.uniform(..., seed=seed)`, and the generator of a layer after `count` calls.
    """
    check_integer("count", count, 0)
    return KerasSeed(jnp.int32(_reduce(seed)), jnp.int32(_reduce(count)))


def keras_key(seeds: Sequence[int], count: int = 0) -> KerasKey:
    """The key of a model whose layers have these seeds. Raises TypeError or ValueError as `keras_seed`."""
    check_integer("count", count, 0)
    return KerasKey(jnp.asarray([_reduce(seed) for seed in seeds], jnp.int32), jnp.int32(_reduce(count)))


def _reduce(seed: int) -> int:
    if isinstance(seed, bool) or not isinstance(seed, int):
        raise TypeError(f"seed: expected an int, got {seed!r} ({type(seed).__name__}).")
    return seed % _SEED_MODULUS


def keras_layer_seeds(seed: int, count: int) -> list[int]:
    """The first `count` seeds that Keras hands out after `keras.utils.set_random_seed(seed)`.

    Raises:
      TypeError, ValueError: `seed` is not an int, or `count` not an int of at least 0.

    Keras: one draw for each random initializer and each seed generator that has no seed of its own, in the
    order of construction. The table is in `jaxgd.random`.

    >>> keras_layer_seeds(0, 2)
    [906691060, 413654000]
    """
    if isinstance(seed, bool) or not isinstance(seed, int):
        raise TypeError(f"seed: expected an int, got {seed!r} ({type(seed).__name__}).")
    generator = random.Random(seed)
    return [generator.randint(1, 10**9) for _ in range(check_integer("count", count, 0))]


def fold_source(key: Key, layer: Array | int) -> Source:
    """The source of layer number `layer`: `key.source(layer)`, or JAX's `fold_in`.

    Raises:
      TypeError: `key` is neither a `KerasKey` nor a JAX key (typed, or raw uint32[2]).
    """
    if isinstance(key, KerasKey):
        return key.source(layer)
    return jax.random.fold_in(check_jax_key("key", key), layer)


def fold_key(key: Key, layer: int, first: int, count: int) -> Key:
    """The key of a model that is layer number `layer`: JAX's `fold_in`, or `count` seeds from the `first` on.

    Raises: as `fold_source`.
    """
    if isinstance(key, KerasKey):
        return replace(key, seeds=key.seeds[first : first + count])
    return jax.random.fold_in(check_jax_key("key", key), layer)


def nth_call(source: Any, call: int, calls: int) -> Any:
    """The source of a layer's call number `call`, of `calls` in each step: a Keras generator draws in each.

    Args:
      source: a `Source`, or the `Key` of a nested model.
    """
    if isinstance(source, KerasKey | KerasSeed):
        return replace(source, count=source.count * calls + call)
    return jax.random.fold_in(check_jax_key("key", source), call)


def at_step(key: Key, step: Array | int) -> Key:
    """The key of training step `step`: `key.at(step)`, or JAX's `fold_in`. Raises as `fold_source`."""
    if isinstance(key, KerasKey):
        return key.at(step)
    return jax.random.fold_in(check_jax_key("key", key), step)


def check_jax_key(name: str, key: Any) -> jax.Array:
    """`key` if it is a JAX key, typed or raw. Raises TypeError."""
    dtype = getattr(key, "dtype", None)
    typed = dtype is not None and jnp.issubdtype(dtype, jax.dtypes.prng_key)
    if typed or (dtype == jnp.uint32 and key.ndim == 1):
        return key
    raise TypeError(f"{name}: expected a JAX key or Keras seeds (jaxgd.random), got {key!r}.")
