"""Initializers against the installed Keras: same name, same arguments, same seed."""

import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest

from jaxgd import initializers
from jaxgd.random import keras_seed

UNIFORM = ["glorot_uniform", "he_uniform", "lecun_uniform", "random_uniform"]
NORMAL = [
    "glorot_normal",
    "he_normal",
    "lecun_normal",
    "random_normal",
    "truncated_normal",
    "variance_scaling",
]
CONSTANT = ["zeros", "ones", "constant", "identity"]
SHAPES = [(5, 10), (300, 64), (7,), (3, 3, 2, 8), ()]
SEEDS = [1, 999999999]


@pytest.fixture(params=["float32", "float64"])
def dtype(request):
    """The name of a type, with x64 on for as long as it is needed."""
    with jax.enable_x64(request.param == "float64"):
        yield request.param


def expect(name, shape, dtype, **options):
    initializer = keras.initializers.get({"class_name": name, "config": options})
    return np.asarray(initializer(shape, dtype))


def ours(name, shape, dtype, seed=None, **options):
    initializer = initializers.get(name, **options)
    values = initializer(None if seed is None else keras_seed(seed), shape, jnp.dtype(dtype))
    assert str(values.dtype) == dtype
    assert values.shape == shape
    return np.asarray(values)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", UNIFORM)
def test_uniform_initializers_are_bit_equal(name, shape, dtype):
    for seed in SEEDS:
        np.testing.assert_array_equal(ours(name, shape, dtype, seed), expect(name, shape, dtype, seed=seed))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", NORMAL)
def test_normal_initializers_are_within_one_unit_in_the_last_place(name, shape, dtype):
    for seed in SEEDS:
        expected = expect(name, shape, dtype, seed=seed)
        # One unit in the last place of the largest number drawn; it is at least 0.01 here.
        largest = max(float(np.max(np.abs(expected))), 0.01)
        tolerance = {"float32": 2.4e-7, "float64": 4.5e-16}[dtype] * largest
        np.testing.assert_allclose(ours(name, shape, dtype, seed), expected, rtol=0, atol=tolerance)


@pytest.mark.parametrize("distribution", ["uniform", "truncated_normal", "untruncated_normal", "normal"])
@pytest.mark.parametrize("mode", ["fan_in", "fan_out", "fan_avg"])
def test_variance_scaling_settings(mode, distribution):
    options = {"scale": 0.3, "mode": mode, "distribution": distribution}
    expected = expect("variance_scaling", (12, 30), "float32", seed=4, **options)
    actual = ours("variance_scaling", (12, 30), "float32", 4, **options)
    np.testing.assert_allclose(actual, expected, rtol=0, atol=4e-7 * np.max(np.abs(expected)))
    axes = {"input_axes": [0, 1], "output_axes": [2]}
    expected = expect("glorot_uniform", (3, 4, 5), "float32", seed=4, **axes)
    np.testing.assert_array_equal(ours("glorot_uniform", (3, 4, 5), "float32", 4, **axes), expected)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("zeros", {}),
        ("ones", {}),
        ("constant", {"value": 0.1}),
        ("constant", {"value": -3}),
        ("identity", {}),
        ("identity", {"gain": 0.3}),
    ],
)
def test_constant_initializers_are_bit_equal(name, options, dtype):
    expected = expect(name, (4, 6), dtype, **options)
    np.testing.assert_array_equal(ours(name, (4, 6), dtype, **options), expected)


@pytest.mark.parametrize("shape", [(5, 10), (64, 128), (128, 64), (3, 4, 5), (20, 20)])
def test_orthogonal_to_the_rounding_of_qr(shape, dtype):
    expected = expect("orthogonal", shape, dtype, seed=3, gain=1.5)
    actual = ours("orthogonal", shape, dtype, 3, gain=1.5)
    np.testing.assert_allclose(actual, expected, rtol=0, atol={"float32": 1e-5, "float64": 2e-14}[dtype])


def test_the_defaults_and_the_settings_are_those_of_keras():
    for name in initializers.names():
        theirs, described = getattr(keras.initializers, name)(), initializers.get(name)
        # Keras forgets Identity's gain when it saves one.
        assert theirs.get_config() == ({} if name == "identity" else described.config())
        assert type(described).__name__ == type(theirs).__name__


def test_every_keras_initializer_but_the_fourier_one_is_here():
    classes = {each for each in dir(keras.initializers) if each[0].isupper()}
    described = {type(initializers.get(name)).__name__ for name in initializers.names()}
    no_weights = {"Initializer", "STFT", "STFTInitializer", "IdentityInitializer", "OrthogonalInitializer"}
    assert classes - no_weights == described


def test_bfloat16_kernels():
    expected = keras.initializers.GlorotUniform(seed=2)((9, 8), "bfloat16")
    actual = initializers.glorot_uniform()(keras_seed(2), (9, 8), jnp.bfloat16)
    np.testing.assert_array_equal(np.asarray(actual, np.float32), keras.ops.cast(expected, "float32"))
