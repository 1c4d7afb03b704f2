"""The command line as a user types it, in this process: train, evaluate, predict, info."""

import csv
import io
import json
import math
import re

import numpy as np
import pytest
from click.testing import CliRunner

from jaxgd import data, keras_files
from jaxgd.checkpoints import read_checkpoint
from jaxgd.cli.app import app
from jaxgd.runs import open_run
from jaxgd.training import TrainState


def call(*arguments, code=0):
    """The output of a command that must end with this code."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == code, (result.output, result.exception)
    return result


def facts(*arguments, code=0):
    """The JSON object that a command prints last."""
    return json.loads(call(*arguments, "--json", code=code).stdout.splitlines()[-1])


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def small(*more):
    return ["--epochs", "2", "--hidden", "8", "--quiet", *more]


def parsed(text):
    return list(csv.DictReader(io.StringIO(text)))


def read_csv(path):
    return parsed(path.read_text())


def fruit_csv(path, rng, rows=60):
    """Text categories, a gap, a column that is constant in training, two classes by name."""
    size = rng.normal(size=rows)
    color = rng.choice(["red", "green", "<b>"], size=rows)
    with path.open("w") as stream:
        stream.write("size,color,zone,ripe\n")
        for place in range(rows):
            ripe = "yes" if size[place] + (color[place] == "red") > 0 else "no"
            stream.write(f"{size[place]},{color[place]},7,{ripe}\n")


@pytest.mark.parametrize("name", data.EMBEDDED)
def test_embedded_sets_train_evaluate_and_predict(name):
    trained = facts("train", name, *small("--no-report"))
    assert trained["run"] == f"runs/{name}-1"
    assert trained["epochs"] == 2
    assert math.isfinite(trained["loss"])
    again = facts("evaluate", trained["run"])
    assert again["loss"] == trained["val_loss"]
    assert again["metrics"] == trained["metrics"]
    rows = parsed(call("predict", trained["run"], name).stdout)
    table = data.read(name)
    assert len(rows) == table.num_rows
    encoding = open_run(trained["run"]).encoding
    if encoding.classes:
        assert {row["prediction"] for row in rows} <= set(encoding.classes)
    else:
        assert all(math.isfinite(float(row["prediction"])) for row in rows)


def test_a_table_with_text_and_gaps(here, rng):
    fruit_csv(here / "fruit.csv", rng)
    with (here / "fruit.csv").open("a") as stream:
        stream.write(",red,7,yes\n")
    trained = facts("train", "fruit.csv", *small("--missing", "drop", "--out", "run"))
    assert trained["run"] == "run"
    again = facts("evaluate", "run")
    assert (again["loss"], again["metrics"]) == (trained["val_loss"], trained["metrics"])
    whole = facts("evaluate", "run", "fruit.csv")
    assert (whole["rows"], whole["rows_dropped"]) == (60, 1)
    (here / "new.csv").write_text("color,size,zone\nred,0.5,7\nblue,0.5,9\n")
    result = call("predict", "run", "new.csv", "--out", "out.csv")
    assert "'color': 1 cells" in result.stderr
    predicted = read_csv(here / "out.csv")
    assert [set(row) for row in predicted] == [{"prediction", "probability_yes"}] * 2
    for row in predicted:
        assert (row["prediction"] == "yes") == (float(row["probability_yes"]) > 0.5)
    call("predict", "run", "new.csv", "--out", "out.parquet", "--quiet")
    assert data.read("out.parquet").num_rows == 2
    # what training has never seen of the target is an error, not a number
    (here / "other.csv").write_text("size,color,zone,ripe\n1,red,7,maybe\n2,red,7,yes\n")
    assert "'maybe'" in call("evaluate", "run", "other.csv", code=2).stderr
    (here / "less.csv").write_text("size,ripe\n1,yes\n2,no\n")
    assert "color" in call("evaluate", "run", "less.csv", code=2).stderr
    # and a table that has changed is not the one that was held out from
    with (here / "fruit.csv").open("a") as stream:
        stream.write("1,red,7,yes\n")
    assert "fingerprint" in call("evaluate", "run", code=2).stderr


def test_a_column_that_is_constant_in_training_does_not_swamp_later_rows(here, rng):
    fruit_csv(here / "fruit.csv", rng)
    run = facts("train", "fruit.csv", *small("--no-report"))["run"]
    (here / "new.csv").write_text("color,size,zone\nred,0.5,7\nred,0.5,8\n")
    usual, other = parsed(call("predict", run, "new.csv").stdout)
    assert usual["probability_yes"] != other["probability_yes"]
    _, params = open_run(run).trained
    np.testing.assert_array_equal(np.asarray(params["normalization"]["variance"])[1:], 1.0)


def test_the_run_folder(here):
    trained = call("train", "iris", "--epochs", "3", "--hidden", "8,4", "--no-color")
    for word in ("What was inferred", "setosa, versicolor, virginica", "Run folder: runs/iris-1", "held-out"):
        assert word in trained.stdout
    assert re.search(r"numbers +4: \w+", trained.stdout)
    assert "\x1b" not in trained.stdout
    folder = here / "runs" / "iris-1"
    names = {path.name for path in folder.iterdir()}
    assert names == {
        "config.json", "model.keras", "checkpoint", "history.csv", "curves.png", "report.html",
        "started.json",
    }  # fmt: skip
    run = open_run(folder)
    assert run.config["command"] == "jaxgd train iris --epochs 3 --hidden 8,4 --no-color"
    assert run.config["data"]["fingerprint"] == data.read("iris").fingerprint
    model, params, training = keras_files.load(folder / "model.keras")
    saved = read_checkpoint(next((folder / "checkpoint").glob("*.npz")))
    state = saved.below("state").below("train").tree(_like(model, training))
    assert int(state.step) == run.config["results"]["steps"] == saved.facts["step"] == 12
    for name, leaves in params.items():
        for leaf, value in leaves.items():
            np.testing.assert_array_equal(np.asarray(state.params[name][leaf]), np.asarray(value))
    history = read_csv(folder / "history.csv")
    assert [row["epoch"] for row in history] == ["1", "2", "3"]
    assert float(history[-1]["loss"]) == pytest.approx(run.config["results"]["loss"], rel=1e-7)
    assert (folder / "curves.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    assert call("info", folder).stdout.count("softmax") >= 1
    assert "dense" in call("info", folder / "model.keras").stdout


def _like(model, training):
    params = model.init(0)
    trainable = model.trainable(params)
    return TrainState.create(
        params=params, optimizer=training.optimizer, key=model.key(0), trainable=trainable
    )


def test_numbered_folders_and_equal_runs():
    first = facts("train", "iris", *small("--no-report"))
    second = facts("train", "iris", *small("--no-report"))
    assert (first["run"], second["run"]) == ("runs/iris-1", "runs/iris-2")
    assert first["metrics"] == second["metrics"]
    assert first["loss"] == second["loss"]
    other = facts("train", "iris", *small("--no-report", "--seed", "1"))
    assert other["loss"] != first["loss"]


def test_the_json_of_train():
    summary = facts("train", "wine", *small("--no-report"))
    expected = {"run", "epochs", "steps", "loss", "val_loss", "metrics", "seconds", "steps_per_second"}
    assert expected | {"compilations"} <= set(summary)
    assert set(summary["seconds"]) == {"import", "data", "compile", "run"}


def test_no_epochs_evaluate_the_initial_network_and_no_batch_is_too_large():
    summary = facts("train", "iris", "--epochs", "0", "--batch-size", "100000", "--hidden", "none", "--quiet")
    assert (summary["epochs"], summary["steps"], summary["loss"]) == (0, 0, None)
    assert math.isfinite(summary["val_loss"])
    assert facts("evaluate", summary["run"])["loss"] == summary["val_loss"]


def test_nothing_held_out():
    summary = facts("train", "iris", *small("--no-report", "--validation-split", "0"))
    assert (summary["val_loss"], summary["metrics_of"]) == (None, "training")
    assert facts("evaluate", summary["run"])["metrics"] == summary["metrics"]


def test_patience_keeps_the_best_epoch():
    options = ["--epochs", "60", "--hidden", "32", "--learning-rate", "0.1", "--patience", "3"]
    summary = facts("train", "wine", "--quiet", "--no-report", *options)
    assert summary["stopped_early"]
    assert summary["kept_epoch"] == summary["epochs"] - 3
    assert facts("evaluate", summary["run"])["loss"] == summary["val_loss"]


def test_divergence_is_the_answer_no_and_keeps_finite_parameters():
    arguments = ["--optimizer", "sgd", "--learning-rate", "1e30", "--hidden", "8", "--no-report", "--quiet"]
    result = CliRunner().invoke(app, ["train", "diabetes", *arguments, "--json"])
    assert result.exit_code == 1
    assert "epoch 1, step" in result.stderr
    assert "Try a lower --learning-rate" in result.stderr
    summary = json.loads(result.stdout.splitlines()[-1])
    assert summary["divergence"]["epoch"] == 1
    _, params = open_run(summary["run"]).trained
    assert all(np.isfinite(leaf).all() for leaves in params.values() for leaf in leaves.values())


def test_float64():
    summary = facts("train", "iris", *small("--no-report", "--dtype", "float64"))
    assert facts("evaluate", summary["run"])["loss"] == summary["val_loss"]
    assert call("predict", summary["run"], "iris").stdout.count("\n") == 151


def test_plain_descent_on_a_regression_does_not_diverge_by_default():
    summary = facts("train", "diabetes", "--optimizer", "sgd", "--epochs", "5", "--quiet", "--no-report")
    assert summary["divergence"] is None
    assert summary["metrics"]["r2_score"] > 0


def test_a_keras_file_without_a_run(here):
    run = facts("train", "iris", *small("--no-report"))["run"]
    on_model = facts("evaluate", f"{run}/model.keras", "iris")
    on_run = facts("evaluate", run, "iris")
    assert on_model["metrics"]["accuracy"] == pytest.approx(on_run["metrics"]["accuracy"], rel=1e-6)
    assert on_model["loss"] == pytest.approx(on_run["loss"], rel=1e-6)
    table = data.read("iris")
    columns = table.names
    lines = [
        ",".join(columns[:-1]),
        *(",".join(map(str, row)) for row in zip(*table.columns[:-1], strict=True)),
    ]
    (here / "features.csv").write_text("\n".join(lines) + "\n")
    outputs = list(csv.reader(io.StringIO(call("predict", f"{run}/model.keras", "features.csv").stdout)))
    assert outputs[0] == ["output_0", "output_1", "output_2"]
    assert len(outputs) == 151
    assert sum(map(float, outputs[1])) == pytest.approx(1.0, abs=1e-6)


def test_a_full_disk_is_a_message(here, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("jaxgd.runs.writing.write_history", full)
    result = call("train", "iris", *small("--out", "run"), code=2)
    kept = "What was saved before is untouched; go on with: jaxgd train --resume run"
    assert result.stderr == f"Error: run: No space left on device. {kept}\n"
    assert not (here / "run" / "config.json").exists()  # not a run, so that the folder can be used again


def test_quiet_prints_nothing():
    result = call("train", "iris", *small())
    assert result.output == ""


def test_first_steps_help_and_info():
    assert "jaxgd train" in call().stdout
    for command in ("train", "evaluate", "predict", "info"):
        assert "Example" in call(command, "--help").stdout
    assert "jaxgd train my.csv" in call().stdout
    versions = facts("info")
    assert versions["versions"]["jax"]
    assert versions["devices"]
    assert {each["name"] for each in facts("info", "iris")["columns"]} >= {"target"}
