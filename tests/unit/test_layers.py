"""Layers on numbers worked by hand, and each backward rule against JAX's gradient of its forward rule."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgd import layers
from jaxgd.layers import Context

KEY = jax.random.key(3)


def test_dense():
    params = {"kernel": jnp.array([[1.0, -1.0], [2.0, 0.5]]), "bias": jnp.array([0.5, -3.0])}
    output = layers.dense(2, "relu").forward(params, jnp.array([[1.0, 2.0]]), Context())
    np.testing.assert_array_equal(output.y, [[5.5, 0.0]])
    assert output.logits is None
    np.testing.assert_array_equal(
        layers.dense(2, "sigmoid").forward(params, jnp.array([[1.0, 2.0]]), Context()).logits, [[5.5, -3.0]]
    )


def test_batch_normalization_moves_by_the_biased_variance_of_the_rows_that_count():
    layer = layers.batch_normalization(momentum=0.5, epsilon=0.0)
    params = layer.init({}, (1,), jnp.float32)
    x, mask = jnp.array([[1.0], [3.0], [100.0]]), jnp.array([True, True, False])
    output = layer.forward(params, x, Context(training=True, row_mask=mask))
    np.testing.assert_allclose(output.y[:2], [[-1.0], [1.0]], rtol=1e-6)
    assert float(output.statistics["moving_mean"][0]) == 1.0
    assert float(output.statistics["moving_variance"][0]) == 1.0
    assert len({leaf.unsafe_buffer_pointer() for leaf in params.values()}) == 4


def test_layer_normalization():
    layer = layers.layer_normalization(epsilon=0.0, center=False, scale=False)
    y = layer.forward({}, jnp.array([[1.0, 3.0], [5.0, 9.0]]), Context()).y
    np.testing.assert_allclose(y, [[-1.0, 1.0], [-1.0, 1.0]], rtol=1e-6)


def test_dropout_zeroes_or_scales():
    y = layers.dropout(0.75).forward({}, jnp.ones((100, 100)), Context(training=True, source=KEY)).y
    assert set(np.unique(y)) == {0.0, 4.0}
    assert abs(float((y == 0).mean()) - 0.75) < 0.02
    x = jnp.ones((2, 2))
    assert layers.dropout(0.75).forward({}, x, Context()).y is x
    assert layers.dropout(0.0).forward({}, x, Context(training=True)).y is x
    assert not layers.dropout(1.0).forward({}, x, Context(training=True, source=KEY)).y.any()


LAYERS = {
    "dense": layers.dense(4, "tanh"),
    "dense_softmax": layers.dense(4, "softmax", use_bias=False),
    "activation": layers.activation("gelu"),
    "batch_normalization": layers.batch_normalization(),
    "batch_normalization_bare": layers.batch_normalization(center=False, scale=False),
    "layer_normalization": layers.layer_normalization(),
    "layer_normalization_bare": layers.layer_normalization(center=False, scale=False),
    "normalization": layers.normalization(0.3, 2.0),
    "normalization_inverted": layers.normalization(0.3, 2.0, invert=True),
    "rescaling": layers.rescaling(0.3, 0.1),
    "dropout": layers.dropout(0.4),
    "gaussian_noise": layers.gaussian_noise(0.4),
    "flatten": layers.flatten(),
}


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("name", LAYERS)
def test_backward_is_the_gradient_of_forward(name, training, masked, x64, rng):
    layer, mask = LAYERS[name], jnp.arange(6) < 4
    context = Context(training, KEY, mask if masked else None, "highest", jnp.float64, jnp.float64)
    params = layer.init({draw: KEY for draw in layer.draws()}, (3,), jnp.float64)
    params = jax.tree.map(lambda leaf: leaf + jnp.asarray(rng.uniform(0.1, 0.5, leaf.shape)), params)
    x = jnp.asarray(rng.standard_normal((6, 3)))
    y, pull = jax.vjp(lambda params, x: layer.forward(params, x, context).y, params, x)
    upstream = jnp.asarray(rng.standard_normal(y.shape))
    if masked:  # the loss does not look at padded rows
        upstream = jnp.where(mask[:, None], upstream, 0.0)
    of_params, of_x = pull(upstream)
    gradients = layer.backward(params, x, upstream, context)
    np.testing.assert_allclose(gradients.x, of_x, rtol=1e-10, atol=1e-12)
    for leaf, value in gradients.params.items():
        np.testing.assert_allclose(value, of_params[leaf], rtol=1e-10, atol=1e-12)
    for leaf in set(of_params) - set(gradients.params):
        assert not of_params[leaf].any(), "a statistic took a gradient"
