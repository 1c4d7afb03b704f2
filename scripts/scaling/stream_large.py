"""A data set larger than the memory it is trained in: written in pieces, streamed, measured, removed.

    python scripts/scaling/stream_large.py FOLDER [--gigabytes 6]

FOLDER must not exist; it takes the data (Parquet, 64 numbers and a label a row, uncompressed) and the run,
and is removed at the end. `jaxgd train`, `evaluate` and `predict` run as a user runs them; the memory of each
is the peak of the process and of those that it started, together. Prints JSON.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

COLUMNS, CLASSES, ROWS_A_FILE, GROUP = 64, 10, 262_144, 65_536


def main() -> None:
    """Print the findings as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--gigabytes", type=float, default=6.0)
    parser.add_argument("--batch-size", type=int, default=1024)
    arguments = parser.parse_args()
    check_room(arguments.folder, arguments.gigabytes)
    arguments.folder.mkdir(parents=True)
    try:
        print(json.dumps(measure(arguments.folder, arguments.gigabytes, arguments.batch_size), indent=2))
    finally:
        shutil.rmtree(arguments.folder)


def check_room(folder: Path, gigabytes: float) -> None:
    """Exit with a message unless the folder is new and its disk has room for the data and more."""
    if folder.exists():
        sys.exit(f"{folder}: exists already; give a folder that this script may make and remove.")
    place = next(each for each in folder.absolute().parents if each.exists())
    free = shutil.disk_usage(place).free / 1e9
    if free < gigabytes * 1.3 + 1:
        needed = f"{gigabytes * 1.3 + 1:.1f} for {gigabytes} GB of data"
        sys.exit(f"{place}: {free:.1f} GB free, expected {needed}.")


def measure(folder: Path, gigabytes: float, batch_size: int) -> dict[str, Any]:
    """The data's size, and seconds and peak memory of each command."""
    data, run = folder / "data", folder / "run"
    size, rows = write(data, gigabytes)
    network = ["--hidden", "128,64", "--dropout", "0", "--batch-size", str(batch_size), "--epochs", "1"]
    commands = {
        "train": ["train", str(data), "--target", "label", *network, "--out", str(run), "--json", "-q"],
        "evaluate": ["evaluate", str(run), str(data), "--json", "-q"],
        "predict": ["predict", str(run), str(data), "--out", str(folder / "out.parquet"), "--json", "-q"],
    }
    found: dict[str, Any] = {"bytes": size, "rows": rows, "files": len(list(data.iterdir()))}
    for name, words in commands.items():
        found[name] = watched([sys.executable, "-m", "jaxgd", *words])
    found["predictions"] = pl.scan_parquet(folder / "out.parquet").select(pl.len()).collect().item()
    return found


def write(folder: Path, gigabytes: float) -> tuple[int, int]:
    """Files of random rows whose label is the largest of ten sums; the bytes and the rows of all."""
    folder.mkdir()
    weights = np.random.default_rng(0).normal(size=(COLUMNS, CLASSES)).astype(np.float32)
    size, rows, number = 0, 0, 0
    while size < gigabytes * 1e9:
        rng = np.random.default_rng([1, number])
        x = rng.standard_normal((ROWS_A_FILE, COLUMNS), np.float32)
        frame = pl.DataFrame(x, schema=[f"x{place}" for place in range(COLUMNS)])
        frame = frame.with_columns(label=pl.Series((x @ weights).argmax(axis=1)))
        path = folder / f"part-{number:04}.parquet"
        frame.write_parquet(path, compression="uncompressed", row_group_size=GROUP)
        size, rows, number = size + path.stat().st_size, rows + ROWS_A_FILE, number + 1
    return size, rows


def watched(command: list[str]) -> dict[str, Any]:
    """What a command prints as JSON, its seconds, and the peak memory of it and its children in MiB."""
    started = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        peak, pages = 0, os.sysconf("SC_PAGE_SIZE")
        while process.poll() is None:
            peak = max(peak, resident(process.pid) * pages)
            time.sleep(0.02)
        printed = process.stdout.read() if process.stdout is not None else ""
    seconds = time.perf_counter() - started
    if process.returncode:
        sys.exit(f"{' '.join(command)}: exit code {process.returncode}")
    said = json.loads(printed.splitlines()[-1])
    kept = {name: said[name] for name in ("loss", "val_loss", "metrics", "seconds", "rows") if name in said}
    return {"peak_mib": round(peak / 2**20), "seconds": round(seconds, 1), "said": kept}


def resident(pid: int) -> int:
    """Pages in memory of a process and all that it has started, those of mapped files included."""
    total = 0
    with suppress(OSError, IndexError):
        total = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            total += resident(int(child))
    return total


if __name__ == "__main__":
    main()
