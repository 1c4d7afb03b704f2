"""Layer normalization of rows of equal values: x - mean is 0 there, or nothing but rounding."""

import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest

import jaxgd

assert keras.backend.backend() == "tensorflow"

FEATURES = (3, 5, 7, 8, 13, 100)
"""Mostly not powers of 2: so many equal values add up to a rounded sum."""


@pytest.mark.parametrize("features", FEATURES)
def test_a_row_of_equal_values_is_exactly_0(features, rng):
    x = np.repeat(rng.standard_normal((200, 1)), features, axis=1).astype(np.float32)
    model = jaxgd.sequential([jaxgd.layers.layer_normalization()], features)
    y = jax.jit(model.apply)(model.init(0), x)
    assert not np.asarray(y).any()


def test_the_cosine_of_such_a_row_is_no_farther_from_float64_than_keras_is(rng):
    """The similarity takes the sign of what is left of x - mean, however small that is."""
    features = 8  # of which TensorFlow adds up equal values exactly
    x = rng.standard_normal((64, features))
    x[::2] = x[::2, :1]
    x, y = x.astype(np.float32), rng.standard_normal((64, features)).astype(np.float32)
    beta = (1e-8 * rng.standard_normal(features)).astype(np.float32)
    truth = _similarity_in_float64(x.astype(np.float64), y, beta)

    layer = keras.layers.LayerNormalization()
    layer.build((None, features))
    layer.set_weights([np.ones(features), beta])
    theirs = abs(float(keras.losses.CosineSimilarity()(y, layer(x))) - truth)

    model = jaxgd.sequential([jaxgd.layers.layer_normalization()], features)
    (name,) = model.names
    params = {name: {"gamma": jnp.ones(features), "beta": jnp.asarray(beta)}}
    ours = abs(float(jaxgd.losses.cosine_similarity(y, model.apply(params, x))) - truth)
    assert ours <= max(2 * theirs, 2e-6)


def _similarity_in_float64(x, y, beta):
    centred = x - x.mean(1, keepdims=True)
    centred[::2] = 0.0
    normal = centred / np.sqrt((centred**2).mean(1, keepdims=True) + 1e-3) + beta
    lengths = np.maximum(np.linalg.norm(normal, axis=1), 1e-7) * np.linalg.norm(y, axis=1)
    return float(-((y * normal).sum(1) / lengths).mean())


def test_the_gradient_is_that_of_the_plain_formula(x64, rng):
    """Where no sum cancels, in float64: what the mean is measured from has no share in the gradient."""
    x, upstream = rng.standard_normal((2, 11, 5))
    model = jaxgd.sequential([jaxgd.layers.layer_normalization()], 5, dtype="float64")
    params = model.init(0)

    def plain(x):
        centred = x - x.mean(1, keepdims=True)
        return jnp.sum(upstream * centred * jax.lax.rsqrt((centred**2).mean(1, keepdims=True) + 1e-3))

    ours = jax.grad(lambda x: jnp.sum(upstream * model.apply(params, x)))(x)
    np.testing.assert_allclose(ours, jax.grad(plain)(x), atol=1e-14)
