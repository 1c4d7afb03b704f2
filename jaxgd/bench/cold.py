"""Whole processes: the seed example's ten steps, from the start of Python to its end, with peak memory."""

import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from jaxgd.bench.figures import summary
from jaxgd.bench.programs import PROGRAMS, environment_of
from jaxgd.bench.workloads import get, make_case

FIRST, SECOND = "jaxgd, first run", "jaxgd, second run"
TENSORFLOW = "TensorFlow, eager"
TITLE = "the whole process of the seed example: ten steps of 5-10-1, from the start of Python to its end"
_TOLERANCE = 1e-4
_TIMEOUT = 300
_LAUNCHER = Path(__file__).with_name("launching.py")


class Script(NamedTuple):
    """A script that trains the seed example and prints its losses."""

    peer: str
    file: str
    program: str
    """Whose interpreter and variables it runs with."""


SCRIPTS = (
    Script(TENSORFLOW, "cold_tensorflow.py", "tensorflow"),
    Script("PyTorch, eager", "cold_torch.py", "torch"),
    Script("flax.nnx", "cold_flax.py", "flax"),
    Script(FIRST, "../train_seed_example.py", "jaxgd"),
    Script(SECOND, "../train_seed_example.py", "jaxgd"),
)
"""The second run of jaxgd finds the compiled programs of the first, which finds none."""


def measure_cold(
    folder: Path,
    pythons: dict[str, str],
    chosen: Callable[[str], bool],
    rounds: int,
    tell: Callable[[str], None],
) -> list[dict[str, Any]]:
    """Rows of the scripts, the fastest first, those that failed last."""
    scripts = [script for script in SCRIPTS if chosen(script.peer) or chosen(script.program)]
    runs: dict[str, list[dict[str, Any]]] = {script.peer: [] for script in scripts}
    with tempfile.TemporaryDirectory() as work:
        weights = Path(work, "weights.npz")
        np.savez(weights, **make_case(get("seed"), 1))  # pyright: ignore[reportArgumentType]
        for place in range(rounds):
            tell(f"cold: round {place + 1} of {rounds}")
            for script in scripts:
                cache = str(Path(work, f"cache-{place}"))
                runs[script.peer].append(_run(script, folder, pythons, weights, cache))
    rows = [_row(script.peer, runs[script.peer]) for script in scripts]
    return sorted(rows, key=lambda row: row.get("seconds", {}).get("median", float("inf")))


def _run(script: Script, folder: Path, pythons: dict[str, str], weights: Path, cache: str) -> dict[str, Any]:
    program = next(each for each in PROGRAMS if each.name == script.program)
    python = pythons.get(script.program, sys.executable)
    environment = {**environment_of(program, python), "JAXGD_CACHE": cache}
    words = [
        sys.executable,
        "-S",
        str(_LAUNCHER),
        str(_TIMEOUT),
        python,
        str(folder / script.file),
        str(weights),
    ]
    ended = subprocess.run(words, capture_output=True, text=True, env=environment, check=False)
    *lines, last = ended.stderr.strip().splitlines()
    facts = json.loads(last)
    if facts["status"]:
        return {"failure": why(lines, facts["status"])}
    return {
        "seconds": facts["seconds"],
        "memory_mib": facts["memory_kib"] / 1024,
        "loss": last_loss(ended.stdout),
    }


def why(lines: Sequence[str], status: int) -> str:
    """The last words of a process that failed; a library that is not there is named as in other tables.

    >>> why(["Traceback ...", "ModuleNotFoundError: No module named 'torch'", ""], 1)
    "not installed: No module named 'torch'"
    """
    said = next((line.strip() for line in reversed(lines) if line.strip()), f"exit status {status}")
    return re.sub("^(ModuleNotFoundError|ImportError): ", "not installed: ", said)[:300]


def last_loss(printed: str) -> float | None:
    """The number in the last line that a script printed, `Epoch 10, Loss: ...`."""
    found = re.findall(r"^Epoch \d+, Loss: ([-+.e\d]+)$", printed, flags=re.MULTILINE)
    return float(found[-1]) if found else None


def _row(peer: str, runs: Sequence[dict[str, Any]]) -> dict[str, Any]:
    failures = [run["failure"] for run in runs if "failure" in run]
    if failures or not runs:
        return {"peer": peer, "failure": failures[0] if failures else "not measured"}
    return {
        "peer": peer,
        "seconds": summary([run["seconds"] for run in runs]),
        "memory_mib": summary([run["memory_mib"] for run in runs]),
        "loss": runs[-1]["loss"],
    }


def void_rows(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows, void where the last loss is not that of jaxgd's first run."""
    expected = next((row["loss"] for row in rows if row["peer"] == FIRST and "loss" in row), None)
    return [_void(row, expected) for row in rows]


def _void(row: dict[str, Any], expected: float | None) -> dict[str, Any]:
    if "failure" in row or expected is None:
        return row
    if row["loss"] is not None and abs(row["loss"] - expected) <= _TOLERANCE * abs(expected):
        return row
    return {"peer": row["peer"], "failure": f"void: its last loss is {row['loss']}, jaxgd's {expected}"}
