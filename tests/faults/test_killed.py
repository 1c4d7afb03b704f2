"""One run killed thirty times by SIGKILL, in the write of a checkpoint too; the script does it longer."""

import json
import os
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "scripts" / "reliability" / "kills.py"


def test_a_run_that_is_killed_thirty_times_is_the_run():
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "--kills", "30"],
        env={**os.environ, "PYTHONPATH": str(SCRIPT.parents[2])},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["bit_equal"]
    assert found["kills"] == 30
    assert len(found["places"]) == 7, "every place in the write, and from outside"
    assert found["places"]["outside"] == 15
    assert 320 < found["epochs"] < 400, "early stopping had its say"
