"""Both sides of a row of a table "TensorFlow -> jaxgd", run, and their numbers compared."""

import re

import jax
import keras
import numpy as np
import optax
import tensorflow as tf

import jaxgd

LEAVES = ("kernel", "bias")


def table_rows(text):
    """(TensorFlow's cell, jaxgd's cell) of every row of code in a page."""
    return re.findall(r"^\| (`.*`) \| (`.*`) \|$", text, flags=re.MULTILINE)


def run_cell(cell, names):
    """Run the lines of a cell; the last one is an expression, whose value comes back."""
    lines = [line.strip().strip("`") for line in cell.split("<br>")]
    for line in lines[:-1]:
        exec(line, names)
    return eval(lines[-1], names)


def arrays(value):
    """Numbers in Keras's order of weights."""
    if isinstance(value, dict):
        return [np.asarray(layer[leaf]) for layer in value.values() for leaf in LEAVES]
    if isinstance(value, (list, tuple)) and value and not np.isscalar(value[0]):
        return [np.asarray(each) for each in value]
    return [np.asarray(value)]


def keras_step(model, optimizer, x, y):
    """One step of the loop around a GradientTape."""
    with tf.GradientTape() as tape:
        loss = keras.losses.MeanSquaredError()(y, model(x))
    variables = model.trainable_variables
    optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))


def both_sides():
    """The names that the cells of either side begin with: the libraries, and 32 rows of the same data."""
    rng = np.random.default_rng(0)
    data = {
        "x": rng.random((32, 5), dtype=np.float32),
        "y": rng.random((32, 1), dtype=np.float32),
        "labels": rng.integers(0, 2, (32, 1)).astype(np.float32),
    }
    left = {"keras": keras, "tf": tf, "step": keras_step, **data}
    return left, {"jaxgd": jaxgd, "jax": jax, "jnp": jax.numpy, "optax": optax, **data}


def assert_same(expected, got, where):
    """Equal shapes, and numbers equal to a few roundings of float32, as in the parity suite."""
    expected, got = arrays(expected), arrays(got)
    assert len(expected) == len(got), where
    for one, other in zip(expected, got, strict=True):
        assert np.shape(one) == np.shape(other), where
        assert np.isfinite(one).all(), where
        np.testing.assert_allclose(other, one, rtol=2e-6, atol=2e-6 * np.abs(one).max(), err_msg=where)
