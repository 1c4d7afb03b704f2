"""The numbers of `jaxgd.random` against those of the installed Keras, drawn live from the same seeds."""

import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest
import tensorflow as tf

from jaxgd import random

SIZES = [1, 6, 4097]
SEEDS = [0, 12345, 10**9, 2**31 - 3, 2**31 + 5, -7]
ONE_ULP = {"float32": 2.4e-7, "float64": 4.5e-16, "float16": 2e-3, "bfloat16": 1.6e-2}


@pytest.fixture(params=["float32", "float64", "float16", "bfloat16"])
def dtype(request):
    """The name of a type, with x64 on for as long as it is needed."""
    with jax.enable_x64(request.param == "float64"):
        yield request.param


def exact(array):
    return np.asarray(array).astype(np.float64)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("seed", SEEDS)
def test_uniform_is_bit_equal(seed, size, dtype):
    theirs = keras.random.uniform((size,), seed=seed, dtype=dtype)
    ours = random.uniform(random.keras_seed(seed), (size,), dtype=jnp.dtype(dtype))
    assert str(ours.dtype) == dtype
    np.testing.assert_array_equal(exact(ours), exact(tf.cast(theirs, "float64")))


@pytest.mark.parametrize(("low", "high"), [(-0.1185, 0.1185), (0.3, 7.1), (2.0, -1.0)])
def test_uniform_bounds_are_applied_with_keras_roundings(low, high, dtype):
    theirs = keras.random.uniform((3, 500), low, high, seed=3, dtype=dtype)

    @jax.jit
    def draw(seed):
        return random.uniform(seed, (3, 500), low, high, jnp.dtype(dtype))

    np.testing.assert_array_equal(exact(draw(random.keras_seed(3))), exact(tf.cast(theirs, "float64")))


def test_a_generator_that_counts_gives_the_same_stream():
    generator = keras.random.SeedGenerator(99)
    for count in range(4):
        theirs = keras.random.uniform((33,), seed=generator)
        np.testing.assert_array_equal(random.uniform(random.keras_seed(99, count), (33,)), theirs)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", ["normal", "truncated_normal"])
def test_normals_are_within_one_unit_in_the_last_place(name, size, dtype):
    for seed in (0, 5, 987654321):
        theirs = exact(tf.cast(getattr(keras.random, name)((size,), seed=seed, dtype=dtype), "float64"))
        ours = exact(getattr(random, name)(random.keras_seed(seed), (size,), dtype=jnp.dtype(dtype)))
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=ONE_ULP[dtype])


@pytest.mark.parametrize("name", ["normal", "truncated_normal"])
def test_mean_and_stddev_are_applied_as_in_keras(name):
    theirs = getattr(keras.random, name)((5000,), mean=0.7, stddev=0.05, seed=4)
    ours = jax.jit(lambda seed: getattr(random, name)(seed, (5000,), 0.7, 0.05))(random.keras_seed(4))
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=6e-8)
    assert np.mean(np.asarray(ours) == np.asarray(theirs)) > 0.99


@pytest.mark.parametrize("rate", [0.1, 0.25, 0.5, 0.9])
def test_dropout_keeps_the_same_elements(rate, dtype):
    for count in range(3):
        generator = keras.random.SeedGenerator(321)
        generator.state.assign([321, count])
        dropped = keras.random.dropout(tf.ones((33, 7), dtype), rate, seed=generator)
        ours = random.keep_mask(random.keras_seed(321, count), rate, (33, 7), jnp.dtype(dtype))
        np.testing.assert_array_equal(ours, exact(tf.cast(dropped, "float64")) != 0)
