"""Graphs against the installed Keras: seeds, outputs in fit, shared dropout, merges at ties, old files."""

import functools
import json
import zipfile

import jax
import keras
import numpy as np
import pytest
import tensorflow as tf
from keras_twins import precision, relative_error

import jaxgd
from jaxgd import layers
from jaxgd.keras_files import KerasFileError, KerasTraining

ROWS = 21


def towers():
    """The same model in Keras and in jaxgd, layers constructed in one order; some are shared."""
    keras.utils.set_random_seed(5)
    left, right = keras.Input((3,), name="left"), keras.Input((3,), name="right")
    code, drop = keras.layers.Dense(8, "relu", name="code"), keras.layers.Dropout(0.5, name="drop")
    inner = keras.Sequential(
        [keras.Input((8,)), keras.layers.Dense(4, "tanh"), keras.layers.Dropout(0.2)], name="inner"
    )
    norm = keras.layers.BatchNormalization(name="norm")
    a, b = drop(code(left)), drop(code(right))
    both = keras.layers.Concatenate(name="both")([norm(inner(a)), norm(inner(b))])
    price = keras.layers.Dense(1, name="price", kernel_regularizer="l2")(both)
    kind = keras.layers.Dense(3, "softmax", name="kind")(both)
    network = keras.Model([left, right], [price, kind])
    floatx = keras.config.floatx()
    nested = jaxgd.sequential([layers.dense(4, "tanh"), layers.dropout(0.2)], 8, dtype=floatx)
    model = jaxgd.graph(
        {"left": 3, "right": 3},
        {
            "code": (layers.dense(8, "relu"), "left"),
            "drop": (layers.dropout(0.5), "code"),
            "code_right": ("code", "right"),
            "drop_right": ("drop", "code_right"),
            "inner": (nested, "drop"),
            "inner_right": ("inner", "drop_right"),
            "norm": (layers.batch_normalization(), "inner"),
            "norm_right": ("norm", "inner_right"),
            "both": (layers.concatenate(), ["norm", "norm_right"]),
            "price": (layers.dense(1, kernel_regularizer="l2"), "both"),
            "kind": (layers.dense(3, "softmax"), "both"),
        },
        ["price", "kind"],
        dtype=floatx,
    )
    return network, model


def data():
    rng = np.random.default_rng(1)
    x = {name: rng.normal(size=(ROWS, 3)) for name in ("left", "right")}
    return x, [rng.normal(size=(ROWS, 1)), rng.integers(0, 3, ROWS)], rng.uniform(0.5, 2.0, size=(2, ROWS))


COMPILED = {
    "loss": ["mean_squared_error", "sparse_categorical_crossentropy"],
    "loss_weights": [0.5, 2.0],
    "metrics": [["mae"], ["accuracy", "accuracy"]],
    "weighted_metrics": [["mae"], []],
}


def test_several_outputs_train_as_in_keras():
    """Eagerly: Keras's compiled steps weigh `price_loss` of a short batch like that of a full one."""
    x, y, weights = data()
    with precision("float64"):
        network, model = towers()
        network.compile(optimizer=keras.optimizers.Adam(0.01), run_eagerly=True, **COMPILED)
        held_out = ({name: each[:9] for name, each in x.items()}, [each[:9] for each in y])
        settings = {"epochs": 2, "batch_size": 8, "shuffle": False, "validation_data": held_out}
        settings["sample_weight"] = list(weights)
        theirs = network.fit(x, y, verbose=0, **settings).history
        adam = jaxgd.optimizers.adam(0.01)
        ours = jaxgd.fit(model, x, y, optimizer=adam, seed=5, **COMPILED, **settings)
        assert set(ours.history) == set(theirs)
        for name, values in theirs.items():
            np.testing.assert_allclose(ours.history[name], values, rtol=1e-9, err_msg=name)
        expected = network.predict(x, verbose=0)
        for one, other in zip(jaxgd.predict(model, ours.params, x), expected, strict=True):
            assert relative_error(one, other) < 1e-9
        measured = network.evaluate(x, y, verbose=0, return_dict=True, sample_weight=list(weights))
        found = jaxgd.evaluate(model, ours.params, x, y, sample_weight=list(weights), **COMPILED)
        assert set(found) == set(measured)
        for name, value in measured.items():
            assert found[name] == pytest.approx(value, rel=1e-9), name


@pytest.mark.filterwarnings("ignore:Gradients do not exist")
def test_one_weight_for_all_outputs_and_a_loss_for_one():
    x, y, weights = data()
    with precision("float64"):
        network, model = towers()
        compiled = {"loss": {"price": "mean_squared_error", "kind": None}, "metrics": {"price": ["mae"]}}
        network.compile(optimizer=keras.optimizers.SGD(0.1), **compiled)
        settings = {"epochs": 2, "batch_size": 8, "shuffle": False, "sample_weight": weights[0]}
        theirs = network.fit(x, y, verbose=0, **settings).history
        ours = jaxgd.fit(model, x, y, optimizer=jaxgd.optimizers.sgd(0.1), seed=5, **compiled, **settings)
        assert set(ours.history) == set(theirs)
        for name, values in theirs.items():
            np.testing.assert_allclose(ours.history[name], values, rtol=1e-9, err_msg=name)


def test_an_own_loss_of_one_output():
    """With targets of rank 1 for an output [rows, 1], beside labels of classes for another."""
    x, (price, kind), _ = data()
    y = [price[:, 0], kind]

    def own(y_true, y_pred):
        return (y_true - y_pred)[:, 0] ** 2

    with precision("float64"):
        network, model = towers()
        compiled = {"loss": [own, "sparse_categorical_crossentropy"]}
        network.compile(run_eagerly=True, **compiled)
        expected = network.evaluate(x, y, batch_size=8, verbose=0, return_dict=True)
        found = jaxgd.evaluate(model, model.init(5), x, y, batch_size=8, **compiled)
        assert set(found) == set(expected)
        for name, value in expected.items():
            assert found[name] == pytest.approx(value, rel=1e-9), name


def _total(layer, one, other):
    return layer.forward({}, (one, other), layers.Context()).y.sum()


def test_ties_have_tensorflows_gradient():
    a, b = np.array([[1.0, 2.0, 3.0]], np.float32), np.array([[1.0, 5.0, 3.0]], np.float32)
    for ours, theirs in (
        (layers.maximum(), keras.layers.Maximum()),
        (layers.minimum(), keras.layers.Minimum()),
    ):
        one, other = tf.constant(a), tf.constant(b)
        with tf.GradientTape() as tape:
            tape.watch([one, other])
            total = tf.reduce_sum(theirs([one, other]))
        expected = tape.gradient(total, [one, other])
        found = jax.grad(functools.partial(_total, ours), (0, 1))(a, b)
        for mine, reference in zip(found, expected, strict=True):
            assert np.array_equal(mine, reference.numpy())


def _as_keras_2(value):
    """Inbound nodes as tf.keras 2 writes them: lists, nested models' calls counted from 1."""
    models = {
        each["name"]
        for each in value["config"]["layers"]
        if each["class_name"] in ("Sequential", "Functional")
    }

    def listed(tensor):
        layer, node, output = tensor["config"]["keras_history"]
        return [layer, node + (layer in models), output, {}]

    for each in value["config"]["layers"]:
        if each["class_name"] == "Functional":
            _as_keras_2(each)
        each["inbound_nodes"] = [
            [listed(t) for t in (node["args"][0] if isinstance(node["args"][0], list) else node["args"])]
            for node in each["inbound_nodes"]
        ]


def _rewritten(path, target, change):
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    config = json.loads(members["config.json"])
    change(config)
    members["config.json"] = json.dumps(config).encode()
    with zipfile.ZipFile(target, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)


def test_the_lists_of_keras_2_are_read(tmp_path):
    x, _, _ = data()
    network, _ = towers()
    network.save(tmp_path / "new.keras")
    _rewritten(tmp_path / "new.keras", tmp_path / "old.keras", _as_keras_2)
    (new, params, _), (old, _, _) = (jaxgd.load(tmp_path / f"{name}.keras") for name in ("new", "old"))
    assert old == new
    for one, other in zip(jaxgd.predict(old, params, x), network.predict(x, verbose=0), strict=True):
        assert relative_error(one, other) < 1e-5


def test_a_layer_outside_is_refused_by_name(tmp_path):
    start = keras.Input((4, 3))
    model = keras.Model(start, keras.layers.Dense(1)(keras.layers.LSTM(2, name="memory")(start)))
    model.save(tmp_path / "m.keras")
    with pytest.raises(KerasFileError, match=r"'memory'.*'LSTM' are not known to jaxgd.*Replace the layer"):
        jaxgd.load(tmp_path / "m.keras")


def test_an_operation_in_place_of_a_layer_is_refused_by_name(tmp_path):
    start = keras.Input((4,))
    model = keras.Model(start, keras.layers.Dense(1)(start * 2.0 + 1.0))
    model.save(tmp_path / "m.keras")
    with pytest.raises(KerasFileError, match="'Multiply' is an operation on tensors, not a layer"):
        jaxgd.load(tmp_path / "m.keras")


def test_a_layer_of_two_models_is_refused_by_name(tmp_path):
    both = keras.layers.Dense(3, name="both")
    start = keras.Input((3,))
    inner = keras.Model(start, both(start))
    outer = keras.Input((3,))
    keras.Model(outer, both(inner(outer))).save(tmp_path / "m.keras")
    with pytest.raises(KerasFileError, match="'both' belongs to two models"):
        jaxgd.load(tmp_path / "m.keras")


def test_models_that_take_and_give_dicts_come_back(tmp_path):
    a, b = keras.Input((2,), name="a"), keras.Input((3,), name="b")
    pair = keras.Model(
        {"b": b, "a": a}, {"u": keras.layers.Dense(2)(a), "v": keras.layers.Dense(2)(b)}, name="pair"
    )
    x, z = keras.Input((2,), name="x"), keras.Input((3,), name="z")
    found = pair({"a": x, "b": z})
    network = keras.Model(
        {"x": x, "z": z}, {"sum": keras.layers.Add()([found["u"], found["v"]]), "u": found["u"]}
    )
    network.save(tmp_path / "m.keras")
    model, params, _ = jaxgd.load(tmp_path / "m.keras")
    values = {"x": np.ones((4, 2), "float32"), "z": np.full((4, 3), 2.0, "float32")}
    jaxgd.save(tmp_path / "again.keras", model, params)
    again = keras.models.load_model(tmp_path / "again.keras").predict(values, verbose=0)
    theirs, ours = network.predict(values, verbose=0), jaxgd.predict(model, params, values)
    assert set(theirs) == set(ours) == set(again)
    for name, value in theirs.items():
        assert relative_error(ours[name], value) < 1e-6
        assert relative_error(again[name], value) < 1e-6


def test_what_keras_loses_is_reported(tmp_path):
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile(loss=keras.losses.Huber(2.5), optimizer="sgd")
    model.save(tmp_path / "m.keras")
    training = jaxgd.load(tmp_path / "m.keras")[2]
    assert training.notes == ("Keras does not write the delta of Huber; 1.0 is taken.",)
    assert keras.models.load_model(tmp_path / "m.keras").loss.get_config().get("delta", 1.0) == 1.0


def test_excluded_from_weight_decay_is_lost_by_keras_but_not_by_jaxgd(tmp_path):
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    optimizer = keras.optimizers.AdamW()
    optimizer.exclude_from_weight_decay(var_names=["bias"])
    model.compile(loss="mse", optimizer=optimizer)
    model.save(tmp_path / "m.keras")
    network, params, training = jaxgd.load(tmp_path / "m.keras")
    (note,) = training.notes
    assert "exclude_from_weight_decay" in note
    ours = jaxgd.optimizers.adamw(exclude_from_weight_decay=["bias"])
    jaxgd.save(tmp_path / "ours.keras", network, params, KerasTraining("mse", ours))
    training = jaxgd.load(tmp_path / "ours.keras")[2]
    assert training.notes == ()
    assert training.optimizer.settings["exclude_from_weight_decay"] == ("bias",)
