"""docs/reliability.md is what its script writes from the recorded results, and names tests that exist."""

import importlib.util
import json
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def load(name):
    path = ROOT / "scripts" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_is_the_recorded_results():
    page = load("check_reliability").PAGE
    results = json.loads(page.results.read_text())
    assert page.text(results) == page.path.read_text()
    assert set(results) <= set(page.checks)


def test_every_check_runs_a_script_that_exists():
    for check in load("check_reliability").PAGE.checks.values():
        assert (ROOT / check.command.split()[1]).is_file()


def test_nothing_was_lost():
    recorded = json.loads(load("check_reliability").PAGE.results.read_text())
    results = {name: each["found"] for name, each in recorded.items()}
    if "kills" in results:
        assert results["kills"]["bit_equal"]
        assert results["kills"]["kills"] >= 30
    if "fuzz" in results:
        assert results["fuzz"]["failures"] == []
    assert results["steps"]["slope, MiB over the run"] < 8


FAULTS = load("reliability/faults").FAULTS


@pytest.mark.parametrize("fault", FAULTS, ids=[fault.fault for fault in FAULTS])
def test_every_fault_has_its_test(fault):
    path, name = fault.test.split("::")
    assert f"def {name}" in (ROOT / path).read_text()
