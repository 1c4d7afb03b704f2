"""Activations: numbers worked by hand, names, options, errors."""

import math
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgd import activations
from jaxgd.activations import Activation, get, names


@pytest.mark.parametrize(
    ("name", "options", "x", "value", "slope"),
    [
        ("relu", {}, -1.0, 0.0, 0.0),
        ("relu", {}, 0.0, 0.0, 0.0),
        ("relu", {"max_value": 2.0}, 2.0, 2.0, 1.0),
        ("relu", {"max_value": 6.0}, 6.0, 6.0, 0.0),
        ("relu", {"negative_slope": 0.5, "threshold": 1.0}, 0.0, -0.5, 0.5),
        ("leaky_relu", {"negative_slope": 0.25}, 0.0, 0.0, 0.25),
        ("elu", {"alpha": 2.0}, 0.0, 0.0, 2.0),
        ("selu", {}, 0.0, 0.0, 1.0507010),
        ("celu", {}, 0.0, 0.0, 2.0),
        ("sigmoid", {}, math.log(3.0), 0.75, 0.1875),
        ("tanh", {}, math.log(2.0), 0.6, 0.64),
        ("silu", {}, 0.0, 0.0, 0.5),
        ("softplus", {}, 0.0, math.log(2.0), 0.5),
        ("softsign", {}, 3.0, 0.75, 0.0625),
        ("squareplus", {}, 1.5, 2.0, 0.8),
        ("mish", {}, 0.0, 0.0, 0.6),
        ("hard_sigmoid", {}, 1.5, 0.75, 1 / 6),
        ("hard_silu", {}, 1.5, 1.125, 1.0),
        ("hard_tanh", {}, 1.0, 1.0, 1.0),
        ("sparse_sigmoid", {}, 1.0, 1.0, 0.0),
        ("sparse_plus", {}, 0.0, 0.25, 0.5),
        ("soft_shrink", {}, 0.5, 0.0, 0.0),
        ("threshold", {"threshold": 1.0, "default_value": -2.0}, 1.0, -2.0, 0.0),
    ],
)
def test_by_hand(name, options, x, value, slope):
    activation = get(name, **options)
    assert float(activation(x)) == pytest.approx(value, abs=1e-7)
    assert float(activation.derivative(x)) == pytest.approx(slope, abs=1e-7)
    assert float(jax.grad(activation)(x)) == pytest.approx(slope, abs=1e-7)


def test_sparsemax_by_hand():
    x = jnp.array([1.0, 0.5, -1.0])
    np.testing.assert_allclose(activations.sparsemax(x), [0.75, 0.25, 0.0])
    np.testing.assert_allclose(get("sparsemax").backward(x, jnp.array([1.0, 0.0, 5.0])), [0.5, -0.5, 0.0])


def test_sparsemax_is_a_distribution_for_random_rows():
    x = np.random.default_rng(3).normal(size=(50, 7)).astype(np.float32)
    y = activations.sparsemax(x)
    assert (y >= 0).all()
    np.testing.assert_allclose(y.sum(axis=-1), 1.0, rtol=1e-6)


def test_softmax_does_not_overflow():
    np.testing.assert_array_equal(activations.softmax(jnp.array([1e4, 0.0])), [1.0, 0.0])


def test_glu_needs_an_even_size():
    with pytest.raises(ValueError, match="even size along axis -1"):
        activations.glu(jnp.ones((2, 3)))


def test_integers_become_floats_and_complex_numbers_are_refused():
    assert activations.relu(jnp.array([-1, 2])).dtype == jnp.float32
    with pytest.raises(TypeError, match="expected real numbers, got complex64"):
        activations.relu(jnp.array([1j]))


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("relu", {"max_value": -1.0}, "max_value: expected a finite number in"),
        ("relu", {"threshold": float("nan")}, "threshold: expected a finite number"),
        ("leaky_relu", {"negative_slope": "steep"}, "negative_slope: expected a number"),
        ("celu", {"alpha": 0.0}, "alpha: expected a number other than 0"),
        ("squareplus", {"b": -1.0}, "b: expected a finite number in"),
        ("sparsemax", {"form": "both"}, "form: expected 'exact' or 'keras', got 'both'"),
    ],
)
def test_bad_settings(name, options, message):
    with pytest.raises((TypeError, ValueError), match=message):
        get(name, **options)(jnp.ones(4))


def test_a_number_from_numpy_does_not_promote():
    with jax.enable_x64(True):
        y = activations.leaky_relu(jnp.ones(2, jnp.float32), np.float64(0.3))
        assert y.dtype == jnp.float32


def test_names_in_any_case_and_aliases():
    assert get("ReLU") == get("relu") == get(activations.relu)
    assert get("swish") == get("silu") == get(activations.swish)
    assert get("Hard_Swish") == get("hard_silu")
    assert get(None) == get("linear")
    assert get(get("elu", alpha=2.0)) == get("elu", alpha=2.0)
    assert {get(name).name for name in names() if name != "threshold"} == set(names()) - {"threshold"}


def test_public_functions_are_the_registered_ones():
    for name in names(aliases=True):
        assert name in activations.__all__
        if name != "threshold":
            assert get(name).function is getattr(activations, name)


def test_equal_calls_are_equal_and_hash_equally():
    first, second = get("elu", alpha=2.0), get("ELU", alpha=np.float32(2.0))
    assert first == second
    assert hash(first) == hash(second)
    assert first != get("elu")
    assert get("elu", alpha=1.0) == get("elu")
    assert repr(first) == "elu(alpha=2.0)"
    assert get("softmax", axis=[0, 1]) == get("softmax", axis=(0, 1))


def test_options_of_an_activation_may_be_set_anew():
    assert get(get("relu", max_value=2.0), threshold=1.0) == get("relu", max_value=2.0, threshold=1.0)


def test_one_compiled_program_for_equal_activations():
    traces = []

    @partial(jax.jit, static_argnums=0)
    def run(activation, x):
        traces.append(activation)
        return activation(x)

    run(get("elu", alpha=2.0), jnp.ones(2))
    run(get("elu", alpha=2.0), jnp.zeros(2))
    assert len(traces) == 1


@pytest.mark.parametrize(
    ("identifier", "options", "error", "message"),
    [
        ("rellu", {}, ValueError, "unknown activation 'rellu'. Did you mean 'relu'"),
        (3, {}, TypeError, "expected a name, a function or None, got 3"),
        ("relu", {"slope": 0.1}, TypeError, "unknown option 'slope'. It has: negative_slope, max_value"),
        ("tanh", {"alpha": 0.1}, TypeError, "unknown option 'alpha'. It has: none"),
        ("threshold", {"threshold": 1.0}, TypeError, "threshold: expected a value for default_value"),
        ("elu", {"alpha": jnp.ones(())}, TypeError, "elu: alpha: expected a hashable value"),
        (get("elu"), {"slope": 1.0}, TypeError, "unknown option 'slope'"),
    ],
)
def test_bad_identifiers(identifier, options, error, message):
    with pytest.raises(error, match=message):
        get(identifier, **options)


def test_a_function_of_the_user():
    def cubic(x, scale=1.0):
        return scale * x**3

    activation = get(cubic, scale=2.0)
    assert isinstance(activation, Activation)
    assert (activation.name, activation.elementwise) == ("cubic", False)
    assert activation.derivative(jnp.ones(2)) is None
    np.testing.assert_array_equal(activation.backward(jnp.array([2.0]), jnp.array([10.0])), [240.0])
    assert get(cubic, scale=2.0) == activation
    assert get(activation, scale=3.0) == get(cubic, scale=3.0)


def test_elementwise():
    mixing = {name for name in names() if name != "threshold" and not get(name).elementwise}
    assert mixing == {"softmax", "log_softmax", "glu", "sparsemax"}


def test_output_size():
    assert get("relu").output_size(7) == get("softmax").output_size(7) == 7
    assert get("glu").output_size(8) == 4
    assert get(lambda x: x.reshape(x.shape[0], -1, 2).max(axis=-1)).output_size(8) == 4
    with pytest.raises(ValueError, match="even size"):
        get("glu").output_size(7)


def test_nothing_of_x64_leaks():
    assert not jax.config.jax_enable_x64
