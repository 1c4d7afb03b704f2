"""One process of a run, alone or with others on this machine.

    python worker.py PROCESS COUNT PORT FOLDER '{"epochs": 4}'

Prints a JSON object of what came of it. Exits with 3 for an error that the library states.
"""

import json
import os
import sys
import time

import jax
import numpy as np

import jaxgd
from jaxgd import scaling
from jaxgd.checkpoints import tree_digest

ROWS, FEATURES = 75, 6


def main(process, count, port, folder, options):
    if count > 1:
        scaling.connect(f"127.0.0.1:{port}", count, process, timeout=options.pop("timeout", 60))
    rng = np.random.default_rng(options.pop("data", 0))
    x = rng.normal(size=(ROWS, FEATURES)).astype(np.float32)
    y = (x @ rng.normal(size=(FEATURES, 1))).astype(np.float32)
    model = jaxgd.sequential(
        [jaxgd.layers.dense(8, "relu"), jaxgd.layers.dropout(0.2), jaxgd.layers.dense(1)], FEATURES
    )
    pause, started = options.pop("pause", 0.0), folder and os.path.join(folder, "..", "started")

    def progress(report):
        if started and report.epoch >= 2:
            open(started, "w").close()  # there is something to go on from
        time.sleep(pause)

    checkpoint = jaxgd.Checkpoint(folder, every_steps=3) if folder else None
    settings = {"epochs": 4, "batch_size": 16, "validation_split": 0.2, "optimizer": "adam", **options}
    result = jaxgd.fit(model, x, y, checkpoint=checkpoint, progress=progress, **settings)
    weights = [np.asarray(leaf, np.float64).ravel() for leaf in jax.tree.leaves(result.params)]
    numbers = np.concatenate([*weights, *(result.history[name] for name in result.history.columns)])
    found = {
        "digest": tree_digest(result.params),
        "numbers": numbers.tolist(),
        "step": int(result.state.step),
    }
    print(json.dumps(found), flush=True)


if __name__ == "__main__":
    try:
        main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4], json.loads(sys.argv[5]))
    except (scaling.HostsError, scaling.HostLostError) as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
        scaling.leave(3)
