"""Parity without TensorFlow: the shipped traces are replayed, rung by rung, on whatever device there is."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from jaxgd.parity import verify

TRACES = sorted((Path(__file__).parents[1] / "parity" / "traces").glob("*.npz"))
WITHOUT_TENSORFLOW = """
import sys
sys.modules.update(dict.fromkeys(("tensorflow", "keras", "torch")))
from jaxgd.cli.app import app
app.main(sys.argv[1:])
"""
RUNGS_OF_KERAS = {"training", "weights", "forward", "loss", "gradients", "update", "updates", "trajectory",
                  "fit", "evaluate", "predict"}  # fmt: skip
RUNGS_OF_OTHERS = {"training", "loss", "gradients", "update", "updates", "trajectory"}


def test_traces_of_both_precisions_and_of_another_framework_are_there():
    names = [path.name for path in TRACES]
    assert len(names) == 11
    assert sum("float64" in name for name in names) >= 4
    assert sum("float32" in name for name in names) >= 4
    assert any(name.startswith("torch") for name in names)
    assert sum(path.stat().st_size for path in TRACES) <= 300_000


@pytest.mark.parametrize("path", TRACES, ids=lambda path: path.name.removesuffix(".trace.npz"))
def test_a_trace_holds(path):
    found = verify(path)
    assert found.passed, str(found)
    passed = {rung.name for rung in found.rungs if rung.status == "passed"}
    assert passed >= (RUNGS_OF_OTHERS if path.name.startswith("torch") else RUNGS_OF_KERAS), str(found)


def test_verify_needs_no_tensorflow():
    trace = next(path for path in TRACES if path.name.startswith("torch"))
    ended = subprocess.run(
        [sys.executable, "-c", WITHOUT_TENSORFLOW, "parity", "verify", str(trace), "--json"],
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout.splitlines()[-1])["passed"]
