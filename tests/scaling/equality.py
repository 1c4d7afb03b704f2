"""Run in a process of its own with eight forced devices: the same run on 1, 2, 4 and 8 of them.

    python tests/scaling/equality.py float64

Prints a JSON object {case: {devices: relative distance from float64 on one device}}, and that run's losses.
"""

import json
import os
import sys

os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=8"

import jax
import numpy as np

import jaxgd
from jaxgd.scaling import Layout

ROWS, FEATURES = 203, 12  # no number of devices divides the rows, the last batch or the batch


def model(dtype, rate=0.3):
    """What looks at a whole batch or draws: batch statistics, masks, an activity penalty."""
    stack = [
        jaxgd.layers.dense(16, "relu", kernel_regularizer="l2"),
        jaxgd.layers.batch_normalization(),
        jaxgd.layers.dropout(rate),
        jaxgd.layers.dense(3, "softmax", activity_regularizer="l2"),
    ]
    return jaxgd.sequential(stack, FEATURES, dtype=dtype)


def data():
    """Rows, labels and weights."""
    rng = np.random.default_rng(5)
    x = rng.normal(size=(ROWS, FEATURES))
    y = (x @ rng.normal(size=(FEATURES, 3))).argmax(axis=1)
    return x, y, rng.uniform(0.5, 2.0, ROWS)


def run(dtype, devices, rate=0.3, **options):
    """One run: parameters and history as one vector each."""
    x, y, weight = data()
    settings = {
        "loss": "sparse_categorical_crossentropy",
        "optimizer": jaxgd.optimizers.adam(3e-3, clipnorm=1.0),
        "metrics": ["accuracy"],
        "epochs": 4,
        "batch_size": 30,
        "validation_split": 0.2,
        "early_stopping": jaxgd.EarlyStopping("val_loss", patience=3, restore_best_weights=True),
        "seed": 3,
        **options,
    }
    return jaxgd.fit(model(dtype, rate), x, y, sample_weight=weight, devices=devices, **settings)


def distance(result, reference):
    """The largest difference of parameters and history, over the largest number."""
    pairs = list(zip(jax.tree.leaves(result.params), jax.tree.leaves(reference.params), strict=True))
    pairs += [(result.history[name], reference.history[name]) for name in reference.history.columns]
    return max(float(np.abs(np.asarray(a) - b).max() / np.abs(b).max()) for a, b in pairs)


FLOAT64 = {
    "rows on every device": [Layout(2), Layout(4), Layout(8)],
    "rows divided": [Layout(8, rows="sharded")],
    "columns divided": [Layout(4, 2)],
}
FLOAT32 = {"rows on every device": [Layout(8)], "rows divided": [Layout(4, rows="sharded")]}


def main():
    dtype = sys.argv[1]
    found = {}
    with jax.enable_x64(True):
        same = {"rate": 0.0, "params": model("float32").init(3)} if dtype == "float32" else {}
        truth = run("float64", None, **same)  # masks have other numbers in another precision
        found["loss"] = truth.history["loss"].tolist()
        if dtype == "float64":
            for name, layouts in FLOAT64.items():
                found[name] = {each.num_devices: distance(run(dtype, each), truth) for each in layouts}
    if dtype == "float32":
        found["one device"] = {1: distance(run(dtype, None, **same), truth)}
        for name, layouts in FLOAT32.items():
            found[name] = {each.num_devices: distance(run(dtype, each, **same), truth) for each in layouts}
    print(json.dumps(found))


if __name__ == "__main__":
    main()
