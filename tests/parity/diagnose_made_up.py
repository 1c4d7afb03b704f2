"""Update rules of no catalogue: `diagnose` must not find any."""

import zlib

import numpy as np
from diagnose_recording import STEPS, Network, record, torch_step

from jaxgd.parity.diagnosing import Run


def _sign_at_random(rng):
    rates = rng.uniform(2e-4, 2e-3, STEPS)
    return lambda t, grad, value, slots: value - rates[t - 1] * np.sign(grad)


def _cubed(rng):
    return lambda t, grad, value, slots: value - 0.5 * grad**3


def _adam_with_waves(rng):
    def rule(t, grad, value, slots):
        beta_1, beta_2 = 0.85 + 0.1 * np.cos(t / 3), 0.96 + 0.03 * np.cos(t / 5)
        slots["m"] = beta_1 * slots.get("m", 0 * grad) + (1 - beta_1) * grad
        slots["v"] = beta_2 * slots.get("v", 0 * grad) + (1 - beta_2) * grad * grad
        return value - 0.002 * slots["m"] / (np.sqrt(slots["v"]) + 1e-6)

    return rule


def _random_walk(rng):
    return lambda t, grad, value, slots: value + 1e-3 * rng.normal(size=value.shape)


def _noisy_descent(rng):
    return lambda t, grad, value, slots: value - 0.02 * grad * (1 + 0.01 * rng.normal(size=value.shape))


def _fourth_root(rng):
    def rule(t, grad, value, slots):
        slots["v"] = 0.9 * slots.get("v", 0 * grad) + 0.1 * grad**4
        return value - 0.002 * grad / (slots["v"] ** 0.25 + 1e-6)

    return rule


def _two_momenta(rng):
    def rule(t, grad, value, slots):
        slots["a"] = 0.6 * slots.get("a", 0 * grad) + grad
        slots["b"] = 0.95 * slots.get("b", 0 * grad) + grad
        return value - 0.01 * slots["a"] - 0.002 * slots["b"]

    return rule


def _restless_rate(rng):
    rates = rng.uniform(6e-3, 3e-2, STEPS)
    return lambda t, grad, value, slots: value - rates[t - 1] * grad


MADE_UP = {
    "sign of the gradient times a random rate": _sign_at_random,
    "gradient cubed": _cubed,
    "Adam with betas that swing": _adam_with_waves,
    "random walk": _random_walk,
    "gradient descent with 1 % noise": _noisy_descent,
    "fourth root of the mean fourth power": _fourth_root,
    "two momenta added": _two_momenta,
    "gradient descent at a random rate": _restless_rate,
}


def record_made_up(name: str) -> Run:
    """The run of a made-up rule."""
    seed = zlib.crc32(name.encode())
    network = Network(seed, "float32")
    return record(network, torch_step(network, lambda: MADE_UP[name](np.random.default_rng(seed))))
