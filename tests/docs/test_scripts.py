"""The scripts run as they stand, and print what they promise."""

import importlib.util
import re
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[2] / "scripts"
LESSONS = sorted(SCRIPTS.glob("train_*.py"))


def run(name, capsys):
    spec = importlib.util.spec_from_file_location(name, SCRIPTS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.main()
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


def test_regression_beats_the_mean(capsys):
    printed = run("train_regression", capsys)
    ensemble, mean = (
        float(re.search(pattern, printed)[1])
        for pattern in (r"their mean: ([\d.]+)", r"training mean: ([\d.]+)")
    )
    assert ensemble < 0.9 * mean
    assert "programs compiled for 20 networks: 1" in printed


def test_flax_module_learns(capsys):
    printed = run("train_flax_module", capsys)
    assert float(re.search(r"held-out accuracy ([\d.]+)", printed)[1]) > 0.85


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_lesson_is_short(path):
    assert len(path.read_text().splitlines()) < 60
