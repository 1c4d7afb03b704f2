"""`jaxgd parity`: exit codes, messages and JSON of the catalogue's command; nothing is compared here."""

import json

import numpy as np
import pytest
from click.testing import CliRunner

from jaxgd.cli import parity as command_module
from jaxgd.cli.app import app
from jaxgd.parity import planted, runner
from jaxgd.parity.case import Outcome


def call(*arguments):
    return CliRunner().invoke(app, ["parity", *arguments])


def answers(monkeypatch, passed):
    """Lets every case pass or fail without running it."""

    def run(cases, processes=None, report=None):
        outcomes = [
            Outcome(case, passed, 0.0 if passed else np.inf, 0, passed, False, "" if passed else "far off")
            for case in cases
        ]
        for outcome in outcomes:
            report(outcome)
        return outcomes

    monkeypatch.setattr(command_module, "find_spec", lambda name: object())
    monkeypatch.setattr(runner, "run", run)


def test_green_is_0_and_json_comes_last(monkeypatch):
    answers(monkeypatch, passed=True)
    result = call("--family", "penalty", "--json")
    assert result.exit_code == 0
    found = json.loads(result.stdout.splitlines()[-1])
    assert found["passed"]
    assert found["failed"] == []
    assert list(found["families"]) == ["penalty"]
    assert found["cases"] == found["families"]["penalty"]["cases"] > 100


def test_a_failed_case_is_1_and_is_named(monkeypatch):
    answers(monkeypatch, passed=False)
    result = call("--filter", "penalty/L2/kind=regularizer/normal/float64/eager")
    assert result.exit_code == 1
    assert "FAILED penalty/L2/kind=regularizer/normal/float64/eager: far off" in result.stdout
    assert "NOT EQUAL: 1 cases, 1 failed" in result.stdout


def test_a_missed_bug_is_1(monkeypatch):
    answers(monkeypatch, passed=True)
    missed = planted.Caught("sum for mean", "summed", True, False, "every case still passes")
    monkeypatch.setattr(planted, "run_all", lambda processes: [missed])
    result = call("--family", "penalty", "--planted")
    assert result.exit_code == 1
    assert "NOT CAUGHT sum for mean" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--family", "optimiser"], "Did you mean 'optimizer'"),
        (["--filter", "no such case"], "no case has 'no such case'"),
        (["--processes", "0"], "0 is not in the range"),
    ],
)
def test_bad_usage_is_2(monkeypatch, arguments, message):
    answers(monkeypatch, passed=True)
    result = call(*arguments)
    assert result.exit_code == 2
    assert message in result.output
    assert "Traceback" not in result.output


def test_a_missing_tensorflow_is_2_and_says_what_to_do(monkeypatch):
    monkeypatch.setattr(command_module, "find_spec", lambda name: None)
    result = call("--smoke")
    assert result.exit_code == 2
    assert "tensorflow and keras not installed" in result.output
    assert "jaxgd[parity]" in result.output


def test_a_report_is_written(monkeypatch, tmp_path):
    answers(monkeypatch, passed=True)
    assert call("--family", "schedule", "--report", str(tmp_path / "made")).exit_code == 0
    assert {path.name for path in (tmp_path / "made").iterdir()} == {
        "parity.json",
        "parity.md",
        "parity.html",
    }
