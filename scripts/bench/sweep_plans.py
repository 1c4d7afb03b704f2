"""Sweeps measured: the planner against manual choices, the sweep workload against its peers, and scaling.

    python scripts/bench/sweep_plans.py plans       12 shapes; each plan in a process of its own
    python scripts/bench/sweep_plans.py workload    256 runs of 64-32-10 against fit and scikit-learn
    python scripts/bench/sweep_plans.py scaling     1 to 1,000 members, with the fitted exponent

Prints one JSON object a line, with seconds of the clock and of the processor: on a machine that does other
work too, the second are the ones to compare.
"""

import argparse
import json
import math
import subprocess
import sys
import time
import warnings
from typing import Any

import numpy as np
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier

import jaxgd
from jaxgd.sweeps import log_range, sweep

SHAPES = [
    (8, 1, 16),
    (8, 1, 512),
    (8, 5, 64),
    (16, 2, 256),
    (32, 1, 64),
    (32, 3, 512),
    (64, 1, 16),
    (64, 2, 128),
    (64, 5, 32),
    (128, 2, 64),
    (256, 1, 32),
    (256, 3, 16),
]
"""Width, depth and members."""
PLANS = ["auto", "sequential", "map", "vmap:4", "vmap:16", "vmap:64"]
EPOCHS, BATCH = 5, 32
LOSS = jaxgd.losses.get("sparse_categorical_crossentropy", from_logits=True)


def digits() -> tuple[np.ndarray, np.ndarray]:
    """1,797 rows of 64 features in [0, 1], and their labels."""
    x, y = load_digits(return_X_y=True)
    return (x / 16).astype(np.float32), y


def timed(function: Any) -> tuple[Any, float, float]:
    """What it returns, seconds of the clock, seconds of the processor."""
    clock, processor = time.perf_counter(), time.process_time()
    value = function()
    return value, time.perf_counter() - clock, time.process_time() - processor


def swept(width: int, depth: int, members: int, plan: str, epochs: int = EPOCHS) -> Any:
    """A sweep of learning rates and seeds."""
    form, _, number = plan.partition(":")
    model = jaxgd.mlp([64, *[width] * depth, 10])
    rates = log_range(1e-4, 1e-2, 8) if members % 8 == 0 else [1e-3]
    return sweep(
        model,
        *digits(),
        grid={"learning_rate": rates},
        seeds=members // len(rates),
        loss=LOSS,
        optimizer="adam",
        epochs=epochs,
        batch_size=BATCH,
        plan=(form, int(number)) if number else form,
    )


def one(width: int, depth: int, members: int, plan: str) -> None:
    """One plan of one shape in this process."""
    table, clock, processor = timed(lambda: swept(width, depth, members, plan))
    facts = {"clock": clock, "processor": processor, "compilations": table.compilations}
    print(json.dumps({**facts, "chosen": table.plans[-1].split()[1:]}), flush=True)


def plans(rounds: int) -> None:
    """Every plan of every shape: the least of some rounds, interleaved, and the planner against the best."""
    worst = {"clock": 0.0, "processor": 0.0}
    for shape in SHAPES:
        found: dict[str, list[dict[str, Any]]] = {plan: [] for plan in PLANS}
        for _ in range(rounds):
            for plan in PLANS:
                words = [sys.executable, __file__, "one", *map(str, shape), plan]
                done = subprocess.run(words, capture_output=True, text=True, check=True)
                found[plan].append(json.loads(done.stdout.splitlines()[-1]))
        least = {
            kind: {plan: min(run[kind] for run in runs) for plan, runs in found.items()} for kind in worst
        }
        ratios = {
            kind: of["auto"] / min(value for plan, value in of.items() if plan != "auto")
            for kind, of in least.items()
        }
        worst = {kind: max(worst[kind], ratio) for kind, ratio in ratios.items()}
        line = {"shape": shape, "chosen": found["auto"][0]["chosen"], "ratio": ratios, "seconds": least}
        print(json.dumps(line), flush=True)
    print(json.dumps({"worst_ratio": worst}), flush=True)


def workload(peers: int) -> None:
    """256 runs of 64-32-10 against `fit` one after the other and scikit-learn, on some of the members."""
    steps = EPOCHS * math.ceil(len(digits()[0]) / BATCH)
    swept(32, 1, 256, "auto")  # compiled
    table, clock, processor = timed(lambda: swept(32, 1, 256, "auto"))
    rows = {"sweep": (clock / 256, processor / 256)}
    model, (x, y) = jaxgd.mlp([64, 32, 10]), digits()

    def fitted() -> list[float]:
        common = {"loss": LOSS, "epochs": EPOCHS, "batch_size": BATCH}
        runs = [
            jaxgd.fit(model, x, y, optimizer=jaxgd.optimizers.adam(1e-3), seed=seed, **common)
            for seed in range(peers)
        ]
        return [float(run.history["loss"][-1]) for run in runs]

    fitted()
    losses, clock, processor = timed(fitted)
    rows["fit, one after the other"] = clock / peers, processor / peers

    def learned() -> list[float]:
        warnings.simplefilter("ignore", ConvergenceWarning)
        options: dict[str, Any] = {"batch_size": BATCH, "max_iter": EPOCHS, "alpha": 0.0, "tol": 0.0}
        return [
            MLPClassifier((32,), learning_rate_init=1e-3, random_state=seed, **options).fit(x, y).loss_
            for seed in range(peers)
        ]

    theirs, clock, processor = timed(learned)
    rows["scikit-learn"] = clock / peers, processor / peers
    for name, (clock, processor) in rows.items():
        base = rows["sweep"]
        facts = {"clock_us_a_step": clock / steps * 1e6, "processor_us_a_step": processor / steps * 1e6}
        ratios = {"times_sweep_clock": clock / base[0], "times_sweep_processor": processor / base[1]}
        print(json.dumps({"what": name, **facts, **ratios}), flush=True)
    mean = {"fit": float(np.mean(losses)), "scikit-learn": float(np.mean(theirs))}
    print(json.dumps({"mean_loss_of_the_last_epoch": mean, "plan": table.plans[-1].strip()}), flush=True)


def scaling() -> None:
    """Seconds for 1 to 1,000 members once compiled, and the exponent of their growth from 10 on."""
    counts = [1, 3, 10, 32, 100, 320, 1000]
    points = []
    for count in counts:
        swept(32, 1, count, "map")
        _, clock, processor = timed(lambda count=count: swept(32, 1, count, "map"))
        points.append((count, clock, processor))
        print(json.dumps({"members": count, "clock": clock, "processor": processor}), flush=True)
    of = np.log(np.array([point for point in points if point[0] >= 10]))
    exponents = [float(np.polyfit(of[:, 0], of[:, column], 1)[0]) for column in (1, 2)]
    print(json.dumps({"exponent_clock": exponents[0], "exponent_processor": exponents[1]}), flush=True)


def main() -> None:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    commands = parser.add_subparsers(dest="command", required=True)
    single = commands.add_parser("one")
    for name in ("width", "depth", "members"):
        single.add_argument(name, type=int)
    single.add_argument("plan", choices=PLANS)
    commands.add_parser("plans").add_argument("--rounds", type=int, default=3)
    commands.add_parser("workload").add_argument("--peers", type=int, default=16)
    commands.add_parser("scaling")
    arguments = parser.parse_args()
    if arguments.command == "one":
        one(arguments.width, arguments.depth, arguments.members, arguments.plan)
    elif arguments.command == "plans":
        plans(arguments.rounds)
    elif arguments.command == "workload":
        workload(arguments.peers)
    else:
        scaling()


if __name__ == "__main__":
    main()
