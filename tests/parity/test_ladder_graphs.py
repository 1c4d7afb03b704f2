"""The ladder for Functional models: several inputs and outputs, shared layers, merges, nested models."""

import json
from dataclasses import replace

import keras
import numpy as np
import pytest
from keras_twins import precision
from test_graphs_keras import COMPILED, data, towers

from jaxgd.cli.app import app
from jaxgd.parity.climbing import NAMES, climb
from jaxgd.parity.trace import read_trace, write_trace
from jaxgd.parity.your_model import record_file


def test_shared_and_nested_layers_train_as_in_keras(parity):
    """Dropout and batch normalization are called twice a step; each output has weights of its own."""
    x, y, weights = data()
    with precision("float64"):
        network, _ = towers()
        network.compile(optimizer=keras.optimizers.Adam(0.01), **COMPILED)
    parity.assert_same_training(
        network, x, y, sample_weight=list(weights), steps=4, batch_size=8, dtypes=("float64",)
    )


def pair():
    """Two inputs, two outputs in a dict, one layer called twice; the same for each call."""
    keras.utils.set_random_seed(2)
    left, right = keras.Input((3,), name="left"), keras.Input((3,), name="right")
    code = keras.layers.Dense(5, "relu", name="code")
    both = keras.layers.Add(name="both")([code(left), code(right)])
    outputs = {
        "price": keras.layers.Dense(1, name="price")(both),
        "kind": keras.layers.Dense(3, "softmax", name="kind")(both),
    }
    network = keras.Model({"left": left, "right": right}, outputs, name="pair")
    network.compile(
        keras.optimizers.SGD(0.1, momentum=0.9),
        loss={"price": "mse", "kind": "sparse_categorical_crossentropy"},
        loss_weights={"price": 0.5, "kind": 2.0},
        metrics={"kind": ["accuracy"]},
    )
    return network


def test_the_command_takes_a_table_of_all_inputs_and_outputs(tmp_path, capsys):
    model, table = tmp_path / "pair.keras", tmp_path / "rows.csv"
    pair().save(model)
    rng = np.random.default_rng(4)
    rows = np.column_stack([rng.normal(size=(20, 7)).round(3), rng.integers(0, 3, 20)])
    header = "a,b,c,d,e,f,price,kind"
    np.savetxt(table, rows, fmt=[*["%.3f"] * 7, "%d"], delimiter=",", header=header, comments="")
    with pytest.raises(SystemExit) as ended:
        app.main(["parity", str(model), "--data", str(table), "--steps", "4", "--batch-size", "8", "--json"])
    out = capsys.readouterr().out
    assert ended.value.code == 0, out
    for ladder in json.loads(out.splitlines()[-1])["ladders"]:
        assert [rung["name"] for rung in ladder["rungs"]] == list(NAMES)
        assert {rung["status"] for rung in ladder["rungs"]} <= {"passed", "skipped"}
        fit = next(rung for rung in ladder["rungs"] if rung["name"] == "fit")
        assert "price_loss" in fit["message"]
    np.savetxt(table, rows[:, :7], fmt="%.3f", delimiter=",", header=header[:-5], comments="")
    with pytest.raises(SystemExit) as ended:
        app.main(["parity", str(model), "--data", str(table)])
    assert ended.value.code == 2
    assert "expected 8 columns" in capsys.readouterr().err


def test_a_trace_of_a_graph_breaks_where_it_was_changed(tmp_path):
    model, trace = tmp_path / "pair.keras", tmp_path / "pair.trace.npz"
    pair().save(model)
    write_trace(trace, record_file(model, steps=2, batch_size=6, dtype="float64"))
    recording = read_trace(trace)
    assert {"forward/code/0", "forward/code/1", "data/x/1", "data/y/0", "predict/1"} <= set(recording.arrays)
    other = {**recording.facts, "loss_weights": {"price": 0.5, "kind": 1.0}}
    assert climb(replace(recording, facts=other)).broken.name == "loss"
    swapped = {**recording.arrays, "forward/code/0": recording.arrays["forward/code/1"]}
    broken = climb(replace(recording, arrays=swapped)).broken
    assert broken.name == "forward"
    assert "forward" in str(broken)
    assert "code/0" in broken.message
