"""`jaxgd explain` as a user types it."""

import json

import numpy as np
import pytest
from click.testing import CliRunner

import jaxgd
from jaxgd.cli.app import app


def call(*arguments, code=0, width="100"):
    result = CliRunner().invoke(app, [str(argument) for argument in arguments], env={"COLUMNS": width})
    assert result.exit_code == code, (result.output, result.exception)
    return result


def facts(*arguments):
    return json.loads(call("explain", *arguments, "--json").stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A model, a table for it, and a run."""
    folder = tmp_path_factory.mktemp("explained")
    rng = np.random.default_rng(0)
    x = rng.normal(size=(20, 3))
    lines = [f"{a},{b},{c},{a - b}" for a, b, c in x]
    (folder / "t.csv").write_text("\n".join(["a,b,c,y", *lines]) + "\n")
    model = jaxgd.mlp([3, 4, 1], activation="tanh")
    jaxgd.save(folder / "m.keras", model, model.init(0))
    call(
        "train",
        folder / "t.csv",
        "--epochs",
        "1",
        "--hidden",
        "6",
        "--no-report",
        "-q",
        "--out",
        folder / "run",
    )
    return folder


def test_the_example_is_laid_open_in_the_terminal():
    shown = call("explain").stdout
    for title in ("Forward, row 1", "Loss of 32 rows", "Backward, row 1", "Gradients: ", "Update by SGD"):
        assert title in shown
    assert "dense/kernel[0,2]" in shown
    assert "differences (float64)" in shown
    assert shown.splitlines()[-1] == "Next: jaxgd explain --out step.html"


def test_a_narrow_terminal_loses_no_number():
    wide, narrow = (call("explain", "--row", "1", width=width).stdout for width in ("100", "44"))
    assert max(len(line) for line in narrow.splitlines() if "Next" not in line) <= 100
    numbers = [line.split()[1] for line in wide.splitlines() if line.strip().startswith("dense[")]
    assert len(numbers) == 20
    assert all(number in narrow for number in numbers)


def test_json_says_what_was_found(tmp_path):
    found = facts("--steps", "3", "--out", tmp_path / "page.html")
    assert found["new_loss"] < found["loss"]
    assert found["ulps_of_jax_grad"] <= 4
    assert found["ulps_of_differences"] <= 4
    assert (tmp_path / "page.html").stat().st_size < 1_000_000


def test_a_models_own_row(files):
    found = facts(files / "m.keras", files / "t.csv", "--row", "3", "--loss", "mse", "--learning-rate", "0.1")
    model, params, _ = jaxgd.load(files / "m.keras")
    a, b, c, y = (float(cell) for cell in (files / "t.csv").read_text().splitlines()[3].split(","))
    expected = (float(model.apply(params, np.array([[a, b, c]], np.float32))[0, 0]) - y) ** 2
    assert found["loss"] == pytest.approx(expected, rel=1e-4)
    assert "row 3" in found["title"]


def test_a_run_knows_its_rows(files):
    shown = call("explain", files / "run").stdout
    assert "Adam(" in shown
    assert "normalization[" in shown
    assert "rescaling[" in shown
    assert " a " in shown


def test_a_large_network_says_the_limit():
    found = facts("--sizes", "30,200,2")
    assert any("at most 16 are shown (the largest has 200)" in note for note in found["notes"])


def test_a_float64_example_stays_float64():
    assert facts("--dtype", "float64", "--row", "2")["ulps_of_jax_grad"] <= 8


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--row", "0"], "0 is not in the range"),
        (["MODEL"], "a model has no rows of its own. Give DATA."),
        (["MODEL", "DATA", "--row", "99"], "expected a number from 1 to 20"),
        (["nowhere.keras"], "no such run folder or .keras file"),
        (["RUN", "--target", "y"], "they are for a .keras file with DATA"),
        (["--sizes", "5"], "expected the features and at least one layer"),
        (["--sizes", "5,x"], "expected whole numbers"),
        (["--activation", "rleu"], "Did you mean 'relu'?"),
        (["--optimizer", "adm"], "Did you mean"),
        (["--learning-rate", "nan"], "learning_rate"),
        (["--along", "dense/kernel[0,0]"], "expected two weights, got 1. Give it twice."),
        (["--along", "a", "--along", "b", "--out", "p.html", "--steps", "1"], "unknown weight 'a'"),
        (["--out", "page.pdf"], "expected a name that ends in .html"),
        (["--out", "no/such/page.html"], "in a folder that exists"),
        (["--steps", "9999", "--out", "p.html"], "expected at most 1000"),
    ],
)
def test_bad_input_is_one_message(files, tmp_path, monkeypatch, arguments, said):
    monkeypatch.chdir(tmp_path)
    named = {"MODEL": files / "m.keras", "DATA": files / "t.csv", "RUN": files / "run"}
    result = call("explain", *(named.get(each, each) for each in arguments), code=2)
    assert said in result.stderr
    assert "Traceback" not in result.output
    assert not (tmp_path / "p.html").exists()
