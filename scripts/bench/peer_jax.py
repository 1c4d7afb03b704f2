"""Raw JAX: a scan written by hand, the whole run one program. Several runs: the same under `jax.vmap`."""

from functools import partial

import jax
import jax.numpy as jnp
from common import batch_orders, init_weights, members_of


def versions():
    return {"jax": jax.__version__}


def forward(params, x):
    for kernel, bias in params[:-1]:
        x = jax.nn.relu(x @ kernel + bias)
    kernel, bias = params[-1]
    return x @ kernel + bias


def loss_fn(params, x, y, mask, loss):
    z = forward(params, x)
    if loss == "mean_squared_error":
        values = jnp.square(jax.nn.sigmoid(z) - y).mean(axis=1)
    else:
        values = -jnp.take_along_axis(jax.nn.log_softmax(z), y[:, None], axis=1)[:, 0]
    return values.mean() if mask is None else jnp.where(mask, values, 0.0).sum() / mask.sum()


def sgd(params, grads, slots, rate, t):
    return jax.tree.map(lambda p, g: p - rate * g, params, grads), slots


def adam(params, grads, slots, rate, t):
    m, v = slots
    size = rate * jnp.sqrt(1 - 0.999**t) / (1 - 0.9**t)
    m = jax.tree.map(lambda m, g: m + (g - m) * (1 - 0.9), m, grads)
    v = jax.tree.map(lambda v, g: v + (g * g - v) * (1 - 0.999), v, grads)
    params = jax.tree.map(lambda p, m, v: p - size * m / (jnp.sqrt(v) + 1e-7), params, m, v)
    return params, (m, v)


def train(loss, optimizer, padded, params, x, y, schedule, rate):
    """Parameters after the schedule, and the loss of each step."""
    update = {"sgd": sgd, "adam": adam}[optimizer]

    def step(carry, rows):
        params, slots, t = carry
        mask = rows >= 0 if padded else None
        safe = jnp.maximum(rows, 0)
        value, grads = jax.value_and_grad(loss_fn)(params, x[safe], y[safe], mask, loss)
        params, slots = update(params, grads, slots, rate, t)
        return (params, slots, t + 1), value

    zeros = jax.tree.map(jnp.zeros_like, params)
    start = (params, (zeros, zeros) if optimizer == "adam" else (), jnp.float32(1))
    (params, _, _), losses = jax.lax.scan(step, start, schedule)
    return params, losses


class Scan:
    def __init__(self, case):
        self.case = case
        self.x, self.y = jnp.asarray(case.x), jnp.asarray(case.y)
        padded = len(case.x) % case.batch != 0
        self.train = jax.jit(partial(train, case.loss, case.optimizer, padded))
        self.schedules = {}

    def reset(self):
        self.params = jax.tree.map(jnp.asarray, init_weights(self.case))

    def run(self, epochs):
        if epochs not in self.schedules:
            self.schedules[epochs] = jnp.asarray(batch_orders(self.case, epochs))
        schedule = self.schedules[epochs]
        self.params, losses = self.train(self.params, self.x, self.y, schedule, self.case.learning_rate)
        jax.block_until_ready((self.params, losses))

    def weights(self):
        return self.params


class VmappedScan:
    """All members at once."""

    def __init__(self, case):
        self.case = case
        self.x, self.y = jnp.asarray(case.x), jnp.asarray(case.y)
        padded = len(case.x) % case.batch != 0
        one = partial(train, case.loss, case.optimizer, padded)
        self.train = jax.jit(jax.vmap(one, in_axes=(0, None, None, 0, 0)))

    def reset(self):
        members = members_of(self.case)
        seeds = jnp.array([seed for seed, _ in members])
        self.rates = jnp.array([rate for _, rate in members])
        self.params = jax.tree.map(lambda leaf: jnp.asarray(leaf)[seeds], init_weights(self.case))
        schedules = [batch_orders(self.case, self.case.epochs, seed) for seed in range(self.case.num_seeds)]
        self.schedules = jnp.asarray(schedules)[seeds]

    def run(self, members):
        self.params, losses = self.train(self.params, self.x, self.y, self.schedules, self.rates)
        jax.block_until_ready((self.params, losses))

    def weights(self):
        return jax.tree.map(lambda leaf: leaf[0], self.params)


PEERS = {"JAX, scan by hand": Scan, "JAX, vmap of a scan by hand": VmappedScan}
