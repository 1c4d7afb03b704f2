"""Steps on 1, 2, 4 and 8 forced devices of this machine, which share its cores, beside what was forecast.

    python scripts/scaling/here.py

Prints JSON: seconds of a step by the clock, the least of three runs.
"""

import json
import os
import time
from itertools import pairwise

os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=8"

import jax
import numpy as np

import jaxgd
from jaxgd.scaling import Layout, forecast

COUNTS = (1, 2, 4, 8)
NETWORKS = {"tabular": ((64, 128, 64, 10), 32, 200), "wide": ((784, 1024, 1024, 10), 1024, 3)}
"""{name: (widths, rows of a batch, steps)}."""


def main() -> None:
    found = {}
    for name, (sizes, batch, steps) in NETWORKS.items():
        expected = forecast(list(pairwise(sizes)), batch, COUNTS).seconds
        found[name] = {
            "forecast": expected,
            "measured": {count: min(run(sizes, batch, steps, count) for _ in range(3)) for count in COUNTS},
            "batch": batch,
            "sizes": sizes,
        }
    print(json.dumps(found | {"cores": os.cpu_count()}))


def run(sizes: tuple[int, ...], batch: int, steps: int, count: int) -> float:
    """Seconds of a step of `fit`."""
    x = np.random.default_rng(0).normal(size=(batch * steps, sizes[0])).astype(np.float32)
    model = jaxgd.mlp(sizes, activation="relu")
    y = np.zeros((len(x), sizes[-1]), np.float32)
    devices = None if count == 1 else Layout(count)
    started = time.perf_counter()
    result = jaxgd.fit(model, x, y, optimizer="adam", epochs=1, batch_size=batch, devices=devices)
    jax.block_until_ready(result.params)
    return min(result.seconds["run"], time.perf_counter() - started) / steps


if __name__ == "__main__":
    main()
