"""`jaxgd sweep --resume` after what ends a sweep: the same table and the same best run, to the byte."""

import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager

import pytest
from click.testing import CliRunner

from jaxgd.cli.app import app
from jaxgd.sweeps import standing

DATE = "1000000000"
ENVIRONMENT = {**os.environ, "JAX_PLATFORMS": "cpu", "OMP_NUM_THREADS": "1", "SOURCE_DATE_EPOCH": DATE}
SWEEP = [
    *("sweep", "points.csv", "--hidden", "4", "--grid", "learning_rate=0.1,0.03,0.01,0.003", "--plan", "map"),
    *("--halving", "2:600", "--epochs", "2000", "--lanes", "1", "--quiet", "--checkpoint-every", "0"),
]  # fmt: skip


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch, rng):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SOURCE_DATE_EPOCH", DATE)
    lines = [f"{a},{b},{'up' if a > b else 'down'}" for a, b in rng.normal(size=(60, 2))]
    (tmp_path / "points.csv").write_text("\n".join(["a,b,kind", *lines]) + "\n")
    return tmp_path


def call(*arguments, code=0):
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == code, (result.output, result.exception)
    return result


@contextmanager
def begun(cwd, *words):
    """The command in a process of its own, which does not outlive the block."""
    child = subprocess.Popen(
        [sys.executable, "-m", "jaxgd", *words],
        cwd=cwd,
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield child
    finally:
        child.kill()
        child.communicate()


def wait_for(child, there):
    deadline = time.monotonic() + 500
    while not there():
        assert time.monotonic() < deadline
        assert child.poll() is None, child.communicate()
        time.sleep(0.02)


def checkpoints(folder):
    return list(folder.glob("journal.txt.checkpoint/*.npz"))


def same(one, other):
    for name in ("sweep.csv", "best/model.keras", "best/history.csv"):
        assert (one / name).read_bytes() == (other / name).read_bytes(), name


def test_terminated_and_killed_again_and_again(here, seconds_to_leave):
    """At the first rung, inside members and while the best run is trained."""
    call(*SWEEP, "--out", "whole")
    folder = here / "cut"
    with begun(here, *SWEEP, "--out", "cut") as child:
        wait_for(child, lambda: len(checkpoints(folder)) > 1)
        child.send_signal(signal.SIGTERM)
        _, stderr = child.communicate(timeout=seconds_to_leave)
    assert child.returncode == 143, stderr
    assert stderr == "Terminated; go on with: jaxgd sweep --resume cut\n"
    assert not (folder / "best").exists()
    again = ("sweep", "--resume", "cut", "--quiet", "--checkpoint-every", "0")
    for there in (
        lambda: any("dropped" in path.read_text() for path in folder.glob("journal.txt")),
        lambda: list(folder.glob("best/checkpoint/*.npz")),
    ):
        with begun(here, *again) as child:
            wait_for(child, there)
    before = max(path.name for path in folder.glob("best/checkpoint/*.npz"))
    call(*again)
    same(here / "whole", folder)
    assert max(path.name for path in folder.glob("best/checkpoint/*.npz")) > before


def test_a_sweep_in_use_is_refused(here):
    call(*SWEEP[:-2], "--epochs", "2", "--out", "mine")
    with standing.held(here / "mine" / "journal.txt"):
        assert "in use by process" in call("sweep", "--resume", "mine", code=2).stderr


def test_damaged_checkpoints_are_said_and_nothing_is_overwritten(here):
    call(*SWEEP, "--epochs", "900", "--out", "mine")
    for path in checkpoints(here / "mine"):
        path.write_bytes(path.read_bytes()[:-9])
    before = {path: path.read_bytes() for path in (here / "mine").rglob("*") if path.is_file()}
    assert "nothing was changed" in call("sweep", "--resume", "mine", code=2).stderr
    assert {path: path.read_bytes() for path in before} == before
