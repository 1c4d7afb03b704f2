"""How long `jaxgd.fit` takes beside a scan written by hand for the same network: the workload `tabular`.

64-128-64-10, sparse cross-entropy from logits, Adam, 1,797 real rows, batch 32, shuffled, 20 epochs. Both
run the same arithmetic on the same order of rows in one process; rounds interleaved, compiling apart.

    python scripts/bench/fit_against_scan.py [--rounds 15]
"""

import argparse
import json
import statistics
import time

import jax
import jax.numpy as jnp
import numpy as np
from sklearn.datasets import load_digits

import jaxgd

EPOCHS, BATCH, RATE = 20, 32, 1e-3


def forward(params, x):
    for kernel, bias in params[:-1]:
        x = jax.nn.relu(x @ kernel + bias)
    kernel, bias = params[-1]
    return x @ kernel + bias


def loss_fn(params, x, y, mask):
    log_p = jax.nn.log_softmax(forward(params, x))
    picked = jnp.take_along_axis(log_p, y[:, None], axis=1)[:, 0]
    return -jnp.where(mask, picked, 0.0).sum() / mask.sum()


def adam(params, grads, m, v, t):
    size = RATE * jnp.sqrt(1 - 0.999**t) / (1 - 0.9**t)
    m = jax.tree.map(lambda m, g: m + (g - m) * (1 - 0.9), m, grads)
    v = jax.tree.map(lambda v, g: v + (g * g - v) * (1 - 0.999), v, grads)
    params = jax.tree.map(lambda p, m, v: p - size * m / (jnp.sqrt(v) + 1e-7), params, m, v)
    return params, m, v


@jax.jit
def scan_by_hand(params, x, y, schedule):
    def step(carry, rows):
        params, m, v, t = carry
        safe, mask = jnp.maximum(rows, 0), rows >= 0
        loss, grads = jax.value_and_grad(loss_fn)(params, x[safe], y[safe], mask)
        params, m, v = adam(params, grads, m, v, t)
        return (params, m, v, t + 1), loss * mask.sum()

    zeros = jax.tree.map(jnp.zeros_like, params)
    _, losses = jax.lax.scan(step, (params, zeros, zeros, jnp.float32(1)), schedule)
    return losses.reshape(EPOCHS, -1).sum(axis=1) / len(x)


def timed(run):
    start = time.perf_counter()
    history = run()
    return time.perf_counter() - start, history


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds

    pixels, labels = load_digits(return_X_y=True)
    x, y = jnp.asarray(pixels, jnp.float32) / 16, jnp.asarray(labels, jnp.int32)
    model = jaxgd.mlp([64, 128, 64, 10])
    params = model.init(0)
    plain = [(leaves["kernel"], leaves["bias"]) for leaves in params.values()]
    schedule = jnp.asarray(jaxgd.make_schedule(len(x), BATCH, EPOCHS, seed=0))
    loss = jaxgd.losses.get("sparse_categorical_crossentropy", from_logits=True)

    def by_hand():
        return np.asarray(scan_by_hand(plain, x, y, schedule))

    def by_fit():
        result = jaxgd.fit(model, x, y, loss=loss, optimizer=jaxgd.optimizers.adam(RATE), epochs=EPOCHS)
        seconds.append(result.seconds["run"])
        return result.history["loss"]

    seconds: list[float] = []
    first = {name: timed(run) for name, run in (("scan", by_hand), ("fit", by_fit))}
    seconds.clear()
    scan_times = []
    for _ in range(rounds):
        scan_times.append(timed(by_hand)[0])
        by_fit()
    difference = float(np.abs(first["scan"][1] - first["fit"][1]).max() / first["scan"][1].max())
    steps = schedule.shape[0]
    report = {
        "workload": "tabular",
        "steps": steps,
        "rounds": rounds,
        "first_call_seconds": {name: round(value[0], 3) for name, value in first.items()},
        "scan_us_per_step": _summary(scan_times, steps),
        "fit_us_per_step": _summary(seconds, steps),
        "fit_over_scan_minimum": round(min(seconds) / min(scan_times), 4),
        "fit_over_scan_median": round(statistics.median(seconds) / statistics.median(scan_times), 4),
        "loss_difference": difference,
        "jax": jax.__version__,
        "device": jax.devices()[0].device_kind,
    }
    print(json.dumps(report, indent=2))


def _summary(times, steps):
    return {
        "minimum": round(1e6 * min(times) / steps, 2),
        "median": round(1e6 * statistics.median(times) / steps, 2),
    }


if __name__ == "__main__":
    main()
