"""docs/scaling.md is what its script writes from the recorded results; the example of several hosts runs."""

import importlib.util
import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def load(name):
    """A script as a module."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "scripts" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


check_scaling = load("check_scaling")
RESULTS = json.loads(check_scaling.PAGE.results.read_text())


def found(name):
    return RESULTS[name]["found"]


def test_the_page_is_the_recorded_results():
    assert check_scaling.PAGE.text(RESULTS) == check_scaling.PAGE.path.read_text()
    assert check_scaling.PICTURE.is_file()


@pytest.mark.parametrize("check", check_scaling.CHECKS.values(), ids=list(check_scaling.CHECKS))
def test_every_check_runs_a_script_that_exists(check):
    assert (ROOT / check.command.split()[1]).is_file()


def test_what_was_recorded_holds():
    distances = [each for name, by in found("float64").items() if name != "loss" for each in by.values()]
    assert max(distances) < 1e-12
    for count in ("64", "256", "1024"):
        for each in found("aot").values():
            facts = each[count]
            assert facts["operations"]["all-reduce"] == 1
            assert facts["sent"]["all-reduce"] == 4 * facts["parameters"] + 4
    for shared in found("shares")["small"].values():
        assert shared["equal"]
        assert shared["distance"] < 1e-12
    for killed in RESULTS.get("hosts", {"found": {"killed": {}}})["found"]["killed"].values():
        assert killed["bit equal"]


def test_more_devices_stop_paying_somewhere():
    for network in found("model")["networks"].values():
        assert all(1 <= count < 1024 for count in network["pays up to"].values())


def test_the_example_on_one_host_learns(capsys):
    load("train_multihost").main(["--epochs", "4"])
    first, last = re.search(r"loss ([\d.]+), after 4 epochs ([\d.]+)", capsys.readouterr().out).groups()
    assert float(last) < 0.6 * float(first)
