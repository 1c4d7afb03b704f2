"""What it costs that the compiled loop looks for the first step that is not finite.

    python scripts/reliability/overhead.py

Two programs of the same run, one of them without the look, by turns; the least processor time of each counts.
"""

import argparse
import json
import time
from typing import Any
from unittest import mock

import jax.numpy as jnp
import numpy as np
from sklearn.datasets import load_digits

import jaxgd
from jaxgd import _programs


def main() -> None:
    """Print the findings as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=15)
    options = parser.parse_args()
    findings = {name: compare(make(), options.repeats) for name, make in WORKLOADS.items()}
    print(json.dumps(findings))


def seed() -> dict[str, Any]:
    """5-10-1, all 32 rows a batch: the smallest step there is."""
    rng = np.random.default_rng(0)
    model = jaxgd.mlp([5, 10, 1], "relu", "sigmoid")
    return {
        "model": model,
        "x": rng.normal(size=(32, 5)),
        "y": rng.uniform(size=(32, 1)),
        "optimizer": jaxgd.optimizers.sgd(0.01),
        "epochs": 200_000,
    }


def tabular() -> dict[str, Any]:
    """64-128-64-10 on 1,797 real rows with Adam."""
    x, y = load_digits(return_X_y=True)
    return {
        "model": jaxgd.mlp([64, 128, 64, 10]),
        "x": x / 16,
        "y": y,
        "loss": jaxgd.losses.get("sparse_categorical_crossentropy", from_logits=True),
        "optimizer": "adam",
        "epochs": 100,
    }


WORKLOADS = {"seed": seed, "tabular": tabular}


def compare(options: dict[str, Any], repeats: int) -> dict[str, Any]:
    """Microseconds a step with and without, and the difference in percent."""
    with_look: list[float] = []
    without: list[float] = []
    programs = {}
    for looks in (True, False):
        _programs._programs.clear()
        with mock.patch.object(jnp, "isfinite", jnp.isfinite if looks else lambda value: jnp.asarray(True)):
            jaxgd.fit(**options)
        programs[looks] = dict(_programs._programs)
    for _ in range(repeats):
        for looks, times in ((True, with_look), (False, without)):
            _programs._programs.clear()
            _programs._programs.update(programs[looks])
            times.append(microseconds_a_step(options))
    one, other = min(with_look), min(without)
    return {"with": round(one, 4), "without": round(other, 4), "percent": round(100 * (one / other - 1), 2)}


def microseconds_a_step(options: dict[str, Any]) -> float:
    """Of the processor, over a whole run."""
    started = time.process_time()
    result = jaxgd.fit(**options)
    return (time.process_time() - started) / int(result.state.step) * 1e6


if __name__ == "__main__":
    main()
