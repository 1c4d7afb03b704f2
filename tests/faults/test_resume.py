"""Runs that were interrupted, and folders in which something went wrong: the same bits, or a clear error."""

import os
import signal
import subprocess
import sys
import time

import jax
import numpy as np
import pytest
from refusals import files_of_at_most, read_only

import jaxgd
from jaxgd.checkpoints import CheckpointError, CheckpointWarning, FolderInUseError, tree_digest
from jaxgd.training import checkpointing
from jaxgd.training.leaving import leaving_on_sigterm

ROWS = 60
X = np.random.default_rng(1).normal(size=(ROWS, 3)).astype(np.float32)
Y = (X.sum(axis=1, keepdims=True) + 0.1 * np.random.default_rng(2).normal(size=(ROWS, 1))).astype(np.float32)


def model(rate=0.2):
    layers = [jaxgd.layers.dense(4, "tanh"), jaxgd.layers.batch_normalization(), jaxgd.layers.dropout(rate)]
    return jaxgd.sequential([*layers, jaxgd.layers.dense(1)], 3)


def adam(rate=0.02):
    schedule = jaxgd.schedules.exponential_decay(rate, 20, 0.9)
    return jaxgd.optimizers.adam(schedule, use_ema=True, gradient_accumulation_steps=2)


STOPPING = jaxgd.EarlyStopping(
    "val_loss", patience=4, min_delta=0.05, start_from_epoch=18, restore_best_weights=True
)


def fit(folder=None, reports=None, **options):
    """A run; in a folder if one is given, and of so many reports if that is given."""
    options = {
        "model": model(),
        "x": X,
        "y": Y,
        "optimizer": adam(),
        "epochs": 30,
        "batch_size": 8,
        "validation_split": 0.2,
        "metrics": ["mae"],
        "early_stopping": STOPPING,
        **options,
    }
    if folder is not None:
        every = {"every": 0.0, "every_steps": 5}
        options["checkpoint"] = jaxgd.Checkpoint(folder, **{**every, **options.pop("checkpoint", {})})
    left = [reports]

    def progress(report):
        left[0] -= 1
        return left[0] > 0

    if reports is not None:
        options["progress"] = progress
    return jaxgd.fit(**options)


def digests(result):
    return {
        "params": tree_digest(result.params),
        "state": tree_digest(result.state),
        "history": tree_digest(dict(result.history)),
        "end": (result.stopped_early, result.best_epoch, result.history.epochs),
    }


@pytest.fixture(scope="module")
def whole():
    return digests(fit())


def numbers(folder):
    return sorted(path.name for path in folder.glob("checkpoint-*.npz"))


@pytest.mark.parametrize("reports", [1, 3])
def test_a_run_in_pieces_is_the_run(tmp_path, whole, reports):
    """Interrupted after every report or every third: in the middle of epochs and of accumulated gradients."""
    stopped, best, epochs = whole["end"]
    assert stopped
    assert best < epochs - 1
    sessions, result = 0, None
    while result is None or result.interrupted:
        result = fit(tmp_path, reports)
        sessions += 1
    assert sessions > 24 / reports
    assert digests(result) == whole
    assert list(result.history) == ["loss", "mae", "val_loss", "val_mae"]


def test_a_run_that_only_saves_is_the_run(tmp_path, whole):
    assert digests(fit(tmp_path)) == whole
    assert len(numbers(tmp_path)) <= 4
    assert not list(tmp_path.glob(".*tmp"))


@pytest.mark.parametrize(("shuffle", "seed"), [(False, 5), ("keras", 5), (True, "key")])
def test_other_orders_and_keys(tmp_path, shuffle, seed):
    options = {"shuffle": shuffle, "seed": jax.random.key(3) if seed == "key" else seed}
    fit(tmp_path, 7, **options)
    assert digests(fit(tmp_path, **options)) == digests(fit(**options))


def test_a_metric_of_an_awkward_name(tmp_path):
    """A column may be called as an array of the checkpoint is."""

    def numbers(y_true, y_pred):
        return abs(y_true - y_pred).mean(axis=-1)

    options = {"metrics": [numbers], "early_stopping": None, "epochs": 6}
    fit(tmp_path, 4, **options)
    result = fit(tmp_path, **options)
    assert list(result.history) == ["loss", "numbers", "val_loss", "val_numbers"]
    assert digests(result) == digests(fit(**options))


def test_more_epochs_may_be_asked_for(tmp_path):
    options = {"early_stopping": None}
    fit(tmp_path, epochs=4, **options)
    assert digests(fit(tmp_path, epochs=7, **options)) == digests(fit(epochs=7, **options))
    with pytest.raises(CheckpointError, match=r"in epoch 7 already, more than epochs=6.*another folder"):
        fit(tmp_path, epochs=6, **options)


def test_a_finished_run_is_given_back(tmp_path, whole):
    fit(tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.glob("*.npz")}
    reports = []
    result = fit(tmp_path, progress=reports.append)
    assert digests(result) == whole
    assert reports == []
    assert {path.name: path.read_bytes() for path in tmp_path.glob("*.npz")} == before


def test_from_a_given_state(tmp_path):
    """initial_epoch, params and state are part of what the run is."""
    first = fit(epochs=3, early_stopping=None)
    options = {"state": first.state, "initial_epoch": 3, "epochs": 9, "early_stopping": None}
    fit(tmp_path, 4, **options)
    assert digests(fit(tmp_path, **options)) == digests(fit(**options))
    with pytest.raises(CheckpointError, match="state: saved"):
        fit(tmp_path, **{**options, "state": fit(epochs=2, early_stopping=None).state})


DIFFERENT = {
    "seed": ({"seed": 1}, "seed: saved 0, now 1"),
    "batch_size": ({"batch_size": 16}, "batch_size: saved 8, now 16"),
    "rate": ({"optimizer": adam(0.03)}, "learning_rate.initial_learning_rate: saved 0.02, now 0.03"),
    "optimizer": ({"optimizer": "sgd"}, "optimizer.kind: saved 'Adam', now 'SGD'"),
    "loss": ({"loss": "mean_absolute_error"}, "loss.name: saved 'mean_squared_error'"),
    "metrics": ({"metrics": []}, "metrics: saved"),
    "rows": ({"x": X[:50], "y": Y[:50]}, r"data.training.x: saved 'float32\[48,3\]"),
    "one cell": ({"x": np.where(X[3, 1] == X, 0.5, X)}, "data.training.x: saved"),
    "validation": ({"validation_split": 0.25}, "data.validation.x: saved"),
    "weights": ({"sample_weight": np.ones(ROWS)}, "data.training.sample_weight: saved None"),
    "order": ({"shuffle": False}, "shuffle: saved True, now False"),
    "dropout": ({"model": model(0.3)}, r"model.layers\[2\].rate: saved 0.2, now 0.3"),
    "patience": (
        {"early_stopping": jaxgd.EarlyStopping(patience=2)},
        "early_stopping.patience: saved 4, now 2",
    ),
    "params": ({"params": model().init(4)}, "params: saved None, now"),
    "restore": ({"on_divergence": "restore"}, "halvings: saved 0, now 3"),
}


@pytest.fixture(scope="module")
def begun(tmp_path_factory):
    folder = tmp_path_factory.mktemp("begun")
    fit(folder, 5)
    return folder


@pytest.mark.parametrize("name", DIFFERENT)
def test_another_run_is_refused_and_the_difference_named(begun, name):
    options, message = DIFFERENT[name]
    before = {path.name: path.read_bytes() for path in begun.glob("*.npz")}
    with pytest.raises(CheckpointError, match=f"(?s)another run.*{message}"):
        fit(begun, **options)
    assert {path.name: path.read_bytes() for path in begun.glob("*.npz")} == before


def test_a_damaged_checkpoint_costs_only_the_time_since_the_one_before(tmp_path, whole):
    fit(tmp_path, 6)
    last = tmp_path / numbers(tmp_path)[-1]
    last.write_bytes(last.read_bytes()[:-20])
    with pytest.warns(CheckpointWarning, match="Going on from"):
        assert digests(fit(tmp_path)) == whole


def test_all_damaged_is_an_error_and_nothing_is_overwritten(tmp_path):
    fit(tmp_path, 6)
    for path in tmp_path.glob("*.npz"):
        path.write_bytes(b"PK")
    with pytest.raises(CheckpointError, match="nothing was changed"):
        fit(tmp_path)
    assert {path.read_bytes() for path in tmp_path.glob("*.npz")} == {b"PK"}


def test_another_version_of_jax_is_said(tmp_path, whole, monkeypatch):
    fit(tmp_path, 6)
    now = checkpointing._environment()
    monkeypatch.setattr(checkpointing, "_environment", lambda: {**now, "jax": "9.9.9"})
    with pytest.warns(CheckpointWarning, match=r"jax: saved '[\d.]+', now '9\.9\.9'.*last bits"):
        assert digests(fit(tmp_path)) == whole


def test_a_clock_that_goes_back_changes_nothing(tmp_path, whole, monkeypatch):
    fit(tmp_path, 6)
    for age, path in enumerate(sorted(tmp_path.glob("*.npz"))):
        os.utime(path, (10**9 - age, 10**9 - age))  # the newest looks oldest
    monkeypatch.setattr(time, "time", lambda: 0.0)
    last = numbers(tmp_path)[-1]
    fit(tmp_path, 1)
    assert numbers(tmp_path)[-1] > last
    assert digests(fit(tmp_path)) == whole


def test_two_runs_in_one_folder(tmp_path, whole):
    refused = []

    def second(report):
        with pytest.raises(FolderInUseError, match="in use by process"):
            fit(tmp_path)
        refused.append(report.step)

    assert digests(fit(tmp_path, progress=second)) == whole
    assert refused


def test_a_full_disk_leaves_the_last_checkpoint(tmp_path, whole):
    fit(tmp_path, 6)
    before = {path.name: path.read_bytes() for path in tmp_path.glob("*.npz")}
    size = max(map(len, before.values())) // 2
    with files_of_at_most(size), pytest.raises(OSError, match="File too large"):
        fit(tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.glob("*.npz")} == before
    assert not list(tmp_path.glob(".*tmp"))
    assert digests(fit(tmp_path)) == whole


def test_permission_that_is_lost_while_the_run_goes_on(tmp_path, whole):
    folder = tmp_path / "run"
    fit(folder, 6)
    before = numbers(folder)
    with read_only(folder), pytest.raises(PermissionError):
        fit(folder)
    assert numbers(folder) == before
    assert digests(fit(folder)) == whole


def test_an_error_of_the_callers_leaves_the_folder_free(tmp_path, whole):
    def wrong(report):
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        fit(tmp_path, progress=wrong)
    assert digests(fit(tmp_path)) == whole


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"folder": 3}, TypeError, "expected a folder"),
        ({"folder": ""}, ValueError, "the name of a folder"),
        ({"every": -1.0}, ValueError, "every"),
        ({"every": "often"}, TypeError, "every"),
        ({"every_steps": 0}, ValueError, "every_steps"),
        ({"keep": 0}, ValueError, "keep"),
    ],
)
def test_settings_that_are_none(options, error, message):
    with pytest.raises(error, match=message):
        jaxgd.Checkpoint(**{"folder": "somewhere", **options})


def test_a_file_where_a_folder_is_wanted(tmp_path):
    (tmp_path / "file").write_text("mine")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    for name in ("file", "link"):
        with pytest.raises(FileExistsError, match="is no folder"):
            fit(tmp_path / name)
    assert (tmp_path / "file").read_text() == "mine"


def test_a_monitor_that_is_not_recorded(tmp_path):
    with pytest.raises(ValueError, match=r"monitor of the checkpoint.*val_mae"):
        fit(tmp_path, checkpoint={"monitor": "val_mea"})
    assert not list(tmp_path.iterdir())
    with pytest.raises(ValueError, match="on_divergence"):
        fit(tmp_path, on_divergence="restart")


SCRIPT = """
import sys
sys.path.insert(0, sys.argv[1])
import pathlib
import signal
import warnings
import test_resume
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may have it ignored
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    options = {"epochs": 10**8, "early_stopping": None} if sys.argv[3] == "forever" else {}
    show = lambda report: print("step", report.step, flush=True)
    result = test_resume.fit(pathlib.Path(sys.argv[2]), progress=show, **options)
print(test_resume.digests(result))
print([str(each.message) for each in caught])
"""


def elsewhere(folder, how, **environment):
    here = os.path.dirname(__file__)
    return subprocess.Popen(
        [sys.executable, "-c", SCRIPT, here, str(folder), how],
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_another_number_of_devices_is_said(tmp_path, whole):
    fit(tmp_path, 6)
    process = elsewhere(tmp_path, "", XLA_FLAGS="--xla_force_host_platform_device_count=2")
    stdout, stderr = process.communicate(timeout=240)
    assert process.returncode == 0, stderr
    found, warned = stdout.splitlines()[-2:]
    assert found == str(whole)
    assert "devices: saved" in warned


def test_sigterm_saves_and_ends(tmp_path, seconds_to_leave):
    process = elsewhere(tmp_path, "forever")
    try:
        assert process.stdout is not None
        for _ in range(40):
            process.stdout.readline()
        process.send_signal(signal.SIGTERM)
        stdout, stderr = process.communicate(timeout=seconds_to_leave)
    finally:
        process.kill()
    assert process.returncode == -signal.SIGTERM, stderr
    last = int(stdout.splitlines()[-1].split()[1]) if stdout else 0
    result = fit(tmp_path, 1, epochs=10**8, early_stopping=None)
    assert int(result.state.step) > last


def test_ctrl_c_saves_and_says_how_to_go_on(tmp_path):
    """The first ends the run behind the chunk under way, with a KeyboardInterrupt that says where it is."""
    process = elsewhere(tmp_path, "forever")
    try:
        assert process.stdout is not None
        for _ in range(40):
            process.stdout.readline()
        process.send_signal(signal.SIGINT)
        stdout, stderr = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode in (-signal.SIGINT, 130), stderr
    assert f"KeyboardInterrupt: the run is saved in {tmp_path}: call fit again" in stderr
    last = int(stdout.splitlines()[-1].split()[1]) if stdout else 0
    result = fit(tmp_path, 1, epochs=10**8, early_stopping=None)
    assert int(result.state.step) > last


def _ctrl_c(times, said):
    with leaving_on_sigterm(True, said):
        for _ in range(times):
            os.kill(os.getpid(), signal.SIGINT)


def test_ctrl_c_again_ends_at_once_and_handlers_come_back():
    before = {each: signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)}
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        for times, said, found in ((1, "saved", "saved"), (2, "saved", ""), (1, "", "")):
            with pytest.raises(KeyboardInterrupt) as caught:
                _ctrl_c(times, said)
            assert str(caught.value) == found
            assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before[signal.SIGINT])
    assert {each: signal.getsignal(each) for each in before} == before
