"""What every activation promises: shape, dtype, jit, vmap, second derivatives, its own derivative."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgd import activations

CASES = [(name, {}) for name in activations.names() if name != "threshold"] + [
    ("celu", {"alpha": 1.7}),
    ("elu", {"alpha": 1.7}),
    ("gelu", {"approximate": True}),
    ("hard_shrink", {"threshold": 0.25}),
    ("leaky_relu", {"negative_slope": 0.3}),
    ("relu", {"max_value": 2.0}),
    ("relu", {"max_value": 6.0}),
    ("relu", {"negative_slope": 0.1}),
    ("relu", {"threshold": 1.0}),
    ("relu", {"threshold": -1.0, "max_value": 2.0}),
    ("relu", {"negative_slope": 0.1, "max_value": 2.0, "threshold": 1.0}),
    ("soft_shrink", {"threshold": 0.25}),
    ("softmax", {"axis": 0}),
    ("softmax", {"axis": (0, 1)}),
    ("log_softmax", {"axis": None}),
    ("glu", {"axis": 0}),
    ("sparsemax", {"axis": 0}),
    ("sparsemax", {"form": "keras"}),
    ("squareplus", {"b": 0.3}),
    ("threshold", {"threshold": 1.0, "default_value": -0.3}),
]
SCALAR_OPTIONS = [
    ("celu", "alpha", {}),
    ("elu", "alpha", {}),
    ("hard_shrink", "threshold", {}),
    ("leaky_relu", "negative_slope", {}),
    ("relu", "max_value", {}),
    ("relu", "negative_slope", {}),
    ("relu", "threshold", {}),
    ("soft_shrink", "threshold", {}),
    ("squareplus", "b", {}),
    ("threshold", "threshold", {"default_value": 0.5}),
    ("threshold", "default_value", {"threshold": 0.5}),
]
KINKS = [0.0, -0.0, 0.5, -0.5, 1.0, -1.0, 2.0, -2.0, 3.0, -3.0, 6.0, 0.25, -0.25, 5.0, -5.0, 4.0]


def label(case):
    name, options = case[0], case[-1]
    return "-".join([name, *map(str, case[1:-1])]) + "".join(
        f"-{key}={value}" for key, value in options.items()
    )


@pytest.fixture
def float64():
    with jax.enable_x64(True):
        yield


def inputs(rows=6, columns=8, kinks=False):
    """Values with and without kinks among them, float64 NumPy."""
    x = np.random.default_rng(7).normal(size=(rows, columns)) * 2.0
    return np.concatenate([x, np.reshape(KINKS, (2, columns))]) if kinks else x


def upstream_for(activation, x):
    """A gradient with respect to the result."""
    shape = jax.eval_shape(activation, x).shape
    return jnp.asarray(np.random.default_rng(8).normal(size=shape), x.dtype)


@pytest.mark.parametrize("dtype", [jnp.float16, jnp.bfloat16, jnp.float32, jnp.float64], ids=str)
@pytest.mark.parametrize("case", CASES, ids=label)
def test_dtype_and_shape_are_kept(case, dtype, float64):
    activation = activations.get(case[0], **case[1])
    x = jax.ShapeDtypeStruct((6, 8), dtype)
    y = jax.eval_shape(activation, x)
    assert y.dtype == dtype
    assert y.shape == (x.shape if case[0] != "glu" else ((3, 8) if case[1] else (6, 4)))
    gradient = jax.eval_shape(activation.backward, x, y)
    assert (gradient.dtype, gradient.shape) == (dtype, x.shape)


@pytest.mark.parametrize("case", CASES, ids=label)
def test_the_declared_derivative_is_that_of_autodiff(case, float64):
    activation = activations.get(case[0], **case[1])
    x = jnp.asarray(inputs(kinks=True))
    upstream = upstream_for(activation, x)
    by_autodiff = jax.vjp(activation, x)[1](upstream)[0]
    by_formula = activation.backward(x, upstream)
    assert float(jnp.max(jnp.abs(by_formula))) > 0.1
    error = jnp.abs(by_formula - by_autodiff) / jnp.maximum(1.0, jnp.abs(by_autodiff))
    assert float(jnp.max(error)) <= 1e-14


@pytest.mark.parametrize("case", CASES, ids=label)
def test_the_derivative_is_the_limit_of_differences(case, float64):
    activation = activations.get(case[0], **case[1])
    x = inputs()
    upstream = upstream_for(activation, jnp.asarray(x))
    direction = np.random.default_rng(9).normal(size=x.shape)
    step = 1e-6
    rise = activation(x + step * direction) - activation(x - step * direction)
    expected = float(jnp.sum(upstream * rise)) / (2 * step)
    got = float(jnp.sum(activation.backward(jnp.asarray(x), upstream) * direction))
    # h^2 f''' and eps / h, some 1e-10 each, of sums of 48 terms.
    assert abs(got - expected) <= 1e-7 * max(1.0, abs(expected))


@pytest.mark.parametrize("case", CASES, ids=label)
def test_jit_and_vmap_change_nothing(case, float64):
    activation = activations.get(case[0], **case[1])
    x = jnp.asarray(inputs())
    plain, compiled = activation(x), jax.jit(activation)(x)
    np.testing.assert_allclose(compiled, plain, rtol=1e-14, atol=1e-15)
    stacked = jnp.stack([x, 2.0 * x, -x])
    batched = jax.vmap(activation)(stacked)
    np.testing.assert_allclose(batched, [activation(one) for one in stacked], rtol=1e-14, atol=1e-15)


@pytest.mark.parametrize("case", CASES, ids=label)
def test_forward_over_reverse_is_symmetric_and_finite(case, float64):
    activation = activations.get(case[0], **case[1])
    x = jnp.asarray(inputs(2, 4, kinks=False)).at[0, 0].set(0.0)
    weights = upstream_for(activation, x)
    hessian = jax.hessian(lambda flat: jnp.sum(weights * activation(flat.reshape(2, 4))))(x.ravel())
    assert jnp.isfinite(hessian).all()
    np.testing.assert_allclose(hessian, hessian.T, atol=1e-14)


@pytest.mark.parametrize("case", SCALAR_OPTIONS, ids=label)
def test_an_option_may_be_traced(case):
    name, option, others = case
    function = getattr(activations, name)
    x, values = jnp.asarray(inputs(), jnp.float32), jnp.array([0.5, 1.5])
    batched = jax.jit(jax.vmap(lambda value: function(x, **{option: value}, **others)))(values)
    one_by_one = [function(x, **{option: float(value)}, **others) for value in values]
    np.testing.assert_allclose(batched, one_by_one, rtol=2e-7, atol=2e-7)
    derivative = activations.get(name, **{option: 0.5}, **others).derivative_fn
    batched = jax.vmap(lambda value: derivative(x, **{option: value}, **others))(values)
    one_by_one = [derivative(x, **{option: float(value)}, **others) for value in values]
    np.testing.assert_allclose(batched, one_by_one, rtol=2e-7, atol=2e-7)


@pytest.mark.parametrize("name", ["relu", "sigmoid", "tanh", "softmax", "silu", "softplus"])
def test_no_more_operations_than_jax_nn(name):
    """Counted in the compiled program of value and gradient: these stand in the innermost loop."""

    def num_operations(function):
        pair = jax.jit(lambda x, g: (*jax.vjp(function, x)[1](g), function(x)))
        x = jax.ShapeDtypeStruct((32, 128), jnp.float32)
        return sum(" = " in line for line in pair.lower(x, x).compile().as_text().splitlines())

    assert num_operations(getattr(activations, name)) <= num_operations(getattr(jax.nn, name))
