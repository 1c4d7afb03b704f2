"""`jaxgd sweep` as a user types it."""

import csv
import json

import numpy as np
import pytest
from click.testing import CliRunner

from jaxgd.cli.app import app
from jaxgd.runs import open_run


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch, rng):
    monkeypatch.chdir(tmp_path)
    x = rng.normal(size=(60, 2))
    with open("points.csv", "w") as stream:
        stream.write("a,b,kind\n")
        for a, b in x:
            stream.write(f"{a},{b},{'up' if a > b else 'down'}\n")
    return tmp_path


SMALL = ["sweep", "points.csv", "--hidden", "4", "--dropout", "0", "--epochs", "2", "--plan", "sequential"]


def call(*arguments, code=0):
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == code, (result.output, result.exception)
    return result


def facts(*arguments, code=0):
    return json.loads(call(*arguments, "--json", "--quiet", code=code).stdout.splitlines()[-1])


def read(path):
    return list(csv.DictReader(path.read_text().splitlines()))


def test_a_sweep_writes_table_picture_and_the_best_run(here):
    found = facts(*SMALL, "--grid", "learning_rate=1e-3..1e-1:log:3", "--grid", "dropout=0,0.2", "--seeds", 2)
    assert (found["members"], found["done"], found["compilations"]) == (12, 12, 2)
    folder = here / found["sweep"]
    rows = read(folder / "sweep.csv")
    values = [float(row["val_loss"]) for row in rows]
    assert len(rows) == 12
    assert values == sorted(values)
    assert found["best"]["val_loss"] == values[0]
    assert (folder / "sweep.png").read_bytes().startswith(b"\x89PNG")
    run = open_run(found["run"])
    # the run was trained once more by the code of `train`: the same number, bit for bit
    history = read(here / found["run"] / "history.csv")
    assert np.float32(history[-1]["val_loss"]) == np.float32(values[0])
    assert run.settings.seed == int(rows[0]["seed"])


def test_the_command_in_the_best_run_repeats_it(here):
    found = facts(*SMALL, "--grid", "learning_rate=0.1,0.01", "--seed", 3, "--seeds", 2)
    config = json.loads((here / found["run"] / "config.json").read_text())
    words = config["command"].split()
    assert words[:3] == ["jaxgd", "train", "points.csv"]
    again = facts(*words[1:])
    assert again["val_loss"] == config["results"]["val_loss"]


def test_folds_and_refit(here):
    found = facts(*SMALL, "--grid", "learning_rate=0.1,0.001", "--folds", 3, "--refit")
    assert found["members"] == 6
    config = json.loads((here / found["run"] / "config.json").read_text())
    assert config["inferred"]["held_out_rows"] == 0
    assert config["inferred"]["training_rows"] == 60


def test_halving_and_samples(here):
    found = facts(
        *SMALL, "--epochs", 4, "--grid", "learning_rate=1e-3..1e-1:log", "--samples", 4, "--halving", "2:1"
    )
    assert (found["done"], found["dropped"]) == (1, 3)


def test_a_diverged_member_is_counted(here):
    found = facts(*SMALL, "--optimizer", "sgd", "--activation", "relu", "--grid", "learning_rate=0.01,1e30")
    assert (found["done"], found["diverged"]) == (1, 1)
    alone = facts(*SMALL, "--optimizer", "sgd", "--grid", "learning_rate=1e30", "--seeds", 2, code=1)
    assert (alone["best"], alone["run"]) == (None, None)


def test_the_leaderboard_and_the_plan_are_shown(here):
    shown = call(*SMALL, "--grid", "learning_rate=0.1,0.01", "--explain-plan", "--no-color").stdout
    for words in ("chosen    sequential", "forecast", "The best of 2 members", "2/2 members", "Best run:"):
        assert words in shown


def test_a_sweep_that_was_cut_off_goes_on(here):
    grid = ["--grid", "learning_rate=0.1,0.01,0.001", "--seeds", 2]
    whole = facts(*SMALL, *grid)
    folder = here / whole["sweep"]
    table = (folder / "sweep.csv").read_bytes()
    journal = folder / "journal.txt"
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join(lines[:2]) + lines[2][:100])
    for path in ("sweep.csv", "sweep.png"):
        (folder / path).unlink()
    for path in sorted((folder / "best").rglob("*"), reverse=True):
        path.unlink() if path.is_file() else path.rmdir()
    facts("sweep", "--resume", folder, "--plan", "sequential")
    assert (folder / "sweep.csv").read_bytes() == table
    assert len(journal.read_bytes().splitlines()) == 6
    again = facts("sweep", "--resume", folder)  # nothing is left to run; the best run is there already
    assert again["done"] == 6


BAD = [
    ([], "nothing varies"),
    (["--grid", "learning_rate="], "at least one value"),
    (["--grid", "learning_rte=0.1"], "Did you mean 'learning_rate'"),
    (["--grid", "learning_rate=a..b:3"], "range of numbers"),
    (["--grid", "learning_rate=0.1..0.2"], "how many?"),
    (["--grid", "learning_rate=fast"], "learning_rate"),
    (["--grid", "seed=1,2"], "--seeds"),
    (["--grid", "target=a,b"], "same for all members"),
    (["--grid", "dropout=0", "--grid", "dropout=0.1"], "given twice"),
    (["--grid", "dropout=0,1.5"], "dropout"),
    (["--grid", "loss=hinge,binary_crossentropy"], "compares nothing"),
    (["--seeds", "0"], "seeds"),
    (["--folds", "1"], "folds"),
    (["--seeds", "2", "--monitor", "val_los"], "Did you mean 'val_loss'"),
    (["--seeds", "2", "--halving", "x"], "FACTOR:EPOCHS"),
    (["--seeds", "2", "--plan", "vmap:x"], "vmap:64"),
    (["--seeds", "2", "--memory-budget", "0.001"], "one at a time"),
    (["--resume", "nowhere"], "cannot be given with it"),
]


@pytest.mark.parametrize(("options", "words"), BAD, ids=[" ".join(options) for options, _ in BAD])
def test_bad_usage_is_one_message_and_leaves_nothing(here, options, words):
    result = call(*SMALL[:-2], *options, code=2)
    assert words in result.stderr
    assert result.stderr.count("\n") == 1
    assert [path.name for path in here.iterdir()] == ["points.csv"]


def test_a_folder_is_not_used_twice_nor_resumed_without_a_sweep(here):
    (here / "empty").mkdir()
    assert "no sweep there" in call("sweep", "--resume", "empty", code=2).stderr
    facts(*SMALL, "--seeds", 2, "--out", "mine")
    assert "holds a sweep already" in call(*SMALL, "--seeds", 2, "--out", "mine", code=2).stderr
    (here / "points.csv").write_text((here / "points.csv").read_text().replace("up", "over"))
    assert "data has changed" in call("sweep", "--resume", "mine", code=2).stderr


def test_float64_and_regression(here, rng):
    values = rng.normal(size=(40, 2))
    np.savetxt("line.csv", np.c_[values, values @ [2.0, -1.0]], delimiter=",", header="a,b,y", comments="")
    options = ["--hidden", 4, "--dropout", 0, "--epochs", 2, "--optimizer", "sgd", "--patience", 1]
    found = facts("sweep", "line.csv", "--dtype", "float64", *options, "--seeds", 2, "--folds", 2)
    assert (found["members"], found["monitor"]) == (4, "val_loss")
