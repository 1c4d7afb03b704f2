"""Philox4x32-10, the counter-based generator behind every random number that TensorFlow draws.

A block of four 32-bit words is a pure function of a counter (four words) and a key (two words). Nothing here
knows what the words are used for; `keras_draws` turns them into numbers.

Reference: Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxgd._types import Array

Words: TypeAlias = tuple[Array, Array, Array, Array]
"""The four uint32 arrays of a block (or of a counter), all of one shape."""

_DIVISIBLE = ContextVar("divisible", default=False)
_ROUNDS = 10
_MULTIPLIERS = (np.uint32(0xD2511F53), np.uint32(0xCD9E8D57))
_KEY_STEPS = (0x9E3779B9, 0xBB67AE85)
_SCRAMBLE_KEY = (np.uint32(0x3EC8F720), np.uint32(0x02461E29))


def philox_block(counter: Words, key: tuple[Array, Array]) -> Words:
    """The block of a counter under a key: ten rounds of multiply, swap and xor.

    Args:
      counter: four uint32 arrays of one shape, the least significant first; of NumPy, and NumPy computes.
      key: two uint32 scalars, or arrays of one number.

    Returns:
      Four uint32 arrays of the counter's shape.

    >>> zero = jnp.uint32(0)
    >>> [hex(int(word)) for word in philox_block((zero,) * 4, (zero,) * 2)]
    ['0x6627e8d5', '0xe169c58d', '0xbc57ac4c', '0x9b00dbd8']
    """
    is_on_host = isinstance(counter[0], np.ndarray)
    c0, c1, c2, c3 = counter if is_on_host else (jnp.asarray(word, jnp.uint32) for word in counter)
    for number in range(_ROUNDS):
        k0, k1 = (_round_key(word, step, number) for word, step in zip(key, _KEY_STEPS, strict=True))
        high_0, low_0 = _multiply(c0, _MULTIPLIERS[0])
        high_2, low_2 = _multiply(c2, _MULTIPLIERS[1])
        c0, c1, c2, c3 = high_2 ^ c1 ^ k0, low_2, high_0 ^ c3 ^ k1, low_0
    return c0, c1, c2, c3


def _round_key(word: Array, step: int, number: int) -> Array:
    return word + np.uint32(step * number % 2**32)


def _multiply(word: Array, factor: np.uint32) -> tuple[Array, Array]:
    """The high and the low half of a 32 by 32 bit product."""
    if isinstance(word, np.ndarray):
        wide = word.astype(np.uint64) * np.uint64(factor)
        return (wide >> np.uint64(32)).astype(np.uint32), wide.astype(np.uint32)
    if not _DIVISIBLE.get():
        return lax.mulhi(word, lax.full_like(word, factor)), word * factor
    with jax.enable_x64(True):
        product = lax.convert_element_type(word, jnp.uint64) * np.uint64(factor)
        return lax.convert_element_type(product >> np.uint64(32), jnp.uint32), word * factor


@contextmanager
def divisible() -> Iterator[None]:
    """Inside the block, programs are of what XLA's partitioner can divide: it knows no high half of products.

    The words are the same; on a CPU they cost a tenth more.
    """
    token = _DIVISIBLE.set(True)
    try:
        yield
    finally:
        _DIVISIBLE.reset(token)


def is_divisible() -> bool:
    """Whether `divisible` holds; what is traced and kept depends on it."""
    return _DIVISIBLE.get()


def stateless_blocks(seed: Array, count: Array, index: Array) -> Words:
    """Blocks number `index` of the stream that TensorFlow's stateless functions draw from [seed, count].

    The pair of seeds is scrambled by one block of a fixed key into the key and the upper half of the counter.

    Args:
      seed, count: scalars in [0, 2**31); Keras brings every seed into that range.
      index: uint32 array, the numbers of the blocks; of NumPy, and NumPy computes, with [1] as scalars.

    Returns:
      Four uint32 arrays of the shape of `index`.

    Keras: what `tf.random.stateless_uniform_full_int(..., seed=[seed, count])` returns, word for word.
    """
    xp: Any = np if isinstance(index, np.ndarray) else jnp
    first, second = (xp.asarray(word).astype(np.uint32) for word in (seed, count))
    zero = xp.zeros_like(first)
    scramble_key = (xp.asarray(_SCRAMBLE_KEY[0]), xp.asarray(_SCRAMBLE_KEY[1]))
    k0, k1, c2, c3 = philox_block((first, zero, second, zero), scramble_key)
    zeros = xp.zeros_like(index)
    return philox_block((index, zeros, zeros + c2, zeros + c3), (k0, k1))
