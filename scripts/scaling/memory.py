"""Bytes a parameter by optimizer and bytes a row, of compiled programs; what a batch size costs and gains.

    python scripts/scaling/memory.py

Prints JSON. Memory is read from the compiled program of `fit`, beside what `memory_of` forecasts. A step's
time is the least of five rounds in which the batch sizes take turns: on a quiet machine. It takes a minute.
"""

import json
from itertools import pairwise
from typing import Any

import numpy as np

import jaxgd
from jaxgd.training import memory_of
from jaxgd.training.lowering import program_of

OPTIMIZERS = (
    "sgd", "sgd, momentum", "rmsprop", "adagrad", "adam", "adamw", "adamax", "nadam", "schedule_free_adamw",
    "adadelta", "lion", "lamb", "ftrl", "adafactor", "muon",
)  # fmt: skip
SIZES, FEW_ROWS = (256, 512, 512, 10), 8
NETWORKS = {"tabular": (64, 128, 64, 10), "wide": (784, 1024, 1024, 10)}
BATCHES = (8, 32, 128, 256, 512, 1024, 4096)
ROUNDS, SECONDS, RATE = 5, 0.2, 3e10
"""Rounds; about how long each number of rows runs in one, at so many operations a second."""


def main() -> None:
    """Print the findings as JSON."""
    print(json.dumps({"optimizers": {name: of_optimizer(name) for name in OPTIMIZERS}, "batches": batches()}))


def named(name: str) -> Any:
    """An optimizer by a name of the table."""
    return (
        jaxgd.optimizers.sgd(0.01, momentum=0.9) if name.endswith("momentum") else jaxgd.optimizers.get(name)
    )


def of_optimizer(name: str) -> dict[str, float]:
    """Bytes a parameter that are kept, and those of a step of few rows, as compiled and as forecast."""
    found = compared(SIZES, FEW_ROWS, named(name))
    count = sum(a * b + b for a, b in pairwise(SIZES))
    return {each: round(value / count, 2) for each, value in found.items()}


def compared(sizes: tuple[int, ...], batch: int, optimizer: Any) -> dict[str, int]:
    """Bytes of the compiled program, and `memory_of`."""
    model = jaxgd.mlp(sizes, activation="relu")
    analysis = program_of(model, 4 * batch, batch, optimizer=optimizer).lower().compile().memory_analysis()
    need = memory_of(model, batch, optimizer=optimizer)
    return {
        "state": need.state,
        "step, compiled": analysis.temp_size_in_bytes,
        "step, forecast": need.step + need.batch,
    }


def batches() -> dict[str, list[dict[str, Any]]]:
    """For each network and batch size: bytes, seconds of a step, rows a second."""
    return {name: of_network(sizes) for name, sizes in NETWORKS.items()}


def of_network(sizes: tuple[int, ...]) -> list[dict[str, Any]]:
    """One row for each batch size."""
    rounds = [{batch: of_step(sizes, batch) for batch in BATCHES} for _ in range(ROUNDS)]
    best = {batch: min(each[batch] for each in rounds) for batch in BATCHES}
    return [
        {
            "batch": batch,
            **compared(sizes, batch, named("adam")),
            "us a step": round(seconds * 1e6),
            "rows a second": round(batch / seconds),
        }
        for batch, seconds in best.items()
    ]


def of_step(sizes: tuple[int, ...], batch: int) -> float:
    """Seconds of a step: those of the run, of some epochs of eight batches."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((8 * batch, sizes[0]), np.float32)
    y = rng.standard_normal((8 * batch, sizes[-1]), np.float32)
    operations = 8 * batch * sum(a * b for a, b in pairwise(sizes)) * 6
    epochs = max(1, round(SECONDS * RATE / operations))
    model = jaxgd.mlp(sizes, activation="relu")
    result = jaxgd.fit(model, x, y, optimizer="adam", batch_size=batch, epochs=epochs)
    return result.seconds["run"] / (8 * epochs)


if __name__ == "__main__":
    main()
