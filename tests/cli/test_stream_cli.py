"""Folders of files on the command line: train, resume, evaluate, predict, and what is refused."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import polars as pl
import pytest
from click.testing import CliRunner

from jaxgd import data
from jaxgd.cli.app import app
from jaxgd.cli.errors import leaving_on_sigterm
from jaxgd.cli.pieces import write_pieces
from jaxgd.runs import open_run

QUICK = ["--hidden", "4", "--dropout", "0", "--epochs", "2", "--no-report", "--json", "-q"]


def frame(rows=600):
    rng = np.random.default_rng(4)
    x = rng.normal(size=(rows, 3))
    names = np.where(x @ np.array([1.0, -2.0, 0.5]) > 0, "yes", "no")
    return pl.DataFrame(x, schema=["a", "b", "c"]).with_columns(
        color=pl.Series(rng.choice(["red", "blue"], rows)), label=pl.Series(names)
    )


@pytest.fixture
def parts(tmp_path):
    folder = tmp_path / "parts"
    folder.mkdir()
    for number in range(3):
        frame()[number * 200 : (number + 1) * 200].write_parquet(
            folder / f"{number}.parquet", row_group_size=60
        )
    return folder


def run(*words):
    result = CliRunner().invoke(app, [str(word) for word in words])
    return result.exit_code, result.output


def said(*words):
    code, output = run(*words)
    assert code == 0, output
    return json.loads(output.splitlines()[-1])


def test_a_folder_is_trained_on_evaluated_and_predicted_as_its_rows_in_one_file(parts, tmp_path):
    summary = said("train", parts, *QUICK, "--out", tmp_path / "run", "--window", 128)
    assert (summary["epochs"], summary["compilations"]) in ((2, 1), (2, 0))
    opened = open_run(tmp_path / "run")
    facts = opened.config["inferred"]
    assert facts["training_rows"] + facts["held_out_rows"] == 600
    assert facts["held_out_rows"] > 60
    assert said("evaluate", tmp_path / "run", "--json", "-q")["loss"] == pytest.approx(
        summary["val_loss"], rel=1e-6
    )

    frame().write_parquet(tmp_path / "whole.parquet")
    whole = said("evaluate", tmp_path / "run", tmp_path / "whole.parquet", "--json", "-q")
    streamed = said("evaluate", tmp_path / "run", parts, "--json", "-q")
    assert (streamed["rows"], streamed["metrics"]["accuracy"]) == (600, whole["metrics"]["accuracy"])
    assert streamed["loss"] == pytest.approx(whole["loss"], rel=2e-6)

    for ending in ("csv", "parquet"):
        said(
            "predict",
            tmp_path / "run",
            tmp_path / "whole.parquet",
            "--out",
            tmp_path / f"1.{ending}",
            "--json",
        )
        pattern = str(parts / "*.parquet")
        found = said("predict", tmp_path / "run", pattern, "--out", tmp_path / f"2.{ending}", "--json")
        assert found["rows"] == 600
        read = pl.read_csv if ending == "csv" else pl.read_parquet
        one, other = read(tmp_path / f"1.{ending}"), read(tmp_path / f"2.{ending}")
        assert one.schema == other.schema
        assert one["prediction"].equals(other["prediction"])
        np.testing.assert_allclose(one["probability_yes"], other["probability_yes"], rtol=2e-6)
    model = said("evaluate", tmp_path / "run" / "model.keras", write_numbers(tmp_path), "--json", "-q")
    assert model["rows"] == 600


def write_numbers(tmp_path):
    """The features as the model takes them, in two files."""
    run_ = open_run(tmp_path / "run")
    table = data.read(tmp_path / "whole.parquet")
    x, y, _ = run_.encode(table)
    numbers = pl.DataFrame(x, schema=list(run_.encoding.feature_names)).with_columns(label=pl.Series(y))
    (tmp_path / "numbers").mkdir()
    for place in range(2):
        numbers[place * 300 : (place + 1) * 300].write_parquet(tmp_path / "numbers" / f"{place}.parquet")
    return tmp_path / "numbers"


def test_a_category_that_training_never_saw_is_counted_once(parts, tmp_path):
    said("train", parts, *QUICK, "--out", tmp_path / "run")
    new = frame(40).with_columns(color=pl.Series(["green"] * 7 + ["red"] * 33))
    (tmp_path / "new").mkdir()
    new.write_csv(tmp_path / "new" / "0.csv")
    found = said("predict", tmp_path / "run", tmp_path / "new", "--out", tmp_path / "p.csv", "--json")
    assert found["unknown_categories"] == {"color": 7}


def test_a_killed_run_resumes_to_the_same_model(parts, tmp_path, monkeypatch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "0")
    words = ["train", str(parts), *QUICK, "--window", "64", "--batch-size", "4"]
    words[words.index("--epochs") + 1] = "60"
    said(*words, "--out", tmp_path / "whole")
    cut = subprocess.Popen(
        [sys.executable, "-m", "jaxgd", *words, "--out", str(tmp_path / "cut"), "--checkpoint-every", "0"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 120
    while not list((tmp_path / "cut").glob("checkpoint/*.npz")) and time.monotonic() < deadline:
        time.sleep(0.01)
    cut.send_signal(signal.SIGKILL)
    cut.wait()
    assert not (tmp_path / "cut" / "config.json").exists()
    code, output = run("train", "--resume", tmp_path / "cut", "--no-report", "-q")
    assert code == 0, output
    assert (tmp_path / "cut" / "model.keras").read_bytes() == (
        tmp_path / "whole" / "model.keras"
    ).read_bytes()
    assert (tmp_path / "cut" / "history.csv").read_text() == (tmp_path / "whole" / "history.csv").read_text()


def test_resuming_on_other_files_is_refused_by_what_differs(parts, tmp_path):
    said("train", parts, *QUICK, "--out", tmp_path / "run")
    (tmp_path / "run" / "config.json").unlink()
    frame(10).write_parquet(parts / "0.parquet")
    code, output = run("train", "--resume", tmp_path / "run")
    assert code == 2
    assert "the data has changed since the run began" in output
    assert "fingerprint" in output


def test_a_bad_file_stops_before_anything_is_written_or_is_left_out_and_recorded(parts, tmp_path):
    (parts / "1.parquet").write_bytes(b"PAR1 and nothing else")
    code, output = run("train", parts, *QUICK, "--out", tmp_path / "run")
    assert code == 2
    assert "1.parquet" in output
    assert not (tmp_path / "run").exists()
    code, output = run("train", parts, *QUICK, "--out", tmp_path / "run", "--on-bad-file", "skip")
    assert code == 0
    assert "Note: left out:" in output
    recorded = json.loads((tmp_path / "run" / "config.json").read_text())["data"]
    assert list(recorded["left_out"]) == [str(parts / "1.parquet")]
    assert recorded["rows"] == 400
    (tmp_path / "run" / "config.json").unlink()
    code, output = run("train", "--resume", tmp_path / "run", "--no-report", "-q")
    assert code == 0
    assert "Note: left out:" in output
    assert "Warning" not in output
    code, output = run("predict", tmp_path / "run", parts, "--out", tmp_path / "p.parquet")
    assert code == 2
    assert not (tmp_path / "p.parquet").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--on-bad-file", "ignore"], "on_bad_file"),
        (["--window", "0"], "window"),
        (["--rows-cache", __file__], "rows_cache"),
        (["--target", "lable"], "unknown target column 'lable'"),
        (["--profile", "trace"], "--profile"),
        (["--devices", "2"], "one process on one device"),
    ],
)
def test_bad_options_are_refused_before_anything_is_written(parts, tmp_path, words, message):
    code, output = run("train", parts, *QUICK, "--out", tmp_path / "run", *words)
    assert code == 2
    assert message in output
    assert not (tmp_path / "run").exists()


def test_rows_are_kept_where_asked(parts, tmp_path):
    cache = tmp_path / "kept"
    plain = said("train", parts, *QUICK, "--out", tmp_path / "plain")
    found = said("train", parts, *QUICK, "--out", tmp_path / "run", "--rows-cache", cache)
    assert found["loss"] == plain["loss"]
    assert list(cache.glob("*/*.rows"))
    assert open_run(tmp_path / "run").settings.rows_cache == str(cache)


def test_a_gap_in_rows_to_predict_leaves_no_half_a_file(parts, tmp_path):
    said("train", parts, *QUICK, "--out", tmp_path / "run")
    whole = frame().with_columns(a=pl.when(pl.int_range(0, 600) == 550).then(None).otherwise(pl.col("a")))
    for number in range(3):
        whole[number * 200 : (number + 1) * 200].write_parquet(parts / f"{number}.parquet")
    for ending in ("csv", "parquet"):
        code, output = run("predict", tmp_path / "run", parts, "--out", tmp_path / f"p.{ending}")
        assert code == 2
        assert "2.parquet" in output
        assert "1 missing" in output
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith((".p", "p."))] == []


@pytest.mark.parametrize("ending", ["csv", "parquet"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_predictions_that_are_interrupted_leave_nothing_and_a_killed_one_is_tidied_up(
    tmp_path, ending, number, monkeypatch
):
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's job in the background ignores it
    out, half = tmp_path / f"p.{ending}", tmp_path / f".p.{ending}.abcd.tmp"
    half.write_text("of a killed process")

    def pieces():
        yield {"prediction": np.arange(3.0)}
        assert not half.exists()
        assert len(list(tmp_path.iterdir())) == 1
        os.kill(os.getpid(), number)
        yield {"prediction": np.arange(3.0)}

    with pytest.raises((SystemExit, KeyboardInterrupt)), leaving_on_sigterm():
        write_pieces(pieces(), str(out))
    assert not list(tmp_path.iterdir())
    assert write_pieces(iter([{"prediction": np.arange(3.0)}]), str(out)) == (3, ["prediction"])
    assert list(tmp_path.iterdir()) == [out]
