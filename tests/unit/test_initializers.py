"""Initializers as descriptions: names, equality, sources, refusals."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgd import initializers
from jaxgd.random import keras_seed

RANDOM = [name for name in initializers.names() if initializers.is_random(initializers.get(name))]


def test_constant_values():
    np.testing.assert_array_equal(initializers.zeros()(None, (2, 3)), np.zeros((2, 3)))
    np.testing.assert_array_equal(initializers.ones()(None, (2,)), np.ones(2))
    np.testing.assert_array_equal(initializers.constant(2.5)(None, (2,)), [2.5, 2.5])
    np.testing.assert_array_equal(initializers.identity(3.0)(None, (2, 3)), [[3, 0, 0], [0, 3, 0]])


@pytest.mark.parametrize(
    ("name", "shape", "stddev"),
    [
        ("glorot_uniform", (100, 300), np.sqrt(2 / 400)),
        ("glorot_normal", (100, 300), np.sqrt(2 / 400)),
        ("he_uniform", (100, 300), np.sqrt(2 / 100)),
        ("he_normal", (100, 300), np.sqrt(2 / 100)),
        ("lecun_uniform", (100, 300), np.sqrt(1 / 100)),
        ("lecun_normal", (100, 300), np.sqrt(1 / 100)),
        ("variance_scaling", (100, 300), np.sqrt(1 / 100)),
        ("random_normal", (100, 300), 0.05),
        ("random_uniform", (100, 300), 0.05 / np.sqrt(3)),
        ("truncated_normal", (100, 300), 0.05 * 0.87962566),
    ],
)
@pytest.mark.parametrize("source", [jax.random.key(1), keras_seed(1)])
def test_standard_deviations(name, shape, stddev, source):
    values = initializers.get(name)(source, shape)
    assert float(values.std()) == pytest.approx(stddev, rel=5 / np.sqrt(2 * 30_000))
    assert abs(float(values.mean())) < 5 * stddev / np.sqrt(30_000)


@pytest.mark.parametrize("shape", [(4, 9), (9, 4), (2, 3, 5)])
def test_orthogonal_vectors_are_orthonormal(shape):
    matrix = initializers.orthogonal(gain=2.0)(keras_seed(3), shape).reshape(-1, shape[-1])
    gram = matrix.T @ matrix if matrix.shape[0] >= matrix.shape[1] else matrix @ matrix.T
    np.testing.assert_allclose(gram, 4 * np.eye(min(matrix.shape)), atol=1e-5)


@pytest.mark.parametrize("name", RANDOM)
def test_a_seed_of_its_own_beats_the_source(name):
    seeded, free = initializers.get(name, seed=5), initializers.get(name)
    assert not initializers.is_random(seeded)
    expected = free(keras_seed(5), (4, 6))
    for source in (None, keras_seed(9), jax.random.key(0)):
        np.testing.assert_array_equal(seeded(source, (4, 6)), expected)
    assert not np.array_equal(free(keras_seed(6), (4, 6)), expected)


@pytest.mark.parametrize("name", RANDOM)
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
def test_type_and_jit(name, dtype):
    init = initializers.get(name)
    values = init(keras_seed(2), (6, 4), jnp.dtype(dtype))
    assert values.dtype == dtype
    inside = jax.jit(lambda seed: init(seed, (6, 4), jnp.dtype(dtype)))(keras_seed(2))
    # A scale that is folded into the draw may round once more or less; orthogonal goes through QR.
    np.testing.assert_allclose(
        np.asarray(inside, np.float32),
        np.asarray(values, np.float32),
        rtol=float(jnp.finfo(dtype).eps),
        atol=1e-6,
    )


@pytest.mark.parametrize("name", initializers.names())
def test_names_in_every_form(name):
    init = initializers.get(name)
    for form in (name.upper(), name.replace("_", ""), type(init).__name__, type(init), init):
        assert initializers.get(form) == init
    assert hash(initializers.get(name)) == hash(init)
    assert initializers.get(type(init).__name__, **init.config()) == init
    with pytest.raises(dataclasses.FrozenInstanceError):
        init.anything = 1


def test_descriptions_differ_by_class_and_settings():
    assert len({initializers.get(name) for name in initializers.names()}) == len(initializers.names())
    assert initializers.get("he_normal", seed=1) != initializers.get("he_normal", seed=2)
    assert initializers.get("normal") == initializers.random_normal()


def test_lists_of_axes_become_tuples():
    init = initializers.glorot_uniform(input_axes=[0, 1], output_axes=[2])
    assert hash(init) == hash(initializers.glorot_uniform(input_axes=(0, 1), output_axes=(2,)))


def test_any_callable_is_an_initializer():
    def twos(source, shape, dtype):
        return jnp.full(shape, 2, dtype)

    assert initializers.get(twos) is twos
    assert initializers.is_random(twos)
    twos.is_random = False
    assert not initializers.is_random(twos)


def test_refusals():
    with pytest.raises(ValueError, match=r"unknown initializer 'glorot_unifrom'.*'glorot_uniform'"):
        initializers.get("glorot_unifrom")
    for identifier in (3, None, [1]):
        with pytest.raises(TypeError, match="initializer"):
            initializers.get(identifier)
    with pytest.raises(TypeError, match="options"):
        initializers.get(initializers.zeros(), seed=1)
    with pytest.raises(TypeError, match="seed"):
        initializers.glorot_uniform(seed=1.5)
    with pytest.raises(ValueError, match="scale"):
        initializers.variance_scaling(scale=0.0)
    with pytest.raises(ValueError, match="fan_avg"):
        initializers.variance_scaling(mode="fan")
    with pytest.raises(ValueError, match="uniform"):
        initializers.variance_scaling(distribution="unifrom")
    with pytest.raises(ValueError, match="rank 2"):
        initializers.identity()(None, (3,))
    with pytest.raises(ValueError, match="rank 2"):
        initializers.orthogonal()(keras_seed(1), (3,))
