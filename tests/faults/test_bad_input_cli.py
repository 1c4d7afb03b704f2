"""Bad input to the command line: one clear message, exit code 2, nothing written."""

import re

import numpy as np
import pytest
from click.testing import CliRunner

from jaxgd.cli.app import app

GOOD = "size,color,price\n" + "".join(f"{i},{'red' if i % 2 else 'blue'},{i * 1.5}\n" for i in range(12))

VERBS = ("Add", "Choose", "Did", "Give", "Go", "Install", "Leave", "Look", "Put", "Run", "See", "Try", "Use")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "good.csv").write_text(GOOD)
    return tmp_path


def refused(folder, arguments, *words):
    """The message of a call that must fail, after checking that it left nothing behind."""
    before = sorted(folder.rglob("*"))
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == 2, (result.output, result.exception)
    assert isinstance(result.exception, SystemExit)
    assert result.stdout == ""
    assert result.stderr.startswith("Error: ")
    assert result.stderr.count("\n") == 1
    assert "Traceback" not in result.stderr
    last = re.split(r"(?<=[.?!;])\s+", result.stderr.strip())[-1]
    assert last.split()[0] in VERBS or "jaxgd " in last, f"does not say what to do next: {result.stderr}"
    for word in words:
        assert word in result.stderr, result.stderr
    assert sorted(folder.rglob("*")) == before
    return result.stderr


def rows(*lines):
    return "\n".join(lines) + "\n"


TABLES = {
    "empty": ("", ["empty"]),
    "header_only": ("a,b,target\n", ["no rows"]),
    "ragged": (rows("a,b", "1,2", "3,4,5"), ["ragged.csv"]),
    "constant_target": (rows("a,price", "1,2.5", "2,2.5", "3,2.5"), ["constant", "price"]),
    "one_class": (rows("a,label", "1,x", "2,x", "3,x"), ["only one class", "label"]),
    "text_among_numbers": (
        rows("a,y", *(f"{i},{i}.5" for i in range(19)), "oops,3.5"),
        ["expected a number", "'oops'", "row 20"],
    ),
    "missing_cell": (rows("a,y", "1,2.5", ",3.5", "3,4.5"), ["missing", "'a'"]),
    "same_name_twice": (rows("a,a,y", "1,2,3.5", "4,5,6.5"), ["'a'"]),
    "only_target": (rows("y", "1.5", "2.5"), ["no column besides the target"]),
    "infinite": (rows("a,y", "1,2.5", "inf,3.5", "3,4.5"), ["infinite", "'a'"]),
}


@pytest.mark.parametrize("name", TABLES)
def test_tables_that_cannot_be_used(folder, name):
    content, words = TABLES[name]
    (folder / f"{name}.csv").write_text(content)
    refused(folder, ["train", f"{name}.csv"], *words)


X = np.arange(12.0).reshape(6, 2)
ARRAYS = {
    "nan": ({"x": np.where(X == 3, np.nan, X), "y": np.arange(6) % 2}, ["missing"]),
    "infinity": ({"x": np.where(X == 3, np.inf, X), "y": np.arange(6) % 2}, ["infinite"]),
    "lengths": ({"x": X, "y": np.arange(5) % 2}, ["5 rows", "6"]),
    "no_rows": ({"x": np.zeros((0, 2)), "y": np.zeros(0)}, ["no rows"]),
    "one_dimension": ({"x": np.arange(6.0), "y": np.arange(6) % 2}, ["two dimensions"]),
    "overflow": ({"x": X, "y": np.array([0, 1, 0, 1, 2**40, 2**40])}, ["int32"]),
    "negative": ({"x": X, "y": np.array([0, 1, -1, 1, 0, -1])}, ["negative"]),
    "no_target": ({"x": X}, ["no target"]),
}


@pytest.mark.parametrize("name", ARRAYS)
def test_arrays_that_cannot_be_used(folder, name):
    arrays, words = ARRAYS[name]
    np.savez(folder / f"{name}.npz", **arrays)
    task = ["--task", "multiclass"] if name == "overflow" else []
    refused(folder, ["train", f"{name}.npz", *task], *words)


def test_pickled_arrays_are_refused(folder):
    np.savez(folder / "objects.npz", x=np.array([[{}], [{}]], dtype=object), y=np.arange(2))
    refused(folder, ["train", "objects.npz"], "pickled")


OPTIONS = {
    "unknown target": (["--target", "prise"], ["'prise'", "Did you mean 'price'?"]),
    "unknown task": (["--task", "regresion"], ["task", "Did you mean 'regression'?"]),
    "unknown way with gaps": (["--missing", "means"], ["missing", "Did you mean 'mean'?"]),
    "unknown category column": (["--category", "sise"], ["'sise'", "Did you mean 'size'?"]),
    "unknown excluded column": (["--exclude", "sise"], ["'sise'", "Did you mean 'size'?"]),
    "batch of none": (["--batch-size", "0"], ["batch_size", "got 0"]),
    "batch that is no number": (["--batch-size", "many"], ["many", "--help"]),
    "negative epochs": (["--epochs", "-1"], ["epochs", "got -1"]),
    "negative rate": (["--learning-rate", "-0.1"], ["learning_rate", "-0.1"]),
    "NaN rate": (["--learning-rate", "nan"], ["learning_rate", "nan"]),
    "infinite rate": (["--learning-rate", "inf"], ["learning_rate", "inf"]),
    "negative decay": (["--weight-decay", "-1"], ["weight_decay", "-1"]),
    "two kinds of clipping": (["--clipnorm", "1", "--global-clipnorm", "1"], ["clipnorm", "at most one"]),
    "unknown activation": (["--activation", "rellu"], ["activation", "Did you mean 'relu'?"]),
    "unknown loss": (["--loss", "mean_square_error"], ["loss", "Did you mean 'mean_squared_error'?"]),
    "unknown optimizer": (["--optimizer", "adan"], ["optimizer", "Did you mean 'adam'?"]),
    "loss of classes": (["--loss", "sparse_categorical_crossentropy"], ["loss", "regression"]),
    "width of none": (["--hidden", "8,0"], ["hidden", "got 0"]),
    "width that is no number": (["--hidden", "8,wide"], ["8,wide"]),
    "dropout of all": (["--dropout", "1"], ["dropout", "below 1"]),
    "share of all": (["--validation-split", "1"], ["validation_split", "below 1"]),
    "negative share": (["--validation-split", "-0.2"], ["validation_split", "-0.2"]),
    "patience without rows": (["--patience", "3", "--validation-split", "0"], ["patience", "held-out"]),
    "negative patience": (["--patience", "-3"], ["patience", "-3"]),
    "negative seed": (["--seed", "-1"], ["seed", "-1"]),
    "seed too large": (["--seed", str(2**32)], ["seed"]),
    "unknown dtype": (["--dtype", "float23"], ["dtype", "Did you mean 'float32'?"]),
    "unknown option": (["--epoch", "3"], ["--epoch", "--epochs"]),
    "two files": (["good.csv"], ["unexpected extra argument", "--help"]),
}


@pytest.mark.parametrize("name", OPTIONS)
def test_options_that_cannot_be_used(folder, name):
    options, words = OPTIONS[name]
    refused(folder, ["train", "good.csv", *options], *words)


def test_missing_files_and_folders(folder):
    refused(folder, ["train", "nowhere.csv"], "nowhere.csv", "no such file")
    refused(folder, ["train", "digit"], "Did you mean 'digits'?")
    (folder / "inside").mkdir()
    refused(folder, ["train", "inside"], "no file to read (the folder is empty)")
    (folder / "table.xlsx").write_text("x")
    refused(folder, ["train", "table.xlsx"], "unknown ending", ".csv")


def test_commands_that_do_not_exist(folder):
    refused(folder, ["trian"], "'trian'", "Did you mean 'train'?")
    refused(folder, ["--jsn"], "--jsn")


def test_out_below_a_file(folder):
    refused(folder, ["train", "good.csv", "--out", "good.csv/run"], "good.csv")
    refused(folder, ["train", "good.csv", "--out", "good.csv"], "is a file")


def test_out_that_holds_another_run(folder):
    (folder / "old").mkdir()
    (folder / "old" / "config.json").write_text("{}")
    refused(folder, ["train", "good.csv", "--out", "old"], "holds a run already")
    assert (folder / "old" / "config.json").read_text() == "{}"


def test_out_is_looked_at_before_training_and_left_alone_after_bad_options(folder):
    refused(folder, ["train", "good.csv", "--out", "a/b/c", "--activation", "no"], "activation")


@pytest.mark.parametrize("command", ["evaluate", "predict"])
def test_sources_that_are_no_run(folder, command):
    refused(folder, [command, "nowhere", "good.csv"], "no such run folder")
    (folder / "empty").mkdir()
    refused(folder, [command, "empty", "good.csv"], "no run there")
    (folder / "broken").mkdir()
    (folder / "broken" / "config.json").write_text("{not json")
    refused(folder, [command, "broken", "good.csv"], "cannot be read")
    (folder / "broken" / "config.json").write_text("[]")
    refused(folder, [command, "broken", "good.csv"], "expected the fields")
    (folder / "model.keras").write_bytes(b"PK no zip")
    refused(folder, [command, "model.keras", "good.csv"], "model.keras")


def test_predictions_need_a_place(folder):
    refused(folder, ["predict", "nowhere", "good.csv", "--out", "p.txt"], "--out", ".csv")
    refused(folder, ["predict", "nowhere", "good.csv", "--out", "no/p.csv"], "--out", "folder")
    refused(folder, ["predict", "nowhere", "good.csv", "--out", "good.csv"], "file to read")


def test_missing_arguments(folder):
    refused(folder, ["predict"], "RUN_OR_MODEL", "jaxgd predict --help")
    refused(folder, ["info", "nothing.csv"], "no such file")
