"""`jaxgd report` and `jaxgd train --tensorboard` as a user types them."""

import json
import shutil

import numpy as np
import pytest
from click.testing import CliRunner
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from jaxgd.cli.app import app
from jaxgd.reports.reading import read_columns
from jaxgd.reports.tensorboard import layer_tag
from jaxgd.runs.history_file import read_history


def call(*arguments, code=0):
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == code, (result.output, result.exception)
    return result


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run without held-out rows, watched, with event files."""
    folder = tmp_path_factory.mktemp("runs") / "iris"
    call(
        *("train", "iris", "--epochs", "4", "--hidden", "8", "--validation-split", "0", "--no-report"),
        *("--tensorboard", "--watch", "--quiet", "--out", folder),
    )
    return folder


@pytest.fixture
def copied(run, tmp_path):
    """The run in a folder that a test may damage."""
    return shutil.copytree(run, tmp_path / "run")


def test_event_files_are_opened_by_tensorboard(run):
    events = EventAccumulator(str(run / "tensorboard")).Reload()
    history = read_history(run / "history.csv")
    of_layers = [name for name in events.Tags()["scalars"] if "/dense" in name]
    assert sorted(set(events.Tags()["scalars"]) - set(of_layers)) == [
        "accuracy/training",
        "learning_rate",
        "loss/training",
    ]
    losses = events.Scalars("loss/training")
    assert [each.step for each in losses] == [1, 2, 3, 4]
    written = np.float32([each.value for each in losses])
    np.testing.assert_array_equal(written, history["loss"].astype(np.float32))
    shown = events.Tensors("settings/text_summary")[0].tensor_proto.string_val[0].decode()
    assert "| epochs | 4 |" in shown


def test_what_was_watched_is_in_the_file_the_events_and_the_report(run, copied):
    columns, epochs = read_columns(run / "layers.csv", [])
    assert epochs.tolist() == [0, 1, 2, 3, 4]
    assert (columns["gradient norm: dense"] > 0).all()
    events = EventAccumulator(str(run / "tensorboard")).Reload()
    for name in columns:
        written = [each.value for each in events.Scalars(layer_tag(name))]
        np.testing.assert_array_equal(np.float32(written), np.float32(columns[name]))
    call("report", copied)
    page = (copied / "report.html").read_text()
    for quantity in ("gradient norm", "update norm", "update / parameters", "dead units, share"):
        assert f"<figcaption>{quantity}" in page
    (copied / "layers.csv").write_text("epoch,a\n0,broken\n")
    assert "layers.csv: 1 rows are damaged and left out" in call("report", copied).stdout


def test_a_report_is_written_into_the_folder(copied):
    facts = json.loads(call("report", copied, "--json").stdout.splitlines()[-1])
    assert facts == {"report": str(copied / "report.html"), "runs": [str(copied)], "problems": []}
    page = (copied / "report.html").read_text()
    assert "No rows were held out" in page
    assert "Confusion matrix of the 150 training rows" in page


@pytest.mark.parametrize(("name", "start"), [("c.png", b"\x89PNG"), ("c.svg", b"<?xml")])
def test_pictures_are_written_where_a_file_is_wanted(copied, tmp_path, name, start):
    call("report", copied, "--out", tmp_path / name)
    assert (tmp_path / name).read_bytes().startswith(start)


def test_several_runs_are_compared_and_so_are_their_layers(run, copied, tmp_path):
    out = tmp_path / "both.html"
    call("report", run, copied, "--out", out, "--quiet")
    assert "2 runs compared" in out.read_text()
    assert "<figcaption>gradient norm: dense_1" in out.read_text()
    (copied / "layers.csv").unlink()
    call("report", run, copied, "--out", out, "--quiet")
    assert f"Not recorded by {copied.name}." in out.read_text()


@pytest.mark.parametrize(("name", "start"), [("c.png", b"\x89PNG"), ("c.svg", b"<?xml")])
def test_a_sweep_is_drawn_where_a_file_is_wanted(tmp_path, name, start):
    head = "rank,member,rate,seed,fold,status,epochs,best_epoch,stopped_early,diverged_at,val_loss"
    lines = [f"{k},{k},0.{k},0,,done,5,,False,,0.{k}" for k in range(1, 5)]
    (tmp_path / "sweep.csv").write_text("\n".join([head, *lines]))
    call("report", tmp_path, "--out", tmp_path / name)
    assert (tmp_path / name).read_bytes().startswith(start)


@pytest.mark.parametrize(
    ("lost", "said"),
    [
        ("config.json", "The run was not finished"),
        ("history.csv", "history.csv is missing: there are no curves"),
        ("model.keras", "model.keras is missing: nothing can be measured again"),
    ],
)
def test_a_damaged_run_says_what_is_missing(copied, lost, said):
    (copied / lost).unlink()
    assert said in call("report", copied).stdout
    page = (copied / "report.html").read_text()
    assert said in page
    assert page.count("<h2>") >= 2


def test_a_damaged_model_is_no_reason_to_show_nothing(copied):
    (copied / "model.keras").write_bytes(b"PK\x03\x04 no more")
    assert "model.keras" in call("report", copied).stdout
    assert "<svg" in (copied / "report.html").read_text()


def test_data_that_changed_is_said(tmp_path):
    table = tmp_path / "t.csv"
    table.write_text("a,b,y\n" + "".join(f"{k},{k % 3},{k * 0.5}\n" for k in range(30)))
    call("train", table, "--epochs", "1", "--hidden", "4", "--quiet", "--out", tmp_path / "r")
    assert "Residuals and calibration" in (tmp_path / "r" / "report.html").read_text()
    table.write_text("a,b,y\n" + "".join(f"{k},{k % 3},{k}\n" for k in range(30)))
    assert "not what the run was trained on" in call("report", tmp_path / "r").stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nowhere"], "no such folder"),
        (["."], "no run there"),
        (["RUN", "--out", "page.pdf"], "expected a name ending in .html, .png, .svg"),
        (["RUN", "--out", "no/such/page.html"], "in a folder that exists"),
        ([], "Missing argument"),
    ],
)
def test_bad_input_is_said_in_one_line(run, tmp_path, monkeypatch, arguments, said):
    monkeypatch.chdir(tmp_path)
    result = call("report", *(run if each == "RUN" else each for each in arguments), code=2)
    assert said in result.stderr
    assert "Traceback" not in result.output
