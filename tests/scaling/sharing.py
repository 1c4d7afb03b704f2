"""Plans, and one run, of tables of which every process reads its share; run by `test_shares.py`.

    python sharing.py PROCESS COUNT PORT FOLDER '{"train": true}'

Prints a JSON object {case: what came of it}.
"""

import json
import resource
import sys
import time
from pathlib import Path
from unittest.mock import patch

import jax
import numpy as np

from jaxgd import scaling
from jaxgd.checkpoints import tree_digest
from jaxgd.data.shares import table
from jaxgd.runs import plan, shared_plan
from jaxgd.runs.plan import make_plan
from jaxgd.runs.settings import Settings
from jaxgd.runs.training import assess, precision_of, train_plan

ROWS = 1500
TEXT = {"target": "label", "hidden": (5,), "epochs": 2, "batch_size": 100}
NUMBERS = {"hidden": (5,), "epochs": 2, "batch_size": 100}
CASES = {
    "csv": ("table.csv", {**TEXT, "missing": "mean", "dtype": "float64"}),
    "csv, gaps dropped": ("table.csv", {**TEXT, "missing": "drop", "validation_split": 0.3}),
    "tsv": ("table.tsv", {**TEXT, "missing": "mean", "validation_split": 0.0}),
    "parquet": ("table.parquet", {**TEXT, "missing": "mean", "categories": ("whole",)}),
    "npy by columns": ("columns.npy", NUMBERS),
}
TRAINED = "csv"


def write_tables(folder):
    """Tables whose halves do not look alike: gaps, kinds and quotes that only one of them has."""
    import polars as pl

    rng, late = np.random.default_rng(0), np.arange(ROWS) > 0.8 * ROWS
    x = rng.normal(size=(ROWS, 3)) * [1, 30, 1e4] + [0, 7, 1e6]
    colors = np.array(["red", "green, dark", 'so-called "blue"', "two\nlines"])[rng.integers(0, 4, ROWS)]
    frame = pl.DataFrame(
        {
            "a": np.where(late & (rng.random(ROWS) < 0.3), np.nan, x[:, 0]),
            "whole": np.where(late, np.arange(ROWS) % 9 + 0.0, np.arange(ROWS) % 7),
            "b": x[:, 1],
            "color": np.where(late, colors, "red"),
            "code": [("007" if k == ROWS - 3 else str(k % 3)) for k in range(ROWS)],
            "flag": [None if k == ROWS - 9 else k % 2 == 0 for k in range(ROWS)],
            "label": np.where(x[:, 0] + rng.normal(size=ROWS) > 0, "yes", "no"),
        }
    ).with_columns(pl.col("a").fill_nan(None), pl.col("whole").cast(pl.Int64))
    frame.write_csv(folder / "table.csv")
    frame.write_csv(folder / "table.tsv", separator="\t", line_terminator="\r\n")
    frame.write_parquet(folder / "table.parquet", row_group_size=400)
    numbers = np.column_stack([x, x[:, 0] * 3 + x[:, 1]])
    np.save(folder / "columns.npy", np.asfortranarray(numbers.astype(np.float32)))


def planned(settings, is_trained):
    """A plan; one that is not carried out has means and variances in the place of a network's parameters."""
    if is_trained:
        return make_plan(settings)

    def measures(settings, encoding, measures):
        return {"params": measures()._asdict(), "model": None, "loss": None, "optimizer": None, "metrics": ()}

    with (
        patch.object(plan, "planned_network", measures),
        patch.object(shared_plan, "planned_network", measures),
    ):
        return make_plan(settings)


def found(folder, name, train):
    """What is known of a plan, and of the run of one."""
    file, options = CASES[name]
    settings = Settings(data=str(Path(folder, file)), **options)
    with precision_of(settings.dtype):
        made = planned(settings, train and name == TRAINED)
        facts = made.facts._asdict()
        facts = {
            each: facts[each] for each in ("rows", "columns", "fingerprint", "kept", "training", "held_out")
        }
        numbers = {
            "facts": facts,
            "encoding": made.encoding.to_json(),
            "start": tree_digest(made.params),
            "row": made.row_numbers(np.array([facts["training"] - 1])),
        }
        if made.model is None:
            return {"same": numbers, "read": made.facts.read_here}
        result = train_plan(made)
        numbers["steps"] = int(result.state.step)
        close = [np.asarray(leaf, np.float64).ravel() for leaf in jax.tree.leaves(result.params)]
        close += [result.history[each] for each in result.history.columns]
        close += [np.array([value]) for value in assess(made, result).metrics.values()]
        return {"same": numbers, "close": [each.tolist() for each in close], "read": made.facts.read_here}


def distance(several, alone):
    """The largest distance of a leaf, a column of the history or a metric, over its largest number."""
    pairs = [(np.array(a), np.array(b)) for a, b in zip(several, alone, strict=True)]
    return max(float(np.abs(a - b).max() / max(np.abs(b).max(), 1e-300)) for a, b in pairs)


def taken(folder, name):
    """What a plan of a table takes: seconds, and the largest memory of this process so far, in MiB."""
    before, begun = peak(), time.perf_counter()
    made = planned(Settings(data=str(Path(folder, name))), False)
    seconds = round(time.perf_counter() - begun, 2)
    return {"read": made.facts.read_here or made.facts.rows, "seconds": seconds, "mib": peak() - before}


def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def main(process, count, port, folder, options):
    if count > 1:
        scaling.connect(f"127.0.0.1:{port}", count, process)
    table.SMALLEST = 1
    if "large" in options:
        found_out = taken(folder, options["large"])
    else:
        found_out = {name: found(folder, name, options["train"]) for name in CASES}
    print(json.dumps(found_out), flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4], json.loads(sys.argv[5]))
