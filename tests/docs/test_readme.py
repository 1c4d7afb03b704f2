"""The README is run: its Python, and both sides of every row of its table."""

import contextlib
import io
import re
from pathlib import Path

import jax
import keras
import numpy as np
import optax
import pytest
import tensorflow as tf

import jaxgd

README = (Path(__file__).parents[2] / "README.md").read_text()
TABLE = re.findall(r"^\| (.*`.*) \| (.*`.*) \|$", README, flags=re.MULTILINE)
LEAVES = ("kernel", "bias")


def python_blocks():
    """Each block of Python with the output that the README shows below it."""
    return re.findall(r"```python\n(.*?)```\n\n```text\n(.*?)```", README, flags=re.DOTALL)


@pytest.mark.parametrize(("code", "shown"), python_blocks())
def test_python_block_prints_what_is_shown(code, shown):
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(code, "README.md", "exec"), {})
    assert printed.getvalue() == shown


def test_there_is_a_block_and_a_table():
    assert len(python_blocks()) >= 1
    assert len(TABLE) >= 10


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
    if isinstance(value, list) and value and not np.isscalar(value[0]):
        return [np.asarray(each) for each in value]
    return [np.asarray(value)]


def keras_step(model, optimizer, x, y):
    with tf.GradientTape() as tape:
        loss = keras.losses.MeanSquaredError()(y, model(x))
    optimizer.apply_gradients(
        zip(tape.gradient(loss, model.trainable_variables), model.trainable_variables, strict=True)
    )


def test_every_row_of_the_table_gives_the_same_numbers():
    rng = np.random.default_rng(0)
    data = {
        "x": rng.random((32, 5), dtype=np.float32),
        "y": rng.random((32, 1), dtype=np.float32),
        "labels": rng.integers(0, 2, (32, 1)).astype(np.float32),
    }
    left = {"keras": keras, "tf": tf, "step": keras_step, **data}
    right = {"jaxgd": jaxgd, "jax": jax, "optax": optax, **data}
    for tensorflow_cell, jaxgd_cell in TABLE:
        expected, got = arrays(run_cell(tensorflow_cell, left)), arrays(run_cell(jaxgd_cell, right))
        assert len(expected) == len(got), jaxgd_cell
        for one, other in zip(expected, got, strict=True):
            assert np.shape(one) == np.shape(other), jaxgd_cell
            np.testing.assert_allclose(
                other, one, rtol=2e-6, atol=2e-6 * np.abs(one).max(), err_msg=jaxgd_cell
            )
