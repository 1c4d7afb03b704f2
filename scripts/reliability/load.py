"""Long runs and large files: does memory stay where it is, and how much of it does a table take?

    python scripts/reliability/load.py steps --steps 10000000
    python scripts/reliability/load.py chunks --chunks 86400
    python scripts/reliability/load.py table --rows 2000000 --columns 50

steps: 5-10-1, one batch of 32 rows an epoch, so that every step is an epoch of the history too.
chunks: the same, a chunk a step: as many chunks as a run of six hours has.
table: a CSV of numbers through `jaxgd train`, in a process of its own.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

import jaxgd
from jaxgd.training import pace

_PAGE = os.sysconf("SC_PAGE_SIZE")
_MIB = 2**20


def main() -> None:
    """Print the findings as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("what", choices=("steps", "chunks", "table"))
    parser.add_argument("--steps", type=int, default=10_000_000)
    parser.add_argument("--chunks", type=int, default=86_400)
    parser.add_argument("--rows", type=int, default=2_000_000)
    parser.add_argument("--columns", type=int, default=50)
    options = parser.parse_args()
    if options.what == "steps":
        findings = run(options.steps)
    elif options.what == "chunks":
        pace._SECONDS_A_CHUNK = 0.0  # one step each
        findings = run(options.chunks)
    else:
        findings = table(options.rows, options.columns)
    print(json.dumps(findings))


def run(steps: int) -> dict[str, Any]:
    """Memory over the steps of one run, looked at after every chunk."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(32, 5)), rng.uniform(size=(32, 1))
    model = jaxgd.mlp([5, 10, 1], "relu", "sigmoid")
    seen: list[tuple[int, float]] = []

    def look(report: Any) -> None:
        if not seen or report.step >= seen[-1][0] + steps // 1000:
            seen.append((report.step, memory()))

    started = time.perf_counter()
    result = jaxgd.fit(model, x, y, optimizer=jaxgd.optimizers.sgd(0.01), epochs=steps, progress=look)
    seconds = time.perf_counter() - started
    later = np.array([each for each in seen if each[0] > steps / 4], np.float64)
    slope = np.polyfit(later[:, 0], later[:, 1], 1)[0] * steps
    return {
        "steps": int(result.state.step),
        "seconds": round(seconds, 1),
        "MiB after a quarter": round(later[0, 1], 1),
        "MiB at the end": round(later[-1, 1], 1),
        "slope, MiB over the run": round(float(slope), 2),
        "rows of history": len(result.history["loss"]),
    }


def memory() -> float:
    """MiB that this process holds now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE / _MIB


def table(rows: int, columns: int) -> dict[str, Any]:
    """Peak memory of `jaxgd train` on a CSV, in terms of the file's size."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "table.csv")
        write_csv(path, rows, columns)
        size = path.stat().st_size / _MIB
        command = [sys.executable, "-m", "jaxgd", "train", str(path), "--epochs", "1", "--batch-size", "1024"]
        command += ["--hidden", "32", "--quiet", "--no-report", "--out", str(Path(folder, "run"))]
        started = time.perf_counter()
        subprocess.run(command, check=True)
        seconds = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    return {
        "rows": rows,
        "columns": columns,
        "file, MiB": round(size, 1),
        "peak, MiB": round(peak, 1),
        "peak / file": round(peak / size, 2),
        "seconds": round(seconds, 1),
    }


def write_csv(path: Path, rows: int, columns: int) -> None:
    """Random numbers of eight decimals and a target that depends on them, a block at a time."""
    rng = np.random.default_rng(0)
    names = [*(f"x{place}" for place in range(columns - 1)), "y"]
    with path.open("wb") as stream:
        for start in range(0, rows, 100_000):
            x = rng.normal(size=(min(100_000, rows - start), columns - 1))
            block = pl.DataFrame(np.column_stack([x, x[:, :5].sum(axis=1)]), schema=names)
            block.write_csv(stream, include_header=not start, float_precision=8)


if __name__ == "__main__":
    main()
