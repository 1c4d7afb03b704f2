"""Models with several inputs and outputs, and with a graph of layers, on the command line."""

import csv
import io
import json

import numpy as np
import polars
import pytest
from click.testing import CliRunner

import jaxgd
from jaxgd import layers, losses, optimizers
from jaxgd.cli.app import app
from jaxgd.keras_files import KerasTraining

SOURCE = np.random.default_rng(3)
ROWS = 6
TABLE = {
    "u": SOURCE.normal(size=ROWS),
    "v": SOURCE.normal(size=ROWS),
    "price": SOURCE.normal(size=ROWS),
    "w": SOURCE.normal(size=ROWS),
    "kind": np.arange(ROWS) % 3,
}


def two_of_each():
    """Inputs a (u, v) and b (w); outputs price and kind."""
    nodes = {
        "h": (layers.dense(4, "tanh"), "a"),
        "j": (layers.concatenate(), ["h", "b"]),
        "price": (layers.dense(1), "j"),
        "kind": (layers.dense(3, "softmax"), "j"),
    }
    return jaxgd.graph({"a": 2, "b": 1}, nodes, ["price", "kind"])


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    model = two_of_each()
    training = KerasTraining(
        {"price": losses.get("mse"), "kind": losses.get("sparse_categorical_crossentropy")},
        optimizers.adam(),
        metrics={"kind": ["accuracy"]},
        loss_weights={"price": 0.5, "kind": 1.0},
    )
    jaxgd.save("m.keras", model, model.init(0), training=training)
    jaxgd.save("bare.keras", model, model.init(0))
    table = polars.DataFrame(TABLE)
    table.write_csv("t.csv")
    table.drop("price", "kind").write_csv("x.csv")
    return model, model.init(0)


def call(*arguments, code=0):
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == code, (result.output, result.exception)
    return result


def arrays():
    x = [np.stack([TABLE["u"], TABLE["v"]], axis=1), TABLE["w"][:, None]]
    return [part.astype(np.float32) for part in x]


@pytest.mark.parametrize("data", ["t.csv", "x.csv"])
def test_predict_names_the_outputs(here, data):
    rows = list(csv.DictReader(io.StringIO(call("predict", "m.keras", data).stdout)))
    price, kind = jaxgd.predict(*here, arrays())
    assert list(rows[0]) == ["price", "kind_0", "kind_1", "kind_2"]
    np.testing.assert_allclose([float(row["price"]) for row in rows], price[:, 0], rtol=1e-6)
    for place in range(3):
        np.testing.assert_allclose([float(row[f"kind_{place}"]) for row in rows], kind[:, place], rtol=1e-6)


def test_evaluate_takes_the_columns_of_the_outputs(here):
    found = json.loads(call("evaluate", "m.keras", "t.csv", "--json").stdout.splitlines()[-1])
    expected = jaxgd.evaluate(
        *here,
        arrays(),
        {"price": TABLE["price"].astype(np.float32), "kind": TABLE["kind"]},
        loss={"price": "mse", "kind": "sparse_categorical_crossentropy"},
        loss_weights={"price": 0.5, "kind": 1.0},
        metrics={"kind": ["accuracy"]},
    )
    assert {"loss": found["loss"], **found["metrics"]} == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("evaluate", "m.keras", "x.csv"), "no target for the output 'price'"),
        (("evaluate", "m.keras", "t.csv", "--target", "kind"), "are for one output"),
        (("evaluate", "bare.keras", "t.csv"), "was not compiled"),
        (("predict", "m.keras", "iris"), "takes 3"),
        (("train", "t.csv", "--target", "kind", "--from", "m.keras"), "one input and one output"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_what_does_not_fit_is_refused(here, arguments, message):
    result = call(*arguments, code=2)
    assert message in result.output
    assert "Traceback" not in result.output


def test_a_run_goes_on_from_a_graph(here):
    nodes = {
        "h": (layers.dense(8, "relu"), "rows"),
        "k": (layers.dense(8), "rows"),
        "s": (layers.add(), ["h", "k"]),
        "out": (layers.dense(3, "softmax"), "s"),
    }
    model = jaxgd.graph({"rows": 4}, nodes, "out")
    jaxgd.save("g.keras", model, model.init(0))
    call("train", "iris", "--from", "g.keras", "--epochs", 2, "--out", "run")
    trained, params, training = jaxgd.load("run/model.keras")
    assert trained.output_names == ("out",)
    assert training.iterations == 8
    assert not np.array_equal(params["h"]["kernel"], model.init(0)["h"]["kernel"])
    assert "accuracy" in call("evaluate", "run").output
    assert call("predict", "run", "iris").stdout.startswith("prediction,probability_setosa")
