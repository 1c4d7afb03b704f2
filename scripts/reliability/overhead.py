"""What it costs that the compiled loop looks for the first step that is not finite.

    python scripts/reliability/overhead.py

Two programs of the same run, one of them without the look, in many pairs of short turns: the median of the
pairs' quotients counts, and is given with an interval.
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
    parser.add_argument("--pairs", type=int, default=101)
    options = parser.parse_args()
    findings = {name: compare(make(), options.pairs) for name, make in WORKLOADS.items()}
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
        "epochs": 30_000,
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
        "epochs": 50,
    }


WORKLOADS = {"seed": seed, "tabular": tabular}


def compare(options: dict[str, Any], pairs: int) -> dict[str, Any]:
    """Microseconds a step with and without, and the difference in percent.

    Whatever else the machine does slows both turns of a pair about equally, and the median of many pairs
    does not mind the few where it does not. Which goes first alternates.
    """
    programs = {}
    for looks in (True, False):
        _programs._programs.clear()
        with mock.patch.object(jnp, "isfinite", jnp.isfinite if looks else lambda value: jnp.asarray(True)):
            jaxgd.fit(**options)
        programs[looks] = dict(_programs._programs)
    times = np.array([_pair(programs, options, first=bool(turn % 2)) for turn in range(pairs)])
    ratios = times[:, 0] / times[:, 1]
    chosen = np.random.default_rng(0).integers(0, pairs, size=(2000, pairs))
    low, high = np.percentile(np.median(ratios[chosen], axis=1), [2.5, 97.5])
    with_look, without = np.median(times, axis=0)
    return {
        "with": round(float(with_look), 4),
        "without": round(float(without), 4),
        "percent": _percent(np.median(ratios)),
        "interval": [_percent(low), _percent(high)],
        "pairs": pairs,
    }


def _pair(programs: dict[bool, Any], options: dict[str, Any], first: bool) -> list[float]:
    """Microseconds a step with and without the look, one right after the other."""
    found = {}
    for looks in (first, not first):
        _programs._programs.clear()
        _programs._programs.update(programs[looks])
        found[looks] = microseconds_a_step(options)
    return [found[True], found[False]]


def _percent(ratio: Any) -> float:
    return round(100 * (float(ratio) - 1), 2)


def microseconds_a_step(options: dict[str, Any]) -> float:
    """Of the processor, over a whole run."""
    started = time.process_time()
    result = jaxgd.fit(**options)
    return (time.process_time() - started) / int(result.state.step) * 1e6


if __name__ == "__main__":
    main()
