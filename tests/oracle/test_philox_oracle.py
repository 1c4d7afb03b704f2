"""The stream behind TensorFlow's stateless functions, written again in plain Python integers and loops."""

import itertools
import math
import struct

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgd import random

MASK = 2**32 - 1


def block(counter, key):
    c, k = list(counter), list(key)
    for _ in range(10):
        first, second = c[0] * 0xD2511F53, c[2] * 0xCD9E8D57
        c = [second >> 32 ^ c[1] ^ k[0], second & MASK, first >> 32 ^ c[3] ^ k[1], first & MASK]
        k = [k[0] + 0x9E3779B9 & MASK, k[1] + 0xBB67AE85 & MASK]
    return c


def words(seed, count, start=0):
    k0, k1, c2, c3 = block((seed, 0, count, 0), (0x3EC8F720, 0x02461E29))
    for index in itertools.count(start):
        yield from block((index, 0, c2, c3), (k0, k1))


def float32(stream):
    return struct.unpack("<f", struct.pack("<I", next(stream) & 0x7FFFFF | 0x3F800000))[0] - 1


def float64(stream):
    high, low = next(stream) & 0xFFFFF, next(stream)
    return struct.unpack("<d", struct.pack("<Q", (1023 << 52) | high << 32 | low))[0] - 1


def normals(stream, unit):
    while True:
        radius = math.sqrt(-2 * math.log(max(unit(stream), 1e-7)))
        angle = 2 * math.pi * unit(stream)
        yield from (math.sin(angle) * radius, math.cos(angle) * radius)


def truncated(seed, count, size, unit, group):
    result = []
    while len(result) < size:
        stream = words(seed, count, len(result) * 256 // 4)
        within = (z for z in normals(stream, unit) if abs(z) < 2)
        result += itertools.islice(within, group)
    return result[:size]


@pytest.fixture(params=[(jnp.float32, float32, 4), (jnp.float64, float64, 2)], ids=["float32", "float64"])
def law(request):
    """The type, one unit number from a stream of words, how many truncated numbers share a stretch of it."""
    with jax.enable_x64(request.param[0] == jnp.float64):
        yield request.param


CASES = [(0, 0, 1), (1, 2, 50), (906691060, 3, 333)]


@pytest.mark.parametrize(("seed", "count", "size"), CASES)
def test_uniform(seed, count, size, law):
    dtype, unit, _ = law
    stream = words(seed, count)
    expected = [unit(stream) for _ in range(size)]
    actual = random.uniform(random.keras_seed(seed, count), (size,), dtype=dtype)
    np.testing.assert_array_equal(np.asarray(actual, np.float64), expected)


@pytest.mark.parametrize(("seed", "count", "size"), CASES)
def test_normal(seed, count, size, law):
    dtype, unit, _ = law
    expected = list(itertools.islice(normals(words(seed, count), unit), size))
    actual = random.normal(random.keras_seed(seed, count), (size,), dtype=dtype)
    # The oracle works in float64 throughout; in float32 the angle and the radius are rounded on the way.
    np.testing.assert_allclose(actual, expected, rtol=0, atol={jnp.float32: 2e-6, jnp.float64: 2e-15}[dtype])


@pytest.mark.parametrize(("seed", "count", "size"), CASES)
def test_truncated_normal(seed, count, size, law):
    dtype, unit, group = law
    actual = random.truncated_normal(random.keras_seed(seed, count), (size,), dtype=dtype)
    expected = truncated(seed, count, size, unit, group)
    np.testing.assert_allclose(actual, expected, rtol=0, atol={jnp.float32: 2e-6, jnp.float64: 2e-15}[dtype])
