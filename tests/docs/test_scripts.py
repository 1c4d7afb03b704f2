"""The scripts run as they stand, and print what they promise."""

import importlib.util
import json
import re
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

SCRIPTS = Path(__file__).parents[2] / "scripts"
LESSONS = sorted(SCRIPTS.glob("train_*.py"))


def loaded(name):
    """A script as a module."""
    spec = importlib.util.spec_from_file_location(name, SCRIPTS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def run(name, capsys):
    loaded(name).main()
    return capsys.readouterr().out


def test_seed_example_prints_ten_falling_losses(capsys):
    lines = run("train_seed_example", capsys).splitlines()
    assert len(lines) == 10
    losses = [float(re.fullmatch(rf"Epoch {i}, Loss: (\d\.\d+)", line)[1]) for i, line in enumerate(lines, 1)]
    assert losses == sorted(losses, reverse=True)
    assert losses[0] > losses[-1]


def test_digits_learns(capsys):
    printed = run("train_digits", capsys)
    assert float(re.search(r"best epoch \d+: accuracy (\S+)", printed)[1]) > 0.9
    assert "compiled 1 program" in printed


def found(pattern, printed):
    """The first number that a pattern finds."""
    return float(re.search(pattern, printed)[1].replace(",", ""))


def test_an_ensemble_knows_what_it_does_not_know(capsys):
    printed = run("train_ensemble", capsys)
    assert "20 networks, programs compiled: 1" in printed
    assert found(r"of their mean: ([\d.]+)", printed) < 0.9 * found(r"training mean: ([\d.]+)", printed)
    assert 75 <= found(r"90 % interval: (\d+) %", printed) <= 99
    assert found(r"unlike any: ([\d.]+)", printed) > 2 * found(r"like those seen: ([\d.]+)", printed)


def test_replicas_agree_with_the_law_within_their_errors(capsys):
    printed = run("train_replicas", capsys)
    assert "100 replicas, 3000 steps each, in one program" in printed
    assert 1.2 < found(r"chi2 a point ([\d.]+)", printed) < 2.4
    rows = re.findall(r"x = [\d.]+: ([\d.]+) \+- ([\d.]+), truth ([\d.]+)", printed)
    assert len(rows) == 5
    assert all(abs(float(fit) - float(truth)) < 3 * float(error) for fit, error, truth in rows)
    assert found(r"within one error: (\d+) %", printed) > 50


def test_a_port_is_the_same_as_keras(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    printed = run("train_keras_port", capsys)
    assert found(r"of the history: (\S+)", printed) < 2e-6
    assert found(r"of any prediction: (\S+)", printed) < 2e-6


def test_float64_learns_a_function_further(capsys):
    printed = run("train_function", capsys)
    losses = [float(each) for each in re.findall(r"loss (\S+) after", printed)]
    apart = [float(each) for each in re.findall(r"differences: (\S+) apart", printed)]
    errors = [float(each) for each in re.findall(r"error of u: (\S+),", printed)]
    assert losses[1] < losses[0] < 1e-5
    assert errors[1] < errors[0] < 0.01
    assert apart[1] < 1e-6 < apart[0] < 0.1


def test_flax_module_learns(capsys):
    printed = run("train_flax_module", capsys)
    assert float(re.search(r"held-out accuracy ([\d.]+)", printed)[1]) > 0.85


@pytest.mark.parametrize("name", ["rates", "network", "chain", "losses", "valley", "ensemble"])
def test_the_tutorials_pictures_are_those_that_are_drawn(name):
    drawing = loaded("draw_tutorial")
    assert sorted(path.stem for path in drawing.FOLDER.glob("*.svg")) == sorted(drawing.PICTURES)
    tree = ElementTree.parse(drawing.FOLDER / f"{name}.svg")
    kept = json.loads(tree.find(".//{http://purl.org/dc/elements/1.1/}description").text)
    drawn = drawing.facts(drawing.PICTURES[name]())
    assert [axes["words"] for axes in kept] == [axes["words"] for axes in drawn]
    for old, new in zip(kept, drawn, strict=True):
        # 500 epochs on another processor end some thousandths apart; another seed, rate or width by tenths
        np.testing.assert_allclose(np.array(new["lines"]), np.array(old["lines"]), rtol=5e-3, atol=5e-3)


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_lesson_is_short(path):
    assert len(path.read_text().splitlines()) < 75  # one screen
