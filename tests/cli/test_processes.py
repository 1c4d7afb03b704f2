"""The command line in processes of its own: what only a whole process shows."""

import json
import os
import signal
import subprocess
import sys
import time

ENVIRONMENT = {**os.environ, "JAX_PLATFORMS": "cpu", "OMP_NUM_THREADS": "1", "COLUMNS": "100"}
JAXGD = [sys.executable, "-m", "jaxgd"]
LISTENING = [
    sys.executable,
    "-c",
    "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
    "from jaxgd.cli import main; main()",
]
"""jaxgd, in a process that heeds Ctrl-C even if these tests run where it is ignored."""


def run(*arguments, cwd):
    return subprocess.run(
        [*JAXGD, *arguments],
        cwd=cwd,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_help_loads_neither_jax_nor_rich(tmp_path):
    code = (
        "import sys\n"
        "from jaxgd.cli.app import app\n"
        "for arguments in (['--help'], ['train', '--help'], []):\n"
        "    try:\n"
        "        app(arguments)\n"
        "    except SystemExit as end:\n"
        "        assert end.code == 0\n"
        "print(sorted({'jax', 'numpy', 'rich', 'matplotlib', 'polars', 'sklearn'} & set(sys.modules)))\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], env=ENVIRONMENT, capture_output=True, text=True, timeout=60, check=True
    )
    assert result.stdout.splitlines()[-1] == "[]"


def test_the_defaults_learn_digits(tmp_path):
    result = run("train", "--json", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    summary = json.loads(result.stdout.splitlines()[-1])
    assert summary["metrics"]["accuracy"] >= 0.95
    assert summary["compilations"] == 1
    assert "\x1b" not in result.stdout  # not a terminal
    assert any(line.startswith("epoch ") for line in result.stdout.splitlines())


def test_ctrl_c_saves_what_was_reached(tmp_path):
    process = subprocess.Popen(
        [*LISTENING, "train", "iris", "--epochs", "100000000", "--json", "--out", "run", "--no-report"],
        cwd=tmp_path,
        env={**ENVIRONMENT, "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        for line in process.stdout:  # the first report: the run is under way
            if line.startswith("epoch "):
                break
        time.sleep(0.2)
        process.send_signal(signal.SIGINT)
        stdout, stderr = process.communicate(timeout=240)
    finally:
        process.kill()
    assert process.returncode == 130, stderr
    summary = json.loads(stdout.splitlines()[-1])
    assert summary["interrupted"]
    assert 0 < summary["epochs"] < 100000000
    again = run("evaluate", "run", "--json", cwd=tmp_path)
    assert json.loads(again.stdout.splitlines()[-1])["loss"] == summary["val_loss"]


def test_a_closed_pipe_is_no_traceback(tmp_path):
    command = f"'{sys.executable}' -m jaxgd info digits | head -n 1"
    result = subprocess.run(
        command,
        shell=True,
        cwd=tmp_path,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert "Traceback" not in result.stderr
