"""Merges and the layers beside them: values against NumPy, backward rules against JAX."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxgd
from jaxgd import layers
from jaxgd.layers import Context

A = np.array([[1.0, -2.0, 3.0], [0.5, 0.0, -1.0]], np.float32)
B = np.array([[1.0, 4.0, -3.0], [2.0, 0.0, 1.0]], np.float32)

MERGES = {
    "add": (layers.add(), A + B),
    "subtract": (layers.subtract(), A - B),
    "multiply": (layers.multiply(), A * B),
    "average": (layers.average(), (A + B) / 2),
    "maximum": (layers.maximum(), np.maximum(A, B)),
    "minimum": (layers.minimum(), np.minimum(A, B)),
    "concatenate": (layers.concatenate(), np.concatenate([A, B], axis=1)),
    "dot": (layers.dot(-1), (A * B).sum(axis=1, keepdims=True)),
}


@pytest.mark.parametrize("kind", MERGES)
def test_a_merge_is_numpys(kind):
    layer, expected = MERGES[kind]
    y = layer.forward({}, (jnp.asarray(A), jnp.asarray(B)), Context()).y
    np.testing.assert_allclose(y, expected, rtol=1e-6)
    assert layer.output_shape((A.shape[1:], B.shape[1:])) == y.shape[1:]


def test_the_cosine_of_a_zero_row_is_zero_and_has_a_gradient():
    layer = layers.dot(1, normalize=True)
    both = (jnp.array([[3.0, 4.0], [0.0, 0.0]]), jnp.array([[4.0, 3.0], [1.0, 1.0]]))
    y = layer.forward({}, both, Context()).y
    np.testing.assert_allclose(y, [[0.96], [0.0]], rtol=1e-6)
    grads = jax.grad(lambda a: layer.forward({}, (a, both[1]), Context()).y.sum())(both[0])
    assert bool(jnp.isfinite(grads).all())


def test_a_dot_of_matrices_keeps_the_other_axes():
    rng = np.random.default_rng(0)
    one, other = rng.normal(size=(2, 3, 4)), rng.normal(size=(2, 5, 3))
    layer = layers.dot((1, 2))
    y = layer.forward({}, (jnp.asarray(one, jnp.float32), jnp.asarray(other, jnp.float32)), Context()).y
    np.testing.assert_allclose(y, np.einsum("bij,bki->bjk", one, other), rtol=1e-5)
    assert layer.output_shape(((3, 4), (5, 3))) == (4, 5)


def test_a_shorter_shape_is_broadcast_behind_the_batch():
    layer = layers.multiply()
    matrix, row = jnp.ones((2, 3, 4)), jnp.array([[1.0, 2.0, 3.0, 4.0], [5.0, 6.0, 7.0, 8.0]])
    y = layer.forward({}, (matrix, row), Context()).y
    assert layer.output_shape(((3, 4), (4,))) == (3, 4) == y.shape[1:]
    assert y[1, 2].tolist() == [5.0, 6.0, 7.0, 8.0]


@pytest.mark.parametrize("layer", [layers.maximum(), layers.minimum()])
def test_at_a_tie_the_gradient_goes_to_the_first(layer):
    tie = jnp.array([[2.0]])
    grads = jax.grad(lambda a, b: layer.forward({}, (a, b), Context()).y.sum(), (0, 1))(tie, tie)
    assert [grad.tolist() for grad in grads] == [[[1.0]], [[0.0]]]


def test_a_nan_goes_through_a_maximum():
    y = layers.maximum().forward({}, (jnp.array([[jnp.nan, 1.0]]), jnp.array([[1.0, jnp.nan]])), Context()).y
    assert bool(jnp.isnan(y).all())


def test_what_does_not_merge_is_refused():
    for layer, shapes, message in (
        (layers.add(), ((3,), (4,)), "expected inputs of one shape"),
        (layers.concatenate(), ((3,), (3, 4)), "differ only along axis"),
        (layers.concatenate(2), ((3,), (3,)), "an axis of a row of rank 1"),
        (layers.dot(1), ((3,), (4,)), "expected equal sizes"),
        (layers.dot(1), ((3,), (3,), (3,)), "2 inputs"),
    ):
        with pytest.raises(ValueError, match=message):
            layer.output_shape(shapes)
    with pytest.raises(ValueError, match="another axis than the batch's"):
        layers.concatenate(0)


LAYERS = {
    "prelu": layers.prelu(alpha_initializer="ones", alpha_regularizer="l2"),
    "unit": layers.unit_normalization(),
    "rms": layers.rms_normalization(),
    "gaussian_dropout": layers.gaussian_dropout(0.3),
    "alpha_dropout": layers.alpha_dropout(0.3),
    "penalty": layers.activity_regularization(l1=0.1, l2=0.2),
}


@pytest.mark.parametrize("kind", LAYERS)
def test_a_layers_backward_rule_is_jaxs(kind, rng, x64):
    model = jaxgd.sequential([LAYERS[kind]], 4, dtype="float64")
    params = jax.tree.map(lambda leaf: leaf * 0.7, model.init(0))
    x, weights = rng.normal(size=(5, 4)), rng.normal(size=(5, 4))
    context = Context(True, jax.random.key(3), None, "highest", jnp.float64, jnp.float64)
    own = params.get(model.names[0], {})

    def total(own, x):
        return (LAYERS[kind].forward(own, x, context).y * weights).sum()

    expected, through = jax.grad(total, (0, 1))(own, jnp.asarray(x))
    found = LAYERS[kind].backward(own, jnp.asarray(x), jnp.asarray(weights), context)
    np.testing.assert_allclose(found.x, through, rtol=1e-10, atol=1e-12)
    for leaf, value in found.params.items():
        np.testing.assert_allclose(value, expected[leaf], rtol=1e-10, atol=1e-12)


def test_a_row_of_zeros_stays_zero():
    y = layers.unit_normalization().forward({}, jnp.array([[0.0, 0.0], [3.0, 4.0]]), Context()).y
    np.testing.assert_allclose(y, [[0.0, 0.0], [0.6, 0.8]], rtol=1e-6)


def test_alpha_dropout_keeps_mean_and_variance():
    layer = layers.alpha_dropout(0.2)
    x = jax.random.normal(jax.random.key(0), (400, 400))
    y = layer.forward({}, x, Context(True, jax.random.key(1))).y
    assert abs(float(y.mean())) < 0.02
    assert abs(float(y.var()) - 1.0) < 0.02


def test_an_activity_penalty_is_divided_by_the_rows():
    model = jaxgd.sequential([layers.activity_regularization(l2=0.5), layers.dense(1)], 2)
    params = {"dense": {"kernel": np.zeros((2, 1)), "bias": np.zeros(1)}}
    values = jaxgd.evaluate(model, params, np.full((4, 2), 2.0), np.zeros((4, 1)), loss="mse")
    assert values["loss"] == pytest.approx(0.5 * 8 * 4.0 / 4)
