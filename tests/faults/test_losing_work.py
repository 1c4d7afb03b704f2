"""What else could lose a user's work: signals, errors at the wrong moment, file systems that refuse."""

import errno
import json
import os
import shutil
import signal
import subprocess
import sys

import numpy as np
import pytest
from click.testing import CliRunner
from refusals import contents, files_of_at_most, read_only

import jaxgd
from jaxgd import _atomic, runs
from jaxgd.checkpoints import CheckpointWarning, FolderInUseError, lock, locked, tree_digest
from jaxgd.cli.app import app

X = np.random.default_rng(0).normal(size=(40, 3)).astype(np.float32)
Y = X.sum(axis=1, keepdims=True)
SMALL = ("--hidden", "4", "--no-report", "--quiet", "--epochs", "3")


def fit(folder=None, **options):
    model = jaxgd.mlp([3, 4, 1], "tanh", dropout=0.1)
    saving = None if folder is None else jaxgd.Checkpoint(folder, every=1e9)
    return jaxgd.fit(model, X, Y, **{"epochs": 30, "batch_size": 8, "checkpoint": saving, **options})


def digest(result):
    return tree_digest((result.state, dict(result.history)))


@pytest.fixture(scope="module")
def whole():
    return digest(fit())


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1000000000")
    lines = [f"{row % 7},{row % 3},{row % 7 + row % 3}" for row in range(40)]
    (tmp_path / "t.csv").write_text("\n".join(["a,b,y", *lines]) + "\n")
    return tmp_path


def call(*arguments, code=0):
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == code, (result.output, result.exception)
    return result


@pytest.mark.parametrize("error", [KeyError("mine"), KeyboardInterrupt()], ids=["error", "Ctrl-C"])
def test_an_error_in_a_progress_function_loses_no_step(tmp_path, whole, error):
    seen = []

    def progress(report):
        seen.append(report.step)
        raise error

    with pytest.raises(type(error)):
        fit(tmp_path, progress=progress)
    again = []
    assert digest(fit(tmp_path, progress=lambda report: again.append(report.step))) == whole
    assert again[0] > seen[-1]


def test_a_rename_that_fails_leaves_the_old_checkpoint(tmp_path, whole, monkeypatch):
    """As a network file system that has lost its server."""
    fit(tmp_path, progress=lambda report: False)
    before = contents(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(_atomic.os, "replace", lambda *_: (_ for _ in ()).throw(OSError(errno.ESTALE, "Stale")))
        with pytest.raises(OSError, match="Stale"):
            fit(tmp_path)
    assert contents(tmp_path) == before
    assert digest(fit(tmp_path)) == whole


def test_a_file_system_that_cannot_flush_a_folder(tmp_path, whole, monkeypatch):
    flush = os.fsync

    def refusing(descriptor):
        if os.path.isdir(f"/proc/self/fd/{descriptor}"):
            raise OSError(errno.EINVAL, "Invalid argument")
        flush(descriptor)

    monkeypatch.setattr(_atomic.os, "fsync", refusing)
    assert digest(fit(tmp_path)) == whole


def test_a_file_system_without_locks_is_said(tmp_path, monkeypatch):
    def refusing(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("fcntl.flock", refusing)
    with pytest.warns(CheckpointWarning, match="cannot lock"), locked(tmp_path):
        assert (tmp_path / lock.LOCK).exists()


LONG_STEP = """
import signal, jax
from jaxgd.training.leaving import deadline_after_sigterm
signal.signal(signal.SIGTERM, lambda *_: None)
count = jax.jit(lambda: jax.lax.while_loop(lambda x: x >= 0, lambda x: (x + 1.0) % 1e6, 0.0))
with deadline_after_sigterm("went on too long"):
    print("begun", flush=True)
    count().block_until_ready()
"""


def test_a_step_that_does_not_end_is_not_waited_for(seconds_to_leave):
    """The handler of a signal has to wait for what runs in C; the deadline has not."""
    child = subprocess.Popen(
        [sys.executable, "-c", LONG_STEP], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        assert child.stdout is not None
        child.stdout.readline()
        child.send_signal(signal.SIGTERM)
        _, stderr = child.communicate(timeout=seconds_to_leave)
    finally:
        child.kill()
    assert (child.returncode, stderr) == (143, "went on too long")


def test_a_terminal_that_is_closed_saves_the_run(here):
    """SIGHUP; what writes to the terminal after that would be an error."""
    reading, terminal = os.openpty()
    words = ("train", "t.csv", "--epochs", "100000000", "--hidden", "4", "--no-report", "--out", "run")
    child = subprocess.Popen(
        [sys.executable, "-m", "jaxgd", *words],
        cwd=here,
        env={**os.environ, "JAX_PLATFORMS": "cpu", "TERM": "xterm"},
        stdout=terminal,
        stderr=terminal,
        start_new_session=True,
    )
    os.close(terminal)
    try:
        seen = b""
        while b"epoch " not in seen:
            seen += os.read(reading, 1000)
        os.close(reading)
        child.send_signal(signal.SIGHUP)
        assert child.wait(timeout=60) == 143
    finally:
        child.kill()
    assert list((here / "run" / "checkpoint").glob("*.npz"))


def test_a_disk_that_is_full_at_the_very_end(here, monkeypatch):
    """Trained, and no room for the model: what was trained is in the checkpoint, and the files come later."""
    call("train", "t.csv", "--out", "whole", *SMALL)
    write = runs.write_run

    def without_room(*arguments):
        with files_of_at_most(1000):
            return write(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(runs, "write_run", without_room)
        said = call("train", "t.csv", "--out", "run", *SMALL, code=2).stderr
    assert "File too large" in said
    assert said.rstrip().endswith("go on with: jaxgd train --resume run")
    assert set(contents(here / "run")) & {"model.keras", "config.json"} == set()
    call("train", "--resume", "run", "--quiet", "--no-report")
    assert contents(here / "run")["model.keras"] == contents(here / "whole")["model.keras"]


@pytest.mark.parametrize("name", ["model.keras", "config.json", "report.html"])
def test_killed_while_the_files_of_a_run_are_written(here, name):
    """The process ends in the rename of each: the old file or the whole new one, and the rest comes later."""
    script = (
        "import os, sys\n"
        "replace = os.replace\n"
        f"os.replace = lambda a, b: os._exit(9) if str(b).endswith({f'run/{name}'!r}) else replace(a, b)\n"
        "from jaxgd.cli.app import app\n"
        "app(sys.argv[1:])\n"
    )
    words = ("train", "t.csv", "--out", "run", "--hidden", "4", "--quiet", "--epochs", "3")
    done = subprocess.run([sys.executable, "-c", script, *words], check=False, env=os.environ, cwd=here)
    assert done.returncode == 9
    assert name not in contents(here / "run")
    call("train", "--resume", "run", "--quiet")
    call("train", "t.csv", "--out", "whole", *SMALL)
    assert contents(here / "run")["model.keras"] == contents(here / "whole")["model.keras"]
    assert name in contents(here / "run")
    assert not [path for path in (here / "run").iterdir() if path.name.endswith(".tmp")]


def test_a_folder_that_can_no_longer_be_written(here):
    call("train", "iris", "--out", "run", *SMALL)
    before = contents(here / "run")
    folder = here / "run" / "checkpoint"
    with read_only(here / "run", folder, folder / "lock"):
        said = call("train", "--resume", "run", "--epochs", "5", "--quiet", code=2).stderr
    assert "Permission denied. What was saved before is untouched" in said
    assert contents(here / "run") == before


def test_a_run_that_was_copied_goes_on_with_the_data_where_it_is_now(here):
    call("train", "t.csv", "--out", "run", *SMALL)
    (here / "elsewhere").mkdir()
    (here / "t.csv").rename(here / "elsewhere" / "renamed.csv")
    shutil.copytree(here / "run", here / "elsewhere" / "run")
    words = ("--resume", "elsewhere/run", "--epochs", "5", "--quiet", "--no-report")
    assert "t.csv" in call("train", *words, code=2).stderr
    call("train", "elsewhere/renamed.csv", *words)
    (here / "elsewhere" / "other.csv").write_text("a,b,y\n1,2,3\n")
    assert "rows 40, now 1" in call("train", "elsewhere/other.csv", *words, code=2).stderr
    call("train", "elsewhere/renamed.csv", "--out", "whole", *SMALL[:-1], "5")
    for name in ("model.keras", "history.csv"):
        assert contents(here / "elsewhere" / "run")[name] == contents(here / "whole")[name]


def test_a_run_whose_settings_were_edited_is_refused(here):
    call("train", "t.csv", "--out", "run", *SMALL)
    path = here / "run" / "started.json"
    began = json.loads(path.read_text())
    began["settings"]["learning_rate"] = 0.5
    path.write_text(json.dumps(began))
    before = contents(here / "run")
    said = call("train", "--resume", "run", "--epochs", "5", "--quiet", code=2).stderr
    assert "another run: optimizer.learning_rate: saved 0.001, now 0.5" in said
    assert contents(here / "run") == before


def test_a_folder_under_another_name_is_the_same_folder(tmp_path, whole):
    (tmp_path / "run").mkdir()
    (tmp_path / "latest").symlink_to(tmp_path / "run")
    with locked(tmp_path / "run"), pytest.raises(FolderInUseError, match="in use by process"):
        fit(tmp_path / "latest")
    fit(tmp_path / "latest", progress=lambda report: False)
    assert digest(fit(tmp_path / "run")) == whole
