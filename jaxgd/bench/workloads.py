"""The workloads: networks, data and orders of rows, the same for every peer."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from jaxgd._checks import unknown_name


@dataclass(frozen=True)
class Workload:
    """What is trained. A unit is the least that every peer can run: an epoch, or a member of a sweep."""

    name: str
    title: str
    sizes: tuple[int, ...]
    loss: str
    optimizer: str
    learning_rate: float
    batch: int
    epochs: int
    rows: int
    tolerance: float
    """How far the loss after the last step may be from the float64 reference, as a share of the loss before
    the first; further away a row is void.

    In float32 the step that Adam corrects for its first steps is off by 3e-5, and that grows along a run:
    after 1,140 steps peers are up to 2e-4 apart, with the loss at 1/500 of where it began.
    """
    seeds: int = 0
    """Of a sweep: so many seeds times so many rates; 0 for a single run."""
    rates: int = 0
    activations: tuple[str, str] = field(default=("relu", "linear"))

    @property
    def steps_per_epoch(self) -> int:
        """Batches of one pass, the short one included."""
        return -(-self.rows // self.batch)

    @property
    def is_sweep(self) -> bool:
        """Whether it is many runs."""
        return self.seeds > 0

    @property
    def units(self) -> int:
        """All of the workload."""
        return self.seeds * self.rates if self.is_sweep else self.epochs

    @property
    def steps_per_unit(self) -> int:
        """Steps of one epoch, or of one member."""
        return self.steps_per_epoch * (self.epochs if self.is_sweep else 1)

    @property
    def products(self) -> tuple[tuple[int, int, int], ...]:
        """(m, k, n) of every matrix product of a step with a full batch: forward, kernels, what flows on."""
        return products_of(self.sizes, self.batch)

    @property
    def flop(self) -> int:
        """Floating-point operations in those products."""
        return sum(2 * m * k * n for m, k, n in self.products)


def products_of(sizes: Sequence[int], batch: int) -> tuple[tuple[int, int, int], ...]:
    """(m, k, n) of the products of one step of a network of dense layers; x takes no gradient."""
    layers = list(pairwise(sizes))
    forward = [(batch, fan_in, fan_out) for fan_in, fan_out in layers]
    kernels = [(fan_in, batch, fan_out) for fan_in, fan_out in layers]
    passed_on = [(batch, fan_out, fan_in) for fan_in, fan_out in layers[1:]]
    return (*forward, *kernels, *passed_on)


_CROSSENTROPY = "sparse_categorical_crossentropy"


def _wide(batch: int, epochs: int) -> Workload:
    return Workload(
        f"wide-{batch}",
        f"784-1024-1024-10, Adam, batch {batch}",
        (784, 1024, 1024, 10),
        _CROSSENTROPY,
        "adam",
        1e-4,
        batch,
        epochs,
        2048,
        5e-4,
    )


WORKLOADS = {
    each.name: each
    for each in (
        Workload(
            "seed",
            "5-10-1, relu and sigmoid, mean squared error, SGD 0.01, batch 32 of 32 rows",
            (5, 10, 1),
            "mean_squared_error",
            "sgd",
            0.01,
            32,
            100_000,
            32,
            1e-4,
            activations=("relu", "sigmoid"),
        ),
        Workload(
            "tabular",
            "64-128-64-10, sparse cross-entropy from logits, Adam, 1,797 digits, batch 32, 20 epochs",
            (64, 128, 64, 10),
            _CROSSENTROPY,
            "adam",
            1e-3,
            32,
            20,
            1797,
            5e-4,
        ),
        _wide(32, 2),
        _wide(256, 8),
        _wide(1024, 16),
        Workload(
            "sweep",
            "256 runs of 64-32-10 on digits, Adam, batch 32, 5 epochs, 16 seeds times 16 learning rates",
            (64, 32, 10),
            _CROSSENTROPY,
            "adam",
            1e-3,
            32,
            5,
            1797,
            5e-4,
            seeds=16,
            rates=16,
        ),
    )
}
COLD = "cold"
"""Whole processes, which no worker can serve."""
NAMES = (*WORKLOADS, COLD)


def get(name: str) -> Workload:
    """A workload by its name. Raises ValueError."""
    if name not in WORKLOADS:
        raise unknown_name("workload", name, NAMES)
    return WORKLOADS[name]


def make_case(workload: Workload, epochs: int) -> dict[str, np.ndarray]:
    """The arrays and settings that every peer reads.

    `x`, `y`; `kernel_i`, `bias_i`: where each starts; `orders`: int32[epochs, rows], the rows of each epoch,
    from which batches are cut in turn, the last may be short. A sweep has a leading axis of seeds on weights
    and orders, and `rates`. The workload `seed` takes its rows as they stand.
    """
    x, y = _data(workload)
    seeds = range(max(workload.seeds, 1))
    weights = [_weights(workload, seed) for seed in seeds]
    orders = [_orders(workload, seed, epochs) for seed in seeds]
    arrays = {"x": x, "y": y, "orders": np.stack(orders) if workload.is_sweep else orders[0]}
    for index in range(len(workload.sizes) - 1):
        for place, leaf in enumerate(("kernel", "bias")):
            values = [each[index][place] for each in weights]
            arrays[f"{leaf}_{index}"] = np.stack(values) if workload.is_sweep else values[0]
    if workload.is_sweep:
        arrays["rates"] = np.geomspace(3e-4, 3e-2, workload.rates).astype(np.float32)
    return arrays | {"settings": np.array(json.dumps(_settings(workload)))}


def write_case(path: Path, case: dict[str, np.ndarray]) -> None:
    """As serving.py reads it."""
    np.savez(path, **case)  # pyright: ignore[reportArgumentType]


def _settings(workload: Workload) -> dict[str, Any]:
    return {
        "name": workload.name,
        "sizes": list(workload.sizes),
        "activations": list(workload.activations),
        "loss": workload.loss,
        "optimizer": workload.optimizer,
        "learning_rate": workload.learning_rate,
        "batch": workload.batch,
        "epochs": workload.epochs,
        "num_seeds": workload.seeds,
    }


def _data(workload: Workload) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    if workload.name == "seed":
        return rng.random((32, 5), dtype=np.float32), rng.random((32, 1), dtype=np.float32)
    if workload.sizes[0] == 64:
        from sklearn.datasets import load_digits

        x, y = load_digits(return_X_y=True)
        return np.asarray(x, np.float32) / 16, np.asarray(y, np.int32)
    x = rng.standard_normal((workload.rows, workload.sizes[0]), dtype=np.float32)
    return x, rng.integers(workload.sizes[-1], size=workload.rows, dtype=np.int32)


def _weights(workload: Workload, seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
    from jaxgd.model import mlp

    params = mlp(workload.sizes, *workload.activations).init(seed)
    return [(np.asarray(leaves["kernel"]), np.asarray(leaves["bias"])) for leaves in params.values()]


def _orders(workload: Workload, seed: int, epochs: int) -> np.ndarray:
    """The order that `jaxgd.fit` with shuffle=True and this seed takes."""
    from jaxgd.training import make_schedule

    if workload.batch >= workload.rows:
        return np.arange(workload.rows, dtype=np.int32)[None]
    schedule = make_schedule(workload.rows, workload.batch, epochs, seed)
    return schedule[schedule >= 0].reshape(epochs, workload.rows)
