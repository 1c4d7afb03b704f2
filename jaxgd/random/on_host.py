"""The uniform numbers of `keras_draws`, computed by NumPy, so that new parameters need no program.

A program that draws costs a third of a second to compile, for every architecture; the numbers of most
networks take NumPy a few milliseconds. They are equal bit for bit.
"""

import math

import numpy as np

from jaxgd._types import Shape
from jaxgd.random.philox import KEY_STEPS, MULTIPLIERS, ROUNDS, SCRAMBLE_KEY
from jaxgd.random.sources import reduced_seed

_Words = tuple[np.ndarray, ...]


def uniform_on_host(seed: int, shape: Shape, minval: float, maxval: float) -> np.ndarray:
    """float32 numbers in [minval, maxval), those of `uniform(keras_seed(seed), ...)`."""
    size = math.prod(shape)
    words = np.stack(_first_blocks(reduced_seed(seed), -(-size // 4)), axis=-1).reshape(-1)[:size]
    mantissa = (words & np.uint32(2**23 - 1)) | np.uint32(127 << 23)
    unit = mantissa.view(np.float32) - np.float32(1)
    low, high = np.float32(minval), np.float32(maxval)
    return (unit * (high - low) + low).reshape(shape)


def _first_blocks(seed: int, count: int) -> _Words:
    """The first blocks of [seed, 0]; `philox.stateless_blocks` says how they are keyed."""
    pair = tuple(np.array([word], np.uint32) for word in (seed, 0, 0, 0))
    k0, k1, c2, c3 = (int(word[0]) for word in _block(pair, (int(SCRAMBLE_KEY[0]), int(SCRAMBLE_KEY[1]))))
    index = np.arange(count, dtype=np.uint32)
    return _block((index, np.zeros_like(index), *(np.full_like(index, word) for word in (c2, c3))), (k0, k1))


def _block(counter: _Words, key: tuple[int, int]) -> _Words:
    """`philox.philox_block`."""
    c0, c1, c2, c3 = counter
    for number in range(ROUNDS):
        k0, k1 = (
            np.uint32((word + step * number) % 2**32) for word, step in zip(key, KEY_STEPS, strict=True)
        )
        (high_0, low_0), (high_2, low_2) = (
            _multiply(c, by) for c, by in zip((c0, c2), MULTIPLIERS, strict=True)
        )
        c0, c1, c2, c3 = high_2 ^ c1 ^ k0, low_2, high_0 ^ c3 ^ k1, low_0
    return c0, c1, c2, c3


def _multiply(word: np.ndarray, factor: np.uint32) -> tuple[np.ndarray, np.ndarray]:
    product = word.astype(np.uint64) * np.uint64(factor)
    return (product >> np.uint64(32)).astype(np.uint32), product.astype(np.uint32)
