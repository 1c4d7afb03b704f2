"""Files of Keras on the command line: evaluate, predict, info, convert, and train --from."""

import csv
import io
import json
import shutil
import zipfile

import jax
import numpy as np
import pytest
from click.testing import CliRunner

import jaxgd
from jaxgd import data, keras_files, layers, losses, optimizers, schedules
from jaxgd.cli.app import app
from jaxgd.keras_files import KerasTraining
from jaxgd.runs import open_run

FEATURES, CLASSES = 4, 3


@pytest.fixture(scope="module")
def shelf(tmp_path_factory):
    """A trained model, and its weights alone in both forms."""
    folder = tmp_path_factory.mktemp("shelf")
    model, result = trained(folder / "m.keras")
    jaxgd.save(folder / "w.weights.h5", model, result.params)
    jaxgd.save(folder / "w.safetensors", model, result.params)
    return folder


@pytest.fixture
def here(tmp_path, monkeypatch, shelf):
    """A folder of its own with those files."""
    for path in shelf.iterdir():
        shutil.copy(path, tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def call(*arguments, code=0):
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == code, (result.output, result.exception)
    return result


def facts(*arguments):
    return json.loads(call(*arguments, "--json").stdout.splitlines()[-1])


def iris():
    prepared = data.prepare(data.read("iris"))
    return prepared.x, prepared.y


def trained(path, dtype="float32", epochs=3, **settings):
    """A model trained on all of iris, in a file."""
    x, y = iris()
    stack = [layers.dense(8, "tanh"), layers.dense(CLASSES, "softmax")]
    model = jaxgd.sequential(stack, FEATURES, dtype=dtype)
    loss = losses.get("sparse_categorical_crossentropy")
    optimizer = optimizers.adam(0.01)
    result = jaxgd.fit(model, x, y, loss=loss, optimizer=optimizer, epochs=epochs, **settings)
    training = KerasTraining(loss, optimizer, result.state.opt_state, ("accuracy",))
    jaxgd.save(path, model, result.params, training)
    return model, result


def table(text):
    rows = list(csv.DictReader(io.StringIO(text)))
    return np.array([[float(value) for value in row.values()] for row in rows])


def test_float64_models_are_evaluated_and_predict_in_float64(here):
    with jax.enable_x64(True):
        model, result = trained("m.keras", "float64")
        x = data.prepare(data.read("iris"), dtype=np.float64).x
        expected = np.asarray(model.apply(result.params, x))
    assert np.array_equal(table(call("predict", "m.keras", "iris").stdout), expected)
    accuracy = (expected.argmax(axis=1) == iris()[1]).mean()
    assert facts("evaluate", "m.keras", "iris")["metrics"]["accuracy"] == pytest.approx(accuracy)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_training_goes_on_from_a_file(here, dtype):
    """Two epochs after the file's three are the last two of five."""
    with jax.enable_x64(dtype == "float64"):
        _, first = trained("m.keras", dtype, shuffle=False)
        model, params, training = keras_files.load("m.keras")
        x, y = data.prepare(data.read("iris"), dtype=dtype).x, iris()[1]
        state = training.state(params, model.key(0))
        whole = jaxgd.fit(
            model, x, y, loss=training.loss, optimizer="adam", state=state, epochs=2, batch_size=150
        )
    options = ("--epochs", 2, "--batch-size", 150, "--validation-split", 0, "--no-report")
    found = facts("train", "iris", "--from", "m.keras", "--out", "run", *options)
    assert found["loss"] == pytest.approx(whole.history["loss"][-1], rel=1e-6)
    assert found["steps"] == 2
    with jax.enable_x64(dtype == "float64"):
        again = keras_files.load("run/model.keras")[2]
        assert again.iterations == int(first.state.opt_state.count) + 2
    assert facts("evaluate", "run")["loss"] == pytest.approx(
        found["val_loss"] or facts("evaluate", "run")["loss"]
    )


def test_a_run_from_a_file_keeps_the_options_of_its_loss(here):
    model = jaxgd.mlp([FEATURES, CLASSES], output_activation="softmax")
    loss = losses.get("categorical_crossentropy", label_smoothing=0.25)
    jaxgd.save("m.keras", model, model.init(0), KerasTraining(loss, "sgd", metrics=("auc",)))
    call("train", "iris", "--from", "m.keras", "--out", "run", "--epochs", 1, "--no-report")
    run = open_run("run")
    assert run.loss == loss
    assert [metric.name for metric in run.metrics] == ["auc"]
    assert set(facts("evaluate", "run", "iris")["metrics"]) == {"auc"}


def test_a_run_from_a_file_with_a_schedule_says_its_rate_at_the_start(here):
    model = jaxgd.mlp([FEATURES, CLASSES], output_activation="softmax")
    adam = optimizers.adam(schedules.exponential_decay(0.5, 1, 0.1))
    result = jaxgd.fit(model, *iris(), loss="crossentropy", optimizer=adam, epochs=1, batch_size=150)
    jaxgd.save("m.keras", model, result, KerasTraining("sparse_categorical_crossentropy", adam))
    call("train", "iris", "--from", "m.keras", "--out", "run", "--epochs", 1)
    config = json.loads((here / "run" / "config.json").read_text())
    assert config["inferred"]["learning_rate"] == pytest.approx(0.05)


def test_a_model_that_was_not_compiled_takes_the_options(here):
    model = jaxgd.mlp([FEATURES, CLASSES], output_activation="softmax")
    jaxgd.save("m.keras", model, model.init(0))
    found = facts("train", "iris", "--from", "m.keras", "--epochs", 2, "--no-report")
    assert keras_files.load(f"{found['run']}/model.keras")[2].optimizer.name == "adam"


def test_another_learning_rate_is_taken_and_a_run_resumes(here):
    call(
        "train",
        "iris",
        "--from",
        "m.keras",
        "--learning-rate",
        0.5,
        "--epochs",
        1,
        "--out",
        "run",
        "--no-report",
    )
    call("train", "--resume", "run", "--epochs", 2, "--no-report")
    training = keras_files.load("run/model.keras")[2]
    assert float(training.opt_state.hyperparameters["learning_rate"]) == 0.5


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("train", "iris", "--from", "m.keras", "--hidden", "3"), "has its own hidden"),
        (("train", "iris", "--from", "m.keras", "--optimizer", "sgd"), "has its own optimizer"),
        (("train", "wine", "--from", "m.keras"), "expected 13 features"),
        (("train", "iris", "--from", "none.keras"), "No such file"),
        (("train", "iris", "--from", "w.weights.h5"), "weights alone"),
        (("convert", "m.keras", "m.onnx"), "expected a name that ends in one of"),
        (("convert", "m.keras", "m.keras"), "is the file to read"),
        (("convert", "w.weights.h5", "n.keras"), "weights alone"),
        (("convert", "m.keras", "n.keras", "--model", "m.keras"), "model of its own"),
        (("info", "w.weights.h5"), "jaxgd convert WEIGHTS NEW.keras --model"),
        (("predict", "w.safetensors", "iris"), "weights alone"),
        (("info", "w.safetensors"), "weights alone"),
        (("convert", "m.keras", "none/m.keras"), "none: no such folder"),
    ],
)
def test_bad_input(here, arguments, message):
    assert message in call(*arguments, code=2).stderr
    left = sorted(path.name for path in here.iterdir() if path.name != "runs")
    assert left == ["m.keras", "w.safetensors", "w.weights.h5"]


def test_a_loss_of_the_users_own_keeps_nobody_from_the_model(here):
    """Predictions, metrics and the description need none; going on with training does, and is refused."""
    with zipfile.ZipFile("m.keras") as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    config = json.loads(members["config.json"])
    own = {"module": "builtins", "class_name": "function", "config": "own", "registered_name": "function"}
    config["compile_config"]["loss"] = own
    with zipfile.ZipFile("own.keras", "w") as archive:
        for name, content in {**members, "config.json": json.dumps(config).encode()}.items():
            archive.writestr(name, content)
    said = call("predict", "own.keras", "iris")
    assert "unknown loss 'own'" in said.stderr
    assert said.stdout == call("predict", "m.keras", "iris").stdout
    found, expected = (facts("evaluate", name, "iris")["metrics"] for name in ("own.keras", "m.keras"))
    assert found == expected
    described = facts("info", "own.keras")
    assert "unknown loss 'own'" in described["unread_training"]
    assert described["training"] is None
    assert "unknown loss 'own'" in call("train", "iris", "--from", "own.keras", code=2).stderr


def test_convert_takes_the_state_of_an_optimizer_along(here):
    one = jaxgd.load("m.keras")
    call("convert", "m.keras", "s.weights.h5")
    assert facts("convert", "s.weights.h5", "n.keras", "--model", "m.keras")["iterations"] == 15
    again = jaxgd.load("n.keras")
    jax.tree.map(np.testing.assert_array_equal, again[2].opt_state, one[2].opt_state)
    call("convert", "m.keras", "bare.keras", "--weights-only")
    said = call("convert", "s.weights.h5", "o.keras", "--model", "bare.keras")
    assert "the optimizer's state in s.weights.h5 is left out. bare.keras: it is not compiled" in said.stderr
    assert facts("convert", "s.weights.h5", "w.safetensors", "--model", "m.keras")["optimizer"] is None
    assert (
        facts("convert", "s.weights.h5", "p.keras", "--model", "m.keras", "--weights-only")["optimizer"]
        is None
    )


def test_convert_there_and_back(here):
    assert facts("convert", "m.keras", "w.safetensors")["optimizer"] is None
    call("convert", "w.safetensors", "w.weights.h5", "--model", "m.keras")
    assert facts("convert", "w.weights.h5", "n.keras", "--model", "m.keras")["parameters"] == 67
    one, other = keras_files.load("m.keras"), keras_files.load("n.keras")
    assert one[0] == other[0]
    assert all(map(np.array_equal, jax.tree.leaves(one[1]), jax.tree.leaves(other[1])))
    assert facts("convert", "m.keras", "o.keras")["iterations"] == one[2].iterations == 15
    assert keras_files.load("o.keras")[2].iterations == 15
    call("convert", "m.keras", "p.keras", "--weights-only")
    assert keras_files.load("p.keras")[2] is None


def test_info(here):
    found = facts("info", "m.keras")
    assert (found["parameters"], found["trainable_parameters"]) == (67, 67)
    assert found["training"]["iterations"] == 15
    assert found["training"]["optimizer"] == "adam"
    assert [layer["class"] for layer in found["layers"]] == ["Dense", "Dense"]
    assert "15 iterations" in call("info", "m.keras").stdout


@pytest.mark.parametrize(
    ("loss", "output", "metrics"),
    [
        ("mse", "linear", {"mae", "r2_score"}),
        ("mse", "sigmoid", {"accuracy", "auc"}),
        ("binary_crossentropy", "sigmoid", {"accuracy", "auc"}),
        ("huber", None, {"mae", "r2_score"}),
    ],
)
def test_the_task_is_that_of_the_models_loss_where_it_is_clear(here, loss, output, metrics):
    """Whole numbers 0 and 1 are classes to the column alone."""
    (here / "t.csv").write_text("a,b,y\n" + "".join(f"{i},{i % 3},{i % 2}\n" for i in range(20)))
    model = jaxgd.mlp([2, 1], output_activation=output)
    jaxgd.save("m.keras", model, model.init(0), KerasTraining(losses.get(loss), optimizers.adam(0.01)))
    assert set(facts("evaluate", "m.keras", "t.csv", "--target", "y")["metrics"]) == metrics
    call("train", "t.csv", "--from", "m.keras", "--epochs", 1, "--out", "run", "--no-report")
    assert set(facts("evaluate", "run")["metrics"]) == metrics
    asked = facts("evaluate", "m.keras", "t.csv", "--target", "y", "--task", "binary")
    assert set(asked["metrics"]) == {"accuracy", "auc"}
