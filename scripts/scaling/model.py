"""Seconds of a step against the number of devices: a model, with constants measured on this machine.

    python scripts/scaling/model.py

A device is one core of it. Prints JSON. Processor time is measured, the least of all rounds, so that other
work on the machine counts little.
"""

import json
import math
import os
import sys
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"

import jax
import jax.numpy as jnp
import numpy as np

sys.path.insert(0, str(Path(__file__).parent))

from aot import NETWORKS

LINKS = {"10 Gbit/s, 30 us": (1.25e9, 30e-6), "400 Gbit/s, 5 us": (50e9, 5e-6)}
"""{name: (bytes a second, seconds until the first one)} between any two devices; assumed, not measured."""
DEVICES = [1 << i for i in range(11)]
ROWS = (1, 4, 16, 64, 256, 1024)
WIDTH, ROUNDS = 1024, 7
ADAM = 28
"""Bytes that Adam reads and writes a parameter: itself, two slots, the gradient; all but the last twice."""


def main() -> None:
    constants = measured()
    found: dict[str, Any] = {"constants": constants, "links": LINKS, "networks": {}}
    for name, (sizes, batch) in NETWORKS.items():
        lines = {link: times(sizes, batch, constants, *each) for link, each in LINKS.items()}
        paying = {link: stops_paying(each) for link, each in lines.items()}
        found["networks"][name] = {"sizes": sizes, "batch": batch, "seconds": lines, "pays up to": paying}
    print(json.dumps(found | {"devices": DEVICES}))


def measured() -> dict[str, Any]:
    """Products a second by rows of a batch, bytes a second of an update, and what a step costs besides."""
    rates = {}
    kernel = jnp.full((WIDTH, WIDTH), 0.5, jnp.float32)
    product = jax.jit(lambda x, kernel: x @ kernel)
    for rows in ROWS:
        x = jnp.full((rows, WIDTH), 0.5, jnp.float32)
        rates[rows] = 2 * rows * WIDTH**2 / least(lambda x=x: product(x, kernel), 64 // rows + 1)
    update = jax.jit(
        lambda p, m, v, g: (p - 1e-3 * m / (jnp.sqrt(v) + 1e-7), m + 0.1 * (g - m), v + 0.1 * (g * g - v))
    )
    arrays = [jnp.full(1 << 22, 0.5, jnp.float32) for _ in range(4)]
    return {
        "flop/s by rows": rates,
        "bytes/s of an update": ADAM * (1 << 22) / least(lambda: update(*arrays), 1),
        "seconds of a step besides": small_step(),
    }


def least(call: Callable[[], Any], times: int) -> float:
    """Processor seconds of a call."""
    jax.block_until_ready(call())
    taken = []
    for _ in range(ROUNDS):
        started = time.process_time()
        for _ in range(times):
            jax.block_until_ready(call())
        taken.append((time.process_time() - started) / times)
    return min(taken)


def small_step() -> float:
    """Of a network of next to nothing, by `fit`."""
    import jaxgd

    x = np.ones((32, 5), np.float32)

    def seconds(epochs: int) -> float:
        started = time.process_time()
        jaxgd.fit(jaxgd.mlp([5, 10, 1]), x, x[:, :1], epochs=epochs, batch_size=32, shuffle=False)
        return time.process_time() - started

    seconds(1)
    few, many = (min(seconds(epochs) for _ in range(3)) for epochs in (1, 400_000))
    return (many - few) / 400_000


def times(sizes: Any, batch: int, constants: dict[str, Any], link: float, latency: float) -> list[float]:
    """Seconds of a step for every number of devices."""
    weights = sum(a * b + b for a, b in pairwise(sizes))
    own = ADAM * weights / constants["bytes/s of an update"] + constants["seconds of a step besides"]
    result = []
    for count in DEVICES:
        rows = math.ceil(batch / count)
        compute = 6 * weights * rows / rate(constants["flop/s by rows"], rows)
        share, hops = (count - 1) / count, math.ceil(math.log2(count))
        reduced = 2 * share * 4 * weights / link + 2 * hops * latency
        sent = share * 4 * batch * (sizes[0] + sizes[-1]) / link + hops * latency
        result.append(compute + own + reduced + sent)
    return result


def rate(rates: dict[int, float], rows: int) -> float:
    """Between the measured numbers of rows along a line of logarithms."""
    return float(np.interp(math.log(rows), np.log(list(rates)), list(rates.values())))


def stops_paying(seconds: list[float]) -> int:
    """The last doubling of devices that makes a step at least a tenth faster."""
    best = 0
    while best + 1 < len(seconds) and seconds[best + 1] < seconds[best] / 1.1:
        best += 1
    return DEVICES[best]


if __name__ == "__main__":
    main()
