"""Rows a second of a streamed `jaxgd.fit` beside the same fit on arrays in memory.

    python scripts/scaling/stream_speed.py FOLDER [--rows 1000000] [--rounds 3] [--epochs 3]

The rows of the workload `tabular`: 64 numbers and a label of ten; 64-128-64-10, Adam. FOLDER must not exist;
it takes the rows as Parquet (uncompressed and zstd), NPY and CSV, and is removed at the end. The kinds take
turns in each round; a first round, which also fills the cache of rows, does not count; of the others the best
does. Time is that of the run, with reading and without compiling; processor seconds are those of all threads.
Looking through the files, which comes before, is timed by itself. Prints JSON.
"""

import argparse
import json
import shutil
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

import jaxgd

COLUMNS, CLASSES, GROUP = 64, 10, 65_536


def main() -> None:
    """Print the findings as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--batch-sizes", type=int, nargs="*", default=[32, 1024])
    arguments = parser.parse_args()
    if arguments.folder.exists():
        sys.exit(f"{arguments.folder}: exists already; give a folder that this script may make and remove.")
    try:
        count, rounds, epochs = arguments.rows, arguments.rounds, arguments.epochs
        memory = made(arguments.folder, count)
        looked, kinds = streams(arguments.folder)
        kinds = {"memory": lambda: memory, **kinds}
        rows = [row for size in arguments.batch_sizes for row in compared(kinds, count, size, epochs, rounds)]
        found = {"rows": count, "epochs": epochs, "rounds": rounds, "looked": looked, "table": rows}
        print(json.dumps(found, indent=2))
    finally:
        shutil.rmtree(arguments.folder, ignore_errors=True)


def made(folder: Path, count: int) -> tuple[np.ndarray, np.ndarray]:
    """The rows, written in every format."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((count, COLUMNS), np.float32)
    y = (x @ rng.standard_normal((COLUMNS, CLASSES), np.float32)).argmax(axis=1)
    frame = pl.DataFrame(x, schema=[f"x{place}" for place in range(COLUMNS)]).with_columns(label=pl.Series(y))
    for kind in ("parquet", "parquet-zstd", "npy", "csv"):
        (folder / kind).mkdir(parents=True)
    for number, start in enumerate(range(0, count, 4 * GROUP)):
        part = frame[start : start + 4 * GROUP]
        name = f"{number:03}"
        part.write_parquet(
            folder / "parquet" / f"{name}.parquet", compression="uncompressed", row_group_size=GROUP
        )
        part.write_parquet(folder / "parquet-zstd" / f"{name}.parquet", row_group_size=GROUP)
        np.save(folder / "npy" / f"{name}.npy", part.to_numpy().astype(np.float32))
        part.write_csv(folder / "csv" / f"{name}.csv")
    return x, y


def streams(folder: Path) -> tuple[dict[str, float], dict[str, Any]]:
    """Processor seconds that looking through a million rows takes, and what makes the same rows a source.

    Text is looked through anew in each round, as a run does: what it keeps of its rows is its own.
    """
    options: dict[str, Any] = {"task": "multiclass", "window": GROUP}
    jaxgd.stream(folder / "npy", **options)  # imports what the others would be timed with
    looked, found = {}, {}
    for kind in sorted(path.name for path in folder.iterdir()):
        started = time.process_time()
        source = jaxgd.stream(folder / kind, **options)
        looked[kind] = round((time.process_time() - started) / source.num_rows * 1e6, 2)
        found[kind] = lambda source=source: (source, None)
    csv = folder / "csv"
    cache = folder / "cache"
    parsed = jaxgd.stream(csv, **options, rows_cache="off")
    cached = jaxgd.stream(csv, **options, rows_cache=cache)
    return looked, {
        **found,
        "csv": lambda: (jaxgd.stream(csv, **options), None),
        "csv, kept by a run before": lambda: (cached, None),
        "csv, never kept": lambda: (parsed, None),
    }


def compared(
    kinds: dict[str, Any], count: int, batch_size: int, epochs: int, rounds: int
) -> list[dict[str, Any]]:
    """The best of the rounds for each kind, beside what memory needs."""
    model = jaxgd.mlp([COLUMNS, 128, 64, CLASSES], activation="relu")
    loss = jaxgd.losses.get("sparse_categorical_crossentropy", from_logits=True)
    settings = {"loss": loss, "optimizer": "adam", "batch_size": batch_size, "epochs": epochs}
    best: dict[str, list[float]] = {}
    for number in range(rounds + 1):
        for kind, rows in kinds.items():
            found = timed(model, rows(), settings)
            if not number:
                continue
            best[kind] = [min(pair) for pair in zip(best.get(kind, found), found, strict=True)]
    total = count * epochs
    return [
        {
            "rows are in": kind,
            "batch": batch_size,
            "rows a second": round(total / seconds),
            "of memory's": round(best["memory"][0] / seconds, 3),
            "processor seconds a million rows": round(processor / total * 1e6, 2),
            "memory's share of them": round(best["memory"][1] / processor, 3),
        }
        for kind, (seconds, processor) in best.items()
    ]


def timed(model: Any, rows: Any, settings: dict[str, Any]) -> list[float]:
    """Seconds and processor seconds of a run: of the whole call for a stream, of the steps for arrays."""
    marks: list[tuple[int, float, float]] = []

    def mark(report: Any) -> None:
        marks.append((report.step, time.perf_counter(), time.process_time()))

    started = (0, time.perf_counter(), time.process_time())
    result = jaxgd.fit(model, *rows, **settings, progress=mark)
    first, last = marks[0] if rows[1] is not None else started, marks[-1]
    whole = int(result.state.step) / (last[0] - first[0])
    return [(last[1] - first[1]) * whole, (last[2] - first[2]) * whole]


if __name__ == "__main__":
    main()
