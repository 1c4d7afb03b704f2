"""The numbers TensorFlow's stateless functions draw from a pair [seed, count], computed by JAX.

Every element computes the block it lies in and selects its words: four times the arithmetic, but one fused
pass, which on a CPU is faster than laying the words of a block side by side.

A number of the type        | takes the words
float32, float16, bfloat16  | one (its low 23, 10 or 7 bits); a pair of normals two
float64                     | two (the low 20 bits of the first, then the second); a pair of normals four
"""

import functools
import math
from typing import Any, cast

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxgd._types import Array, Shape
from jaxgd.random.philox import Words, is_divisible, stateless_blocks
from jaxgd.random.sources import KerasSeed

_SMALLEST_UNIFORM = 1e-7
_TRUNCATION = 2.0
_RESERVED_WORDS = 256  # the words of the stream that TensorFlow sets aside for one truncated number


def keras_uniform(seed: KerasSeed, shape: Shape, dtype: np.dtype) -> Array:
    """Uniform numbers in [0, 1)."""
    return _uniform(seed.seed, seed.count, shape, dtype, is_divisible())


def host_uniform(seed: KerasSeed, shape: Shape, dtype: np.dtype) -> np.ndarray:
    """`keras_uniform` of float32 or float64 by NumPy, bit for bit."""
    size = math.prod(shape) * (2 if dtype == np.float64 else 1)
    index: Any = np.arange(-(-size // 4), dtype=np.uint32)
    first, second = (cast(Any, np.asarray(each).reshape(1)) for each in (seed.seed, seed.count))
    blocks: Any = stateless_blocks(first, second, index)
    words = np.stack(blocks, axis=1).ravel()[:size]
    if dtype == np.float64:
        mantissa = (words[::2] & np.uint32(0xFFFFF)).astype(np.uint64) << np.uint64(32) | words[1::2]
        unit = (mantissa | np.uint64(1023 << 52)).view(np.float64) - 1.0
    else:
        unit = ((words & np.uint32(0x7FFFFF)) | np.uint32(127 << 23)).view(np.float32) - np.float32(1)
    return unit.reshape(shape)


def keras_normal(seed: KerasSeed, shape: Shape, dtype: np.dtype) -> Array:
    """Standard normal numbers, by Box and Muller's transformation."""
    return _normal(seed.seed, seed.count, shape, dtype, is_divisible())


def keras_truncated_normal(seed: KerasSeed, shape: Shape, dtype: np.dtype) -> Array:
    """Standard normal numbers, drawn again until they lie within two standard deviations."""
    return _truncated_normal(seed.seed, seed.count, shape, dtype, is_divisible())


# The last argument is not read: it keeps the two forms of a block apart where JAX keeps what it traced.
_draw = functools.partial(jax.jit, static_argnums=(2, 3, 4), inline=True)


@_draw
def _uniform(seed: Array, count: Array, shape: Shape, dtype: np.dtype, divisible: bool) -> Array:
    index = lax.iota(jnp.uint32, math.prod(shape))
    if dtype == np.float64:
        words = stateless_blocks(seed, count, index >> np.uint32(1))
        values = _unit_float64(*_half(words, index & np.uint32(1)))
    else:
        words = stateless_blocks(seed, count, index >> np.uint32(2))
        first, second = _half(words, index & np.uint32(2))
        values = _unit_float(jnp.where(index & np.uint32(1) == 0, first, second), dtype)
    return values.reshape(shape)


@_draw
def _normal(seed: Array, count: Array, shape: Shape, dtype: np.dtype, divisible: bool) -> Array:
    index = lax.iota(jnp.uint32, math.prod(shape))
    if dtype == np.float64:
        radius, angle = _polar_float64(stateless_blocks(seed, count, index >> np.uint32(1)))
    else:
        words = stateless_blocks(seed, count, index >> np.uint32(2))
        radius, angle = _polar_float32(*_half(words, index & np.uint32(2)))
    is_first = index & np.uint32(1) == 0
    return (jnp.where(is_first, jnp.sin(angle), jnp.cos(angle)) * radius).astype(dtype).reshape(shape)


@_draw
def _truncated_normal(seed: Array, count: Array, shape: Shape, dtype: np.dtype, divisible: bool) -> Array:
    size = math.prod(shape)
    group = 2 if dtype == np.float64 else 4
    groups = -(-size // group)
    candidates = _candidates(seed, count, groups, group)
    kept = _first_accepted(candidates, group)
    return kept.reshape(groups * group)[:size].astype(dtype).reshape(shape)


def _candidates(seed: Array, count: Array, groups: int, group: int) -> Array:
    """The first normal numbers of each group's own stretch of the stream, [groups, tries].

    A group that accepts too few of them would need more. One number lies within two standard deviations with
    probability 0.954, so that happens once in 1e19 groups.
    """
    blocks = 8 if group == 2 else 5
    starts = lax.iota(jnp.uint32, groups)[:, None] * np.uint32(_RESERVED_WORDS * group // 4)
    words = stateless_blocks(seed, count, starts + lax.iota(jnp.uint32, blocks))
    if group == 2:
        pairs = [_polar_float64(words)]
    else:
        pairs = [_polar_float32(words[0], words[1]), _polar_float32(words[2], words[3])]
    numbers = [wave(angle) * radius for radius, angle in pairs for wave in (jnp.sin, jnp.cos)]
    return jnp.stack(numbers, axis=-1).reshape(groups, blocks * len(numbers))


def _first_accepted(candidates: Array, group: int) -> Array:
    accepted = jnp.abs(candidates) < _TRUNCATION
    rank = jnp.cumsum(accepted, axis=1) - 1
    picks = [jnp.where(accepted & (rank == place), candidates, 0).sum(axis=1) for place in range(group)]
    return jnp.stack(picks, axis=-1)


def _half(words: Words, use_second: Array) -> tuple[Array, Array]:
    """Words 0 and 1 of each block, or words 2 and 3 where `use_second` is not 0."""
    is_first = use_second == 0
    return jnp.where(is_first, words[0], words[2]), jnp.where(is_first, words[1], words[3])


def _unit_float(word: Array, dtype: np.dtype) -> Array:
    """The low bits of a word as the mantissa of a number in [1, 2), less 1."""
    info = jnp.finfo(dtype)
    unsigned = jnp.uint32 if info.bits == 32 else jnp.uint16
    one = int(np.asarray(1, dtype).view(unsigned))
    bits = (word & np.uint32(2**info.nmant - 1)) | np.uint32(one)
    return lax.bitcast_convert_type(bits.astype(unsigned), dtype) - jnp.ones((), dtype)


def _unit_float64(high: Array, low: Array) -> Array:
    mantissa = (high & np.uint32(0xFFFFF)).astype(jnp.uint64) << np.uint64(32) | low.astype(jnp.uint64)
    return lax.bitcast_convert_type(mantissa | np.uint64(1023 << 52), jnp.float64) - 1.0


def _polar_float32(first: Array, second: Array) -> tuple[Array, Array]:
    """Radius and angle; the angle is rounded once, from a product in double precision, as in TensorFlow."""
    uniform = jnp.maximum(_unit_float(first, np.dtype(np.float32)), np.float32(_SMALLEST_UNIFORM))
    turn = _unit_float(second, np.dtype(np.float32))
    with jax.enable_x64(True):
        angle = (turn.astype(jnp.float64) * np.float64(2 * math.pi)).astype(jnp.float32)
    return jnp.sqrt(np.float32(-2) * jnp.log(uniform)), angle


def _polar_float64(words: Words) -> tuple[Array, Array]:
    uniform = jnp.maximum(_unit_float64(words[0], words[1]), _SMALLEST_UNIFORM)
    return jnp.sqrt(-2.0 * jnp.log(uniform)), 2 * math.pi * _unit_float64(words[2], words[3])
