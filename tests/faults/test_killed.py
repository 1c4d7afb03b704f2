"""A run and a sweep, killed again and again by SIGKILL, inside the write of a checkpoint too."""

import json
import os
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "scripts" / "reliability" / "kills.py"


def killed(times, *options):
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "--kills", str(times), *options],
        env={**os.environ, "PYTHONPATH": str(SCRIPT.parents[2])},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["bit_equal"]
    assert found["kills"] == times
    return found


def test_a_run_that_is_killed_thirty_times_is_the_run():
    found = killed(30)
    assert len(found["places"]) == 7, "every place in the write, and from outside"
    assert found["places"]["outside"] == 15
    assert 320 < found["epochs"] < 400, "early stopping had its say"


def test_a_sweep_that_is_killed_is_the_sweep():
    """By successive halving, in step, with members that diverge; places in the writing of its checkpoints."""
    found = killed(7, "--sweep")
    assert found["places"]["outside"] == 4
    assert len(found["places"]) == 4
