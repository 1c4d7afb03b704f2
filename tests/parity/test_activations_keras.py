"""Activations against the installed Keras: values and gradients, float64 and float32, kinks and extremes."""

import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest
import tensorflow as tf

from jaxgd import activations

INFINITY = float("inf")
NAN = float("nan")
KINKS = [0.0, -0.0, 0.5, -0.5, 1.0, -1.0, 2.0, -2.0, 3.0, -3.0, 6.0, -6.0, 0.25, -0.25]
GRID = np.concatenate([np.linspace(-8.0, 8.0, 801), np.array(KINKS), [-50.0, 50.0, -800.0, 800.0, -1e4, 1e4]])
SAFE_GRID = GRID[np.abs(GRID) < 500]

ELEMENTWISE = [
    ("celu", {}),
    ("celu", {"alpha": 1.7}),
    ("elu", {}),
    ("elu", {"alpha": 1.7}),
    ("exponential", {}),
    ("gelu", {}),
    ("gelu", {"approximate": True}),
    ("hard_shrink", {}),
    ("hard_shrink", {"threshold": 0.25}),
    ("hard_sigmoid", {}),
    ("hard_silu", {}),
    ("hard_tanh", {}),
    ("leaky_relu", {}),
    ("leaky_relu", {"negative_slope": 0.3}),
    ("linear", {}),
    ("log_sigmoid", {}),
    ("mish", {}),
    ("relu", {}),
    ("relu", {"negative_slope": 0.1}),
    ("relu", {"max_value": 6.0}),
    ("relu", {"max_value": 2.0}),
    ("relu", {"max_value": 0.0}),
    ("relu", {"max_value": 1.1}),
    ("relu", {"threshold": 1.0}),
    ("relu", {"threshold": -1.0}),
    ("relu", {"threshold": 0.1}),
    ("relu", {"max_value": 6.0, "threshold": 1.0}),
    ("relu", {"max_value": 2.0, "threshold": 1.5}),
    ("relu", {"max_value": 2.0, "threshold": -2.0}),
    ("relu", {"negative_slope": 0.1, "max_value": 2.0}),
    ("relu", {"negative_slope": 0.1, "max_value": 6.0}),
    ("relu", {"negative_slope": 0.1, "threshold": 0.3}),
    ("relu", {"negative_slope": 0.1, "max_value": 2.0, "threshold": 1.0}),
    ("relu6", {}),
    ("selu", {}),
    ("sigmoid", {}),
    ("silu", {}),
    ("soft_shrink", {}),
    ("soft_shrink", {"threshold": 0.25}),
    ("softplus", {}),
    ("softsign", {}),
    ("sparse_plus", {}),
    ("sparse_sigmoid", {}),
    ("squareplus", {}),
    ("squareplus", {"b": 0.3}),
    ("tanh", {}),
    ("tanh_shrink", {}),
    ("threshold", {"threshold": 1.0, "default_value": -0.3}),
]
MIXING = [
    ("glu", {}),
    ("glu", {"axis": 1}),
    ("log_softmax", {}),
    ("log_softmax", {"axis": None}),
    ("log_softmax", {"axis": (1, 2)}),
    ("softmax", {}),
    ("softmax", {"axis": 0}),
    ("softmax", {"axis": None}),
    ("softmax", {"axis": (0, 2)}),
    ("sparsemax", {"form": "keras"}),
    ("sparsemax", {"form": "keras", "axis": 1}),
]
# {(name, input): why it differs}, gradients only: TensorFlow's is NaN where the slope has a limit.
NOT_COPIED = {
    ("hard_silu", INFINITY),
    ("hard_silu", -INFINITY),
    ("sparse_plus", INFINITY),
    ("sparse_plus", -INFINITY),
}
# 1 - tanh^2 cancels and is multiplied by up to 45: so often counts an ulp of tanh. In float32 both are as far
# from the float64 values, 4e-6 TensorFlow and 3.5e-6 this package.
CANCELS = {"mish", "gelu-approximate=True"}


def label(case):
    name, options = case
    return name + "".join(f"-{key}={value}" for key, value in options.items())


@pytest.fixture
def float64():
    """Keras and JAX in float64, both restored."""
    keras.config.set_floatx("float64")
    with jax.enable_x64(True):
        yield
    keras.config.set_floatx("float32")


def of_keras(name, options, x, upstream):
    """Keras's value and gradient."""
    options = {key: value for key, value in options.items() if key != "form"}
    x = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = getattr(keras.activations, name)(x, **options)
    return y.numpy(), tape.gradient(y, x, output_gradients=tf.constant(upstream)).numpy()


def of_jaxgd(name, options, x, upstream):
    """Our value, our gradient by autodiff, and our gradient by the declared formula."""
    activation = activations.get(name, **options)
    y, pullback = jax.vjp(activation, jnp.asarray(x))
    return y, pullback(jnp.asarray(upstream))[0], activation.backward(jnp.asarray(x), jnp.asarray(upstream))


def assert_close(got, expected, tolerance):
    """max |got - expected| / max(1, |expected|); NaN and infinity must be in the same places."""
    got, expected = np.asarray(got, np.float64), np.asarray(expected, np.float64)
    np.testing.assert_array_equal(np.isnan(got), np.isnan(expected))
    got, expected = np.nan_to_num(got, posinf=1e300), np.nan_to_num(expected, posinf=1e300)
    error = np.abs(got - expected) / np.maximum(1.0, np.abs(expected))
    assert error.max() <= tolerance, (error.max(), error.argmax())


def test_every_name_of_keras_is_registered_and_compared():
    ours = set(activations.names(aliases=True))
    assert ours == set(keras.src.activations.ALL_OBJECTS_DICT)
    assert {name for name, _ in ELEMENTWISE + MIXING} == set(activations.names())


@pytest.mark.parametrize("case", ELEMENTWISE, ids=label)
def test_elementwise_float64(case, float64):
    name, options = case
    grid = SAFE_GRID if name == "exponential" else GRID
    upstream = np.ones_like(grid)
    y, gradient = of_keras(name, options, grid, upstream)
    got, by_autodiff, by_formula = of_jaxgd(name, options, grid, upstream)
    assert y.dtype == got.dtype == np.float64
    assert np.ptp(gradient) > 0 or name == "linear" or options == {"max_value": 0.0}
    tolerance = 1e-13 if label(case) in CANCELS else 4e-15
    assert_close(got, y, 4e-15)
    assert_close(by_autodiff, gradient, tolerance)
    assert_close(by_formula, gradient, tolerance)


@pytest.mark.parametrize("case", ELEMENTWISE, ids=label)
def test_elementwise_float32(case):
    name, options = case
    grid = np.linspace(-8.0, 8.0, 4001).astype(np.float32)
    upstream = np.ones_like(grid)
    y, gradient = of_keras(name, options, grid, upstream)
    got, by_autodiff, by_formula = of_jaxgd(name, options, grid, upstream)
    tolerance = 1e-5 if label(case) in CANCELS else 1e-6
    assert_close(got, y, 1e-6)
    assert_close(by_autodiff, gradient, tolerance)
    assert_close(by_formula, gradient, tolerance)


@pytest.mark.parametrize("case", ELEMENTWISE, ids=label)
def test_extremes(case, float64):
    name, options = case
    x = np.array([INFINITY, -INFINITY, NAN])
    y, gradient = of_keras(name, options, x, np.ones(3))
    got, by_autodiff, _ = of_jaxgd(name, options, x, np.ones(3))
    np.testing.assert_array_equal(got, y)
    copied = np.array([(name, value) not in NOT_COPIED for value in x])
    np.testing.assert_array_equal(by_autodiff[copied], gradient[copied])
    assert np.isnan(gradient[~copied]).all()
    assert np.isfinite(by_autodiff[~copied]).all()


@pytest.mark.parametrize("case", MIXING, ids=label)
def test_mixing_float64(case, float64):
    name, options = case
    random = np.random.default_rng(1)
    x = random.normal(size=(5, 4, 6)) * np.array([0.1, 1.0, 3.0, 10.0])[:, None]
    x[0, 0] = [1.0, 1.0, 0.0, 0.5, 0.5, -1.0]
    x[1, 1] = 0.25
    upstream = random.normal(size=jax.eval_shape(activations.get(name, **options), x).shape)
    y, gradient = of_keras(name, options, x, upstream)
    got, by_autodiff, by_formula = of_jaxgd(name, options, x, upstream)
    assert y.shape == got.shape
    assert np.abs(gradient).max() > 1e-3
    assert_close(got, y, 4e-15)
    assert_close(by_autodiff, gradient, 4e-15)
    assert_close(by_formula, gradient, 4e-15)


def test_exact_sparsemax_is_keras_where_one_value_holds_all_and_only_there(float64):
    alone, shared = np.array([[3.0, 1.0, 0.0]]), np.array([[1.0, 1.0, 0.0]])
    np.testing.assert_array_equal(keras.activations.sparsemax(alone), activations.sparsemax(alone))
    assert np.sum(keras.activations.sparsemax(shared)) == 0.0
    assert np.sum(activations.sparsemax(shared)) == 1.0


def test_softmax_of_infinity_is_not_copied():
    x = np.array([[0.0, INFINITY, 1.0]], np.float32)
    assert np.isnan(keras.activations.softmax(x)).tolist() == [[False, True, False]]
    assert np.isnan(activations.softmax(x)).all()
