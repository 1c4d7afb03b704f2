"""`jaxgd train --resume`: what ended a run does not matter, and what does not belong to it is refused."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
from click.testing import CliRunner

import jaxgd
from jaxgd.cli.app import app
from jaxgd.runs import open_run

DATE = "1000000000"
SMALL = ("--hidden", "4", "--no-report", "--quiet")
ENVIRONMENT = {
    **os.environ,
    "JAX_PLATFORMS": "cpu",
    "OMP_NUM_THREADS": "1",
    "SOURCE_DATE_EPOCH": DATE,
}


def call(*arguments, code=0):
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == code, (result.output, result.exception)
    return result


def process(*arguments, cwd):
    return subprocess.Popen(
        [sys.executable, "-m", "jaxgd", *arguments],
        cwd=cwd,
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SOURCE_DATE_EPOCH", DATE)
    return tmp_path


def table(path, rows=40, more=""):
    lines = [f"{row % 7},{row % 3},{row % 7 + row % 3}" for row in range(rows)]
    path.write_text("\n".join(["a,b,y", *lines]) + f"\n{more}")


def same_files(one, other):
    for name in ("model.keras", "history.csv"):
        assert (one / name).read_bytes() == (other / name).read_bytes(), name
    configs = [json.loads((folder / "config.json").read_text()) for folder in (one, other)]
    for config in configs:
        del config["command"], config["results"]["seconds"], config["results"]["steps_per_second"]
        del config["results"]["compilations"]
    assert configs[0] == configs[1]


def test_more_epochs_give_the_run_that_had_them_from_the_start(here):
    table(here / "t.csv")
    call("train", "t.csv", "--epochs", "3", "--out", "short", *SMALL)
    call("train", "--resume", "short", "--epochs", "9", "--quiet", "--no-report")
    call("train", "t.csv", "--epochs", "9", "--out", "long", *SMALL)
    same_files(here / "short", here / "long")
    assert open_run(here / "short").config["settings"]["epochs"] == 9
    call("train", "--resume", "short", "--epochs", "9", "--quiet", "--no-report")  # nothing is left to do
    same_files(here / "short", here / "long")


def test_sigterm_saves_leaves_and_is_resumed(here, seconds_to_leave):
    table(here / "t.csv")
    arguments = ("train", "t.csv", "--epochs", "100000000", *SMALL[:3], "--out", "run")
    child = process(*arguments, cwd=here)
    try:
        assert child.stdout is not None
        for line in child.stdout:  # the first report: the run is under way
            if line.startswith("epoch "):
                break
        time.sleep(0.5)
        child.send_signal(signal.SIGTERM)
        _, stderr = child.communicate(timeout=seconds_to_leave)
    finally:
        child.kill()
    assert child.returncode == 143, stderr
    assert "jaxgd train --resume run" in stderr
    assert {path.name for path in (here / "run").iterdir()} == {"started.json", "checkpoint"}
    assert "already" in call("train", "--resume", "run", "--epochs", "2", code=2).stderr


def test_a_killed_run_is_resumed(here):
    """Killed while it trains: no handler runs. The last checkpoint is at most a quarter of a second old."""
    table(here / "t.csv")
    epochs = "60000"
    child = process(
        "train", "t.csv", "--epochs", epochs, *SMALL[:3], "--out", "run", "--checkpoint-every", "0", cwd=here
    )
    deadline = time.monotonic() + 200
    while not list(here.glob("run/checkpoint/*.npz")):
        assert time.monotonic() < deadline
        assert child.poll() is None, child.communicate()
        time.sleep(0.05)
    child.kill()
    child.communicate()
    assert not (here / "run" / "config.json").exists()
    call("train", "--resume", "run", "--quiet", "--no-report")
    call("train", "t.csv", "--epochs", epochs, "--out", "whole", *SMALL)
    same_files(here / "run", here / "whole")


def test_data_that_changed_is_refused_and_the_difference_named(here):
    table(here / "t.csv")
    call("train", "t.csv", "--epochs", "2", "--out", "run", *SMALL)
    before = {path.name: path.read_bytes() for path in (here / "run").iterdir() if path.is_file()}
    table(here / "t.csv", more="1,1,2\n")
    said = call("train", "--resume", "run", "--epochs", "4", code=2).stderr
    assert "t.csv: the data has changed since the run began: rows 40, now 41; fingerprint" in said
    (here / "t.csv").unlink()
    assert "t.csv" in call("train", "--resume", "run", "--epochs", "4", code=2).stderr
    assert {path.name: path.read_bytes() for path in (here / "run").iterdir() if path.is_file()} == before


def test_what_cannot_be_resumed(here):
    table(here / "t.csv")
    call("train", "t.csv", "--epochs", "2", "--out", "run", *SMALL)
    assert "seed cannot be given" in call("train", "--resume", "run", "--seed", "3", code=2).stderr
    assert "out cannot be given" in call("train", "--resume", "run", "--out", "x", code=2).stderr
    assert "nothing to resume" in call("train", "--resume", "nowhere", code=2).stderr
    assert "go on with jaxgd train --resume run" in call("train", "t.csv", "--out", "run", code=2).stderr
    assert "checkpoint_every" in call("train", "t.csv", "--checkpoint-every", "-1", code=2).stderr
    assert "max_halvings" in call("train", "t.csv", "--max-halvings", "0", code=2).stderr
    assert "Did you mean 'restore'" in call("train", "t.csv", "--on-divergence", "restor", code=2).stderr
    for text in ("", "[]", "{}", '{"version": 99}', "[" * 100_000):
        (here / "run" / "started.json").write_text(text)
        assert "started.json" in call("train", "--resume", "run", code=2).stderr


def test_damaged_checkpoints_are_said(here):
    table(here / "t.csv")
    call("train", "t.csv", "--epochs", "2", "--out", "run", *SMALL)
    only = next((here / "run" / "checkpoint").glob("*.npz"))
    only.write_bytes(only.read_bytes()[:-9])
    assert "nothing was changed" in call("train", "--resume", "run", "--epochs", "4", code=2).stderr


def test_a_folder_in_use_is_refused(here):
    from jaxgd.checkpoints import locked

    table(here / "t.csv")
    call("train", "t.csv", "--epochs", "2", "--out", "run", *SMALL)
    with locked(here / "run" / "checkpoint"):
        assert "in use by process" in call("train", "--resume", "run", "--epochs", "4", code=2).stderr


def test_divergence_stops_or_goes_back(here):
    table(here / "t.csv")
    rate = ("--optimizer", "sgd", "--learning-rate", "1e6", "--epochs", "5")
    stopped = call("train", "t.csv", *rate, "--out", "stopped", *SMALL, code=1)
    assert "Diverged: the run was not finite at epoch 5" in stopped.stderr
    found = open_run(here / "stopped").config["results"]["divergence"]
    assert {"layer", "quantity", "rows", "largest", "advice"} <= set(found)
    back = call(
        "train", "t.csv", *rate, "--on-divergence", "restore", "--max-halvings", "40", "--out", "back",
        "--json", *SMALL,
    )  # fmt: skip
    summary = json.loads(back.stdout.splitlines()[-1])
    assert summary["divergence"] is None
    assert len(summary["restored"]) >= 1
    assert summary["compilations"] <= 1
    _, _, training = jaxgd.load(here / "back" / "model.keras")
    rate = float(training.opt_state.hyperparameters["learning_rate"])
    assert rate == pytest.approx(1e6 / 2 ** len(summary["restored"]), rel=1e-6)
    said = open_run(here / "back")
    assert len(said.config["results"]["restored"]) == len(summary["restored"])


def test_a_run_of_the_previous_version_is_still_read(here):
    """config.json of version 1: without what to do about a divergence."""
    table(here / "t.csv")
    call("train", "t.csv", "--epochs", "2", "--out", "run", *SMALL)
    path = here / "run" / "config.json"
    config = json.loads(path.read_text())
    for name in ("on_divergence", "max_halvings"):
        del config["settings"][name]
    path.write_text(json.dumps({**config, "version": 1}))
    call("evaluate", "run", "t.csv", "--quiet")
    path.write_text(json.dumps({**config, "version": 3}))
    assert "version 3" in call("evaluate", "run", "t.csv", code=2).stderr


def test_the_environment_is_written_down(here):
    table(here / "t.csv")
    call("train", "t.csv", "--epochs", "1", "--out", "run", *SMALL)
    environment = open_run(here / "run").config["environment"]
    assert {"jax", "python", "devices", "backend", "flags", "dtype", "precision"} <= set(environment)
    assert environment["precision"] == "highest"
