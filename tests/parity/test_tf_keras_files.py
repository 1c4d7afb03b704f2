"""Files that tf.keras 2 wrote (`files/make_tf_keras_files.py`), and what it computed after saving them."""

from pathlib import Path

import jax
import numpy as np
import pytest

import jaxgd
from jaxgd import losses
from jaxgd.keras_files import KerasFileError, load, save

FILES = Path(__file__).parent / "files"
EXPECTED = np.load(FILES / "tf_keras_expected.npz")
ROWS, STEPS, FURTHER = 16, 3, 20
LEAVES = ("mean", "variance", "count", "kernel", "bias", "gamma", "beta", "moving_mean", "moving_variance")
NAMES = sorted({name.split("/")[0] for name in EXPECTED.files} - {"legacy_rmsprop", "nadam", "graph"})


def _data():
    x = np.random.default_rng(0).normal(size=(ROWS, 3)).astype("float32")
    return x, np.eye(2, dtype="float32")[(x[:, 0] > 0).astype(int)]


def _weights(model, params):
    return [
        np.asarray(params[name][leaf])
        for name in model.names
        for leaf in LEAVES
        if leaf in params.get(name, {})
    ]


def _far(found, expected, scale):
    return np.abs(np.asarray(found) - expected).max() / scale


@pytest.mark.parametrize("name", NAMES)
def test_training_goes_on_as_in_tf_keras(name):
    """Predictions are equal, and the weights after 20 further full-batch steps."""
    model, params, training = load(FILES / f"tf_keras_{name}.h5")
    x, y = _data()
    assert training.iterations == STEPS
    assert training.loss == losses.get("categorical_crossentropy", label_smoothing=0.125)
    assert [getattr(metric, "name", metric) for metric in training.metrics] == ["accuracy", "auc"]
    assert _far(model.apply(params, x), EXPECTED[f"{name}/predictions"], 1.0) <= 1e-6
    result = jaxgd.fit(
        model,
        x,
        y,
        loss=training.loss,
        metrics=training.metrics,
        optimizer=training.optimizer,
        state=training.state(params, model.key(0)),
        epochs=FURTHER,
        batch_size=ROWS,
        shuffle=False,
    )
    before, after = _weights(model, params), _weights(model, result.params)
    for index, (one, other) in enumerate(zip(before, after, strict=True)):
        expected = EXPECTED[f"{name}/weights/{index}"]
        travelled = max(np.abs(expected - one).max(), 1e-6)
        assert _far(other, expected, travelled) <= 1e-4, (index, _far(other, expected, travelled))


@pytest.mark.parametrize(
    "path", ["tf_keras_adam.keras", "tf_keras_adam.weights.h5", "tf_keras_adam_weights.h5"]
)
def test_the_other_forms_hold_the_same(path):
    model, params, training = load(FILES / "tf_keras_adam.h5")
    is_whole = path.endswith(".keras")
    again, read, state = load(FILES / path, **({} if is_whole else {"model": model}))
    assert again == model
    assert jax.tree.structure(read) == jax.tree.structure(params)
    assert all(map(np.array_equal, jax.tree.leaves(read), jax.tree.leaves(params)))
    if is_whole:
        assert state.loss == training.loss
        assert all(map(np.array_equal, jax.tree.leaves(state.opt_state), jax.tree.leaves(training.opt_state)))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("legacy_rmsprop", r"RMSprop computed something else before tf\.keras 2\.11"),
        ("nadam", "does not save all of Nadam's state"),
    ],
)
def test_an_optimizer_that_cannot_go_on_is_refused(name, message):
    path = FILES / f"tf_keras_{name}.h5"
    with pytest.raises(KerasFileError, match=message):
        load(path)
    assert load(path, training=False)[2] is None


@pytest.mark.parametrize("ending", ["keras", "h5"])
def test_a_functional_model_goes_on_too(ending):
    """Two inputs, a shared layer, a nested model, merges."""
    model, params, training = load(FILES / f"tf_keras_graph.{ending}")
    x, y = _data()
    pair = [x, x[::-1]]
    assert _far(jaxgd.predict(model, params, pair), EXPECTED["graph/predictions"], 1.0) <= 1e-6
    result = jaxgd.fit(
        model,
        pair,
        y,
        loss=training.loss,
        optimizer=training.optimizer,
        state=training.state(params, model.key(0)),
        epochs=FURTHER,
        batch_size=ROWS,
        shuffle=False,
    )
    found = jaxgd.predict(model, result.params, pair)
    assert _far(found, EXPECTED["graph/after"], np.abs(EXPECTED["graph/after"]).max()) <= 1e-5


def test_what_was_read_can_be_written(tmp_path):
    model, params, training = load(FILES / "tf_keras_adam.h5")
    save(tmp_path / "m.keras", model, params, training)
    again, read, state = load(tmp_path / "m.keras")
    assert again == model
    assert all(map(np.array_equal, jax.tree.leaves(read), jax.tree.leaves(params)))
    assert state.iterations == STEPS
