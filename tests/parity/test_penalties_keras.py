"""Regularizers and constraints against the installed Keras: values and TensorFlow's gradients."""

import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest
import tensorflow as tf

from jaxgd import constraints, regularizers

REGULARIZERS = [
    ("l1", {}),
    ("l1", {"l1": 0.3}),
    ("l2", {}),
    ("l2", {"l2": 0.7}),
    ("l1_l2", {}),
    ("l1_l2", {"l1": 0.1, "l2": 0.2}),
    ("l1_l2", {"l2": 0.2}),
]
CONSTRAINTS = [
    ("max_norm", {}),
    ("max_norm", {"max_value": 0.3}),
    ("max_norm", {"max_value": 1.7, "axis": 1}),
    ("unit_norm", {}),
    ("unit_norm", {"axis": (0, 1)}),
    ("non_neg", {}),
    ("min_max_norm", {}),
    ("min_max_norm", {"min_value": 1.1, "max_value": 1.3, "rate": 0.7, "axis": 1}),
]


@pytest.fixture(params=["float32", "float64"])
def weights(request):
    """A matrix with zeros, a zero column and a zero row, in both types."""
    with jax.enable_x64(request.param == "float64"):
        values = np.random.default_rng(8).normal(size=(6, 5))
        values[2, 3] = values[:, 1] = values[4] = 0.0
        yield values.astype(request.param)


def tolerance(weights):
    """Sums of 30 numbers in another order: a few units in the last place."""
    return 8 * np.finfo(weights.dtype).eps


@pytest.mark.parametrize(("name", "options"), REGULARIZERS)
def test_regularizer_value_and_gradient(name, options, weights):
    variable = tf.Variable(weights)
    with tf.GradientTape() as tape:
        expected = getattr(keras.regularizers, name)(**options)(variable)
    slopes = tape.gradient(expected, variable)
    value, gradient = jax.value_and_grad(regularizers.get(name, **options))(jnp.asarray(weights))
    assert value.dtype == weights.dtype
    np.testing.assert_allclose(value, expected, rtol=tolerance(weights), atol=0)
    slopes = np.zeros_like(weights) if slopes is None else slopes.numpy()
    np.testing.assert_allclose(gradient, slopes, rtol=tolerance(weights), atol=0)


@pytest.mark.parametrize("mode", ["rows", "columns"])
def test_orthogonal_regularizer(mode):
    weights = np.random.default_rng(9).normal(size=(6, 5)).astype(np.float32)
    weights[4] = weights[:, 1] = 0.0
    variable = tf.Variable(weights)
    with tf.GradientTape() as tape:
        expected = keras.regularizers.OrthogonalRegularizer(0.3, mode)(variable)
    slopes = tape.gradient(expected, variable)
    value, gradient = jax.value_and_grad(regularizers.orthogonal_regularizer(0.3, mode))(jnp.asarray(weights))
    np.testing.assert_allclose(value, expected, rtol=2e-6)
    np.testing.assert_allclose(gradient, slopes, rtol=0, atol=2e-6 * np.max(np.abs(slopes)))


@pytest.mark.parametrize(("name", "options"), CONSTRAINTS)
def test_constraint(name, options, weights):
    expected = getattr(keras.constraints, name)(**options)(tf.constant(weights))
    actual = jax.jit(constraints.get(name, **options))(jnp.asarray(weights))
    assert actual.dtype == weights.dtype
    np.testing.assert_allclose(actual, expected, rtol=tolerance(weights), atol=0)


@pytest.mark.parametrize("module", ["regularizers", "constraints"])
def test_the_defaults_and_the_settings_are_those_of_keras(module):
    mine, reference = (
        {"regularizers": regularizers, "constraints": constraints}[module],
        getattr(keras, module),
    )
    for name in mine.names():
        theirs, described = getattr(reference, name)(), mine.get(name)
        assert described.config() == pytest.approx(theirs.get_config())
        assert type(described).__name__ == type(theirs).__name__
    known = {type(mine.get(name)).__name__ for name in mine.names()}
    assert {each for each in dir(reference) if each[0].isupper()} - {"Regularizer", "Constraint"} == known
