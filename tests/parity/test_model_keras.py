"""Every layer and stacks of them against the installed Keras: initial weights, outputs, gradients."""

import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest
import tensorflow as tf
from keras_twins import keras_model, our_model, params_of, precision, relative_error

import jaxgd
from jaxgd import random

ROWS, FEATURES, SEED = 19, 5, 11
TOLERANCE = {"float64": 1e-12, "float32": 2e-6}
DENSE = ("dense", {"units": 6, "activation": "tanh"})

INITIALIZERS = {
    "glorot_uniform": ("GlorotUniform", {}),
    "glorot_normal": ("GlorotNormal", {}),
    "he_uniform": ("HeUniform", {}),
    "he_normal": ("HeNormal", {}),
    "lecun_uniform": ("LecunUniform", {}),
    "lecun_normal": ("LecunNormal", {}),
    "random_normal": ("RandomNormal", {"mean": 0.5, "stddev": 0.2}),
    "random_uniform": ("RandomUniform", {"minval": -0.3, "maxval": 0.1}),
    "truncated_normal": ("TruncatedNormal", {"stddev": 0.3}),
    "orthogonal": ("Orthogonal", {"gain": 1.5}),
    "constant": ("Constant", {"value": 0.3}),
    "fixed_seed": ("GlorotUniform", {"seed": 3}),
}

STACKS = {
    "dense": [("dense", {"units": 3})],
    "dense_without_bias": [("dense", {"units": 3, "use_bias": False, "activation": "relu"}), DENSE],
    "random_bias": [("dense", {"units": 3, "bias_initializer": "random_normal"}), DENSE],
    "regularized": [
        (
            "dense",
            {
                "units": 4,
                "activation": "softplus",
                "kernel_regularizer": ("L1L2", {"l1": 0.1, "l2": 0.2}),
                "bias_regularizer": ("L2", {"l2": 0.3}),
                "activity_regularizer": ("L1", {"l1": 0.4}),
            },
        ),
        DENSE,
    ],
    "activation": [DENSE, ("activation", {"activation": "softmax"}), DENSE],
    "dropout": [DENSE, ("dropout", {"rate": 0.4}), DENSE, ("dropout", {"rate": 0.2})],
    "dropout_0": [DENSE, ("dropout", {"rate": 0.0}), DENSE],
    "dropout_1": [DENSE, ("dropout", {"rate": 1.0}), DENSE],
    "dropout_with_seed": [DENSE, ("dropout", {"rate": 0.4, "seed": 123}), DENSE, ("dropout", {"rate": 0.3})],
    "gaussian_noise": [
        ("gaussian_noise", {"stddev": 0.3}),
        DENSE,
        ("gaussian_noise", {"stddev": 0.0}),
        DENSE,
    ],
    "batch_normalization": [("batch_normalization", {}), DENSE, ("batch_normalization", {"momentum": 0.7})],
    "batch_normalization_bare": [DENSE, ("batch_normalization", {"center": False, "scale": False}), DENSE],
    "batch_normalization_frozen": [DENSE, ("batch_normalization", {"trainable": False, "epsilon": 0.1})],
    "layer_normalization": [("layer_normalization", {}), DENSE, ("layer_normalization", {"epsilon": 1e-5})],
    "layer_normalization_bare": [DENSE, ("layer_normalization", {"center": False, "scale": False})],
    "normalization": [
        ("normalization", {"mean": (0.1, 0, 1, 2, 3), "variance": (1.0, 2, 0.1, 3, 0.0)}),
        DENSE,
    ],
    "normalization_scalar": [("normalization", {"mean": 0.7, "variance": 2.3}), DENSE],
    "normalization_inverted": [("normalization", {"mean": 0.7, "variance": 2.3, "invert": True}), DENSE],
    "rescaling": [("rescaling", {"scale": 1 / 3, "offset": -0.7}), DENSE],
    "flatten": [DENSE, ("flatten", {}), DENSE],
    "everything": [
        ("rescaling", {"scale": 0.3}),
        DENSE,
        ("batch_normalization", {}),
        ("activation", {"activation": "relu"}),
        ("dropout", {"rate": 0.3}),
        ("dense", {"units": 6, "kernel_initializer": "he_normal"}),
        ("layer_normalization", {}),
        ("gaussian_noise", {"stddev": 0.1}),
        ("dense", {"units": 2, "activation": "gelu"}),
    ],
}


@pytest.fixture(params=["float64", "float32"])
def floatx(request):
    with precision(request.param):
        yield request.param


def twins(stack, input_size, rng):
    """Both models, with the same weights, none of them at a special value."""
    network, model = keras_model(stack, input_size, seed=SEED), our_model(stack, input_size)
    for variable in network.weights:
        if variable.name != "count":
            variable.assign(variable + rng.uniform(0.05, 0.4, variable.shape))
    return network, model, params_of(network, model)


def keras_gradients(network, model, x, upstream):
    """dL/dparams and dL/dx of L = sum(upstream * y) + all regularizers, while training; and y."""
    x = tf.convert_to_tensor(x)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = network(x, training=True)
        total = tf.reduce_sum(y * upstream) + tf.cast(sum(network.losses), y.dtype)
    variables = [variable.value for variable in network.trainable_variables]
    *slopes, of_x = tape.gradient(total, [*variables, x], unconnected_gradients="zero")
    by_path = {v.path: np.asarray(g) for v, g in zip(network.trainable_variables, slopes, strict=True)}
    tree = {
        name: {v.name: by_path[v.path] for v in layer.trainable_variables}
        for name, layer in zip(model.names, network.layers, strict=True)
    }
    return {name: leaves for name, leaves in tree.items() if leaves}, np.asarray(of_x), y.numpy()


def our_gradients(model, params, x, upstream):
    key = random.at_step(model.key(SEED), 0)

    def total(params, x):
        result = model.run(params, x, training=True, key=key)
        return jnp.sum(result.y * upstream) + result.activity + model.penalty(params), result.y

    (of_params, of_x), y = jax.grad(total, argnums=(0, 1), has_aux=True)(params, x)
    trained = model.trainable(params)
    tree = {
        name: {leaf: value for leaf, value in leaves.items() if trained[name][leaf]}
        for name, leaves in of_params.items()
    }
    return {name: leaves for name, leaves in tree.items() if leaves}, of_x, y


@pytest.mark.parametrize("name", STACKS)
def test_outputs_statistics_and_gradients(name, floatx, rng):
    network, model, params = twins(STACKS[name], FEATURES, rng)
    x = (2 * rng.standard_normal((ROWS, FEATURES)) + 1).astype(floatx)
    upstream = rng.standard_normal((ROWS, *model.output_shape)).astype(floatx)
    bound = TOLERANCE[floatx]
    assert relative_error(model.apply(params, x), network(x, training=False)) <= bound
    grads, of_x, y = our_gradients(model, params, jnp.asarray(x), upstream)
    expected, expected_of_x, expected_y = keras_gradients(network, model, x, upstream)
    assert relative_error(y, expected_y) <= bound
    scale = max(np.abs(leaf).max() for leaf in jax.tree.leaves(expected)) if expected else 1.0
    assert jax.tree.structure(grads) == jax.tree.structure(expected)
    for one, other in zip(jax.tree.leaves(grads), jax.tree.leaves(expected), strict=True):
        assert np.abs(one - other).max() <= 2 * bound * scale
    assert np.abs(of_x - expected_of_x).max() <= 2 * bound * max(np.abs(expected_of_x).max(), scale)


@pytest.mark.parametrize("name", ["batch_normalization", "batch_normalization_frozen", "everything"])
def test_moving_statistics_after_three_batches(name, floatx, rng):
    network, model, params = twins(STACKS[name], FEATURES, rng)
    before = params_of(network, model)
    for step in range(3):
        x = rng.standard_normal((7, FEATURES)).astype(floatx)
        network(x, training=True)
        key = random.at_step(model.key(SEED), step)
        _, params = model.forward(params, x, training=True, key=key)
    expected = params_of(network, model)
    for layer, leaves in expected.items():
        for leaf, value in leaves.items():
            assert relative_error(params[layer][leaf], value) <= TOLERANCE[floatx], (layer, leaf)
    moved = any(
        np.any(a != b) for a, b in zip(jax.tree.leaves(before), jax.tree.leaves(expected), strict=True)
    )
    assert moved == (name != "batch_normalization_frozen")


@pytest.mark.parametrize("name", INITIALIZERS)
def test_initial_weights_of_a_stack(name, floatx):
    """Each layer has a seed of its own, also for the bias, and layers that draw nothing take none."""
    own = INITIALIZERS[name]
    bias = "random_normal" if name == "orthogonal" else own  # an orthogonal vector does not exist
    stack = [
        ("dense", {"units": 7, "kernel_initializer": own}),
        ("dropout", {"rate": 0.5}),
        ("batch_normalization", {}),
        ("dense", {"units": 6, "kernel_initializer": own, "bias_initializer": bias}),
        ("dropout", {"rate": 0.0}),
        ("dense", {"units": 3}),
    ]
    network, model = keras_model(stack, FEATURES, seed=SEED), our_model(stack, FEATURES)
    params, expected = model.init(SEED), params_of(network, model)
    assert jax.tree.structure(params) == jax.tree.structure(expected)
    # Normal draws go through logarithm and cosine, orthogonal ones through a QR: rounding remains.
    is_exact = "uniform" in name or name in ("constant", "fixed_seed")
    bound = 0.0 if is_exact else {"float64": 1e-12, "float32": 2e-6}[floatx]
    for layer, leaves in expected.items():
        for leaf, value in leaves.items():
            assert params[layer][leaf].dtype == value.dtype
            assert relative_error(params[layer][leaf], value) <= bound, (layer, leaf)


def test_another_seed_gives_other_weights():
    stack = [DENSE]
    for seed in (0, 1, 2**31 - 1):
        network, model = keras_model(stack, FEATURES, seed=seed), our_model(stack, FEATURES)
        assert relative_error(model.init(seed)["dense"]["kernel"], network.layers[0].kernel) == 0


@pytest.mark.parametrize("shape", [(FEATURES,), (3, FEATURES)])
def test_adapt(shape, floatx, rng):
    """A constant feature is divided by 1e-7, not by zero; behind another layer, `adapt` sees its output."""
    model = our_model([("normalization", {}), ("dense", {"units": 2})], shape)
    x = rng.standard_normal((40, *shape)).astype(floatx) * 3 + 1
    x[..., 2] = 1.25
    layer = keras.layers.Normalization()
    layer.adapt(x)
    params = model.adapt(model.init(SEED), x)
    assert relative_error(params["normalization"]["mean"], np.ravel(layer.mean)) <= TOLERANCE[floatx]
    assert relative_error(params["normalization"]["variance"], np.ravel(layer.variance)) <= TOLERANCE[floatx]
    moved = x + np.where(np.arange(FEATURES) == 2, 0.5, 0).astype(floatx)
    alone = jaxgd.sequential([model.layers[0]], shape, dtype=floatx)
    ours = alone.apply({"normalization": params["normalization"]}, moved)
    assert relative_error(ours, layer(moved)) <= TOLERANCE[floatx]
    assert float(jnp.abs(ours[..., 2]).min()) > 1e6


def test_rows_of_rank_2_and_flatten(floatx, rng):
    """Dense layers contract the last axis; Flatten then makes a row of all of it."""
    stack = [
        DENSE,
        ("batch_normalization", {}),
        ("layer_normalization", {}),
        ("flatten", {}),
        ("dense", {"units": 2}),
    ]
    network, model, params = twins(stack, (4, FEATURES), rng)
    x = rng.standard_normal((ROWS, 4, FEATURES)).astype(floatx)
    assert model.output_shape == (2,)
    assert relative_error(model.apply(params, x), network(x)) <= TOLERANCE[floatx]
    grads, of_x, y = our_gradients(model, params, jnp.asarray(x), np.ones((ROWS, 2), floatx))
    expected, expected_of_x, expected_y = keras_gradients(network, model, x, np.ones((ROWS, 2), floatx))
    assert relative_error(y, expected_y) <= TOLERANCE[floatx]
    scale = max(np.abs(leaf).max() for leaf in jax.tree.leaves(expected))
    for one, other in zip(jax.tree.leaves(grads), jax.tree.leaves(expected), strict=True):
        assert np.abs(one - other).max() <= 2 * TOLERANCE[floatx] * scale
    assert np.abs(of_x - expected_of_x).max() <= 2 * TOLERANCE[floatx] * scale


def test_names_are_those_of_keras():
    stack = [
        DENSE,
        ("batch_normalization", {}),
        DENSE,
        ("layer_normalization", {}),
        ("dropout", {"rate": 0.1}),
        DENSE,
    ]
    keras.backend.clear_session()
    network, model = keras_model(stack, FEATURES), our_model(stack, FEATURES)
    assert list(model.names) == [layer.name for layer in network.layers]
    assert sum(leaf.size for leaf in jax.tree.leaves(model.init(0))) == network.count_params()
