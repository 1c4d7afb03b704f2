"""The 44 runs that `diagnose` is tested on, recorded live, each with the truth that it is not told.

python tests/parity/diagnose_runs.py docs/diagnose.md     writes the confusion table into the document
"""

import sys
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import jax
import jax.numpy as jnp
import keras
import numpy as np
import optax

from jaxgd.parity.diagnose import Diagnosis, Number, Run, diagnose

STEPS = 60
FEATURE_SCALES = np.array([1.0, 0.3, 0.1, 1e-2, 1e-3, 3e-5])
RAW, CORRECTED = "epsilon on the uncorrected root", "epsilon on the corrected root"
INSIDE, OUTSIDE = "rate inside the velocity", "rate outside the velocity"
DECOUPLED = "decoupled decay"
BEGIN, END = "<!-- generated -->", "<!-- end of what is generated -->"


@dataclass(frozen=True)
class Recorded:
    """A run to record, and what should be found. `form` None: this run cannot tell the forms apart."""

    source: str
    label: str
    make: Callable
    name: str
    form: str | None
    numbers: dict[str, float]
    schedule: str = "constant"
    decay: str = ""
    clipping: str = ""
    dtype: str = "float32"
    unknowable: tuple[str, ...] = ()


class Network:
    """A small tanh network whose inputs differ in size, so that gradients do: NumPy, all in one precision."""

    def __init__(self, seed: int, dtype: str) -> None:
        self.rng = np.random.default_rng(seed)
        self.dtype = dtype
        shapes = {"hidden/kernel": (6, 7), "hidden/bias": (7,), "out/kernel": (7, 4), "out/bias": (4,)}
        self.params = {
            name: (0.5 * self.rng.normal(size=shape)).astype(dtype) for name, shape in shapes.items()
        }
        self.teacher = self.rng.normal(size=(6, 4)) / FEATURE_SCALES[:, None] ** 0.5

    def gradients(self, params: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Of the mean squared error on 8 new rows."""
        x = self.rng.normal(size=(8, 6)) * FEATURE_SCALES
        y = x @ self.teacher + 0.3 * self.rng.normal(size=(8, 4))
        x, y = x.astype(self.dtype), y.astype(self.dtype)
        hidden = np.tanh(x @ params["hidden/kernel"] + params["hidden/bias"])
        delta = (hidden @ params["out/kernel"] + params["out/bias"] - y) / x.dtype.type(16)
        inner = (delta @ params["out/kernel"].T) * (1 - hidden * hidden)
        return {
            "hidden/kernel": x.T @ inner,
            "hidden/bias": inner.sum(0),
            "out/kernel": hidden.T @ delta,
            "out/bias": delta.sum(0),
        }


def record(network: Network, step: Callable, steps: int = STEPS) -> Run:
    """`step(grads, params)` gives the next params; the run that it makes."""
    params = network.params
    history, grads = [params], []
    for _ in range(steps):
        grads.append(network.gradients(params))
        params = {name: np.asarray(value) for name, value in step(grads[-1], params).items()}
        history.append(params)
    return Run(
        {name: np.stack([params[name] for params in history]) for name in params},
        {name: np.stack([grad[name] for grad in grads]) for name in params},
    )


def keras_step(network: Network, make: Callable) -> Callable:
    """A Keras optimizer on variables that hold the parameters."""
    old = keras.config.floatx()
    keras.config.set_floatx(network.dtype)
    try:
        variables = {
            name: keras.Variable(value, name=name.replace("/", "_")) for name, value in network.params.items()
        }
        optimizer = make()
        optimizer.build(list(variables.values()))
    finally:
        keras.config.set_floatx(old)

    def step(grads, params):
        tensors = [keras.ops.convert_to_tensor(grads[name]) for name in variables]
        optimizer.apply(tensors, list(variables.values()))
        return {name: variable.numpy() for name, variable in variables.items()}

    return step


def optax_step(network: Network, make: Callable) -> Callable:
    """An optax transformation, compiled."""
    optimizer = make()
    state = [optimizer.init(jax.tree.map(jnp.asarray, network.params))]

    @jax.jit
    def advance(grads, state, params):
        updates, state = optimizer.update(grads, state, params)
        return optax.apply_updates(params, updates), state

    def step(grads, params):
        params, state[0] = advance(grads, state[0], params)
        return params

    return step


def torch_step(network: Network, make: Callable) -> Callable:
    """A rule in PyTorch's form: `make()` gives a function of (t, grad, value, slots), called leaf by leaf."""
    rule = make()
    slots: dict[str, dict] = {name: {} for name in network.params}
    count = [0]

    def step(grads, params):
        count[0] += 1
        return {
            name: rule(count[0], grads[name], params[name], slots[name]).astype(network.dtype)
            for name in params
        }

    return step


STEPPERS = {"Keras": keras_step, "optax": optax_step, "PyTorch form": torch_step}


def record_case(case: Recorded) -> Run:
    """The case's run; its network is drawn from the case's name."""
    network = Network(zlib.crc32(f"{case.source} {case.label}".encode()), case.dtype)
    with jax.enable_x64(case.dtype == "float64"):
        return record(network, STEPPERS[case.source](network, case.make))


# PyTorch's forms, written from its documentation. Schedules are functions of the step, counted from 0.


def torch_sgd(lr, momentum=0.0, dampening=0.0, nesterov=False, decay=0.0):
    def rule(t, grad, value, slots):
        grad = grad + decay * value
        buffer = grad if t == 1 else momentum * slots["b"] + (1 - dampening) * grad
        slots["b"] = buffer
        return value - lr(t - 1) * (grad + momentum * buffer if nesterov else buffer)

    return rule


def torch_adam(lr, beta_1, beta_2, epsilon, coupled=0.0, decoupled=0.0):
    def rule(t, grad, value, slots):
        value = value * (1 - lr(t - 1) * decoupled)
        grad = grad + coupled * value
        slots["m"] = beta_1 * slots.get("m", 0 * grad) + (1 - beta_1) * grad
        slots["v"] = beta_2 * slots.get("v", 0 * grad) + (1 - beta_2) * grad * grad
        divisor = np.sqrt(slots["v"]) / np.sqrt(1 - beta_2**t) + epsilon
        return value - lr(t - 1) / (1 - beta_1**t) * slots["m"] / divisor

    return rule


def torch_rmsprop(lr, alpha, epsilon, momentum):
    def rule(t, grad, value, slots):
        slots["v"] = alpha * slots.get("v", 0 * grad) + (1 - alpha) * grad * grad
        slots["b"] = momentum * slots.get("b", 0 * grad) + grad / (np.sqrt(slots["v"]) + epsilon)
        return value - lr(t - 1) * slots["b"]

    return rule


def torch_adagrad(lr, lr_decay, epsilon):
    def rule(t, grad, value, slots):
        slots["s"] = slots.get("s", 0 * grad) + grad * grad
        return value - lr / (1 + (t - 1) * lr_decay) * grad / (np.sqrt(slots["s"]) + epsilon)

    return rule


def torch_nadam(lr, beta_1, beta_2, epsilon, momentum_decay):
    def rule(t, grad, value, slots):
        now, ahead = (beta_1 * (1 - 0.5 * 0.96 ** (s * momentum_decay)) for s in (t, t + 1))
        slots["p"] = slots.get("p", 1.0) * now
        slots["m"] = beta_1 * slots.get("m", 0 * grad) + (1 - beta_1) * grad
        slots["v"] = beta_2 * slots.get("v", 0 * grad) + (1 - beta_2) * grad * grad
        divisor = np.sqrt(slots["v"] / (1 - beta_2**t)) + epsilon
        value = value - lr * (1 - now) / (1 - slots["p"]) * grad / divisor
        return value - lr * ahead / (1 - slots["p"] * ahead) * slots["m"] / divisor

    return rule


def always(rate):
    return lambda t: rate


# Rules of no catalogue.


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


K, S = keras.optimizers, keras.optimizers.schedules


def _adamw_on_matrices():
    optimizer = K.AdamW(0.0043, weight_decay=0.057, beta_1=0.86, beta_2=0.983, epsilon=2e-6)
    optimizer.exclude_from_weight_decay(var_names=["bias"])
    return optimizer


def _numbers(rate=None, **numbers):
    return numbers if rate is None else {"learning_rate": rate, **numbers}


KERAS = [
    ("sgd", lambda: K.SGD(0.037), "sgd", "", _numbers(0.037), {}),
    (
        "sgd, momentum",
        lambda: K.SGD(0.021, momentum=0.83),
        "sgd with momentum",
        None,
        _numbers(0.021, momentum=0.83),
        {},
    ),
    (
        "sgd, momentum, polynomial",
        lambda: K.SGD(S.PolynomialDecay(0.03, 47, 0.004, power=1.0), momentum=0.87),
        "sgd with momentum",
        INSIDE,
        _numbers(0.03, momentum=0.87, decay_steps=47, end_learning_rate=0.004),
        {"schedule": "linear decay"},
    ),
    (
        "sgd, nesterov, cosine",
        lambda: K.SGD(S.CosineDecay(0.041, 50, alpha=0.1), momentum=0.77, nesterov=True),
        "sgd with nesterov momentum",
        INSIDE,
        _numbers(0.041, momentum=0.77, decay_steps=50, alpha=0.1),
        {"schedule": "cosine decay"},
    ),
    (
        "sgd, clipnorm",
        lambda: K.SGD(0.063, clipnorm=1.1),
        "sgd",
        "",
        _numbers(0.063, clipnorm=1.1),
        {"clipping": "clipnorm"},
    ),
    (
        "sgd, momentum, global_clipnorm",
        lambda: K.SGD(0.033, momentum=0.72, global_clipnorm=1.3),
        "sgd with momentum",
        None,
        _numbers(0.033, momentum=0.72, global_clipnorm=1.3),
        {"clipping": "global_clipnorm"},
    ),
    (
        "rmsprop",
        lambda: K.RMSprop(0.0013, rho=0.88, epsilon=1e-6),
        "rmsprop",
        "epsilon inside the root",
        _numbers(0.0013, rho=0.88, epsilon=1e-6),
        {},
    ),
    (
        "rmsprop, momentum, inverse time",
        lambda: K.RMSprop(S.InverseTimeDecay(0.002, 10, 0.4), rho=0.91, momentum=0.66, epsilon=3e-6),
        "rmsprop with momentum",
        f"epsilon inside the root, {INSIDE}",
        _numbers(0.002, rho=0.91, momentum=0.66, epsilon=3e-6, decay_per_step=0.04),
        {"schedule": "inverse time decay"},
    ),
    (
        "rmsprop, centered",
        lambda: K.RMSprop(0.0021, rho=0.93, centered=True, epsilon=2e-5),
        "centered rmsprop",
        "epsilon inside the root",
        _numbers(0.0021, rho=0.93, epsilon=2e-5),
        {},
    ),
    (
        "adam",
        lambda: K.Adam(0.0023, 0.85, 0.97, epsilon=1e-5),
        "adam",
        RAW,
        _numbers(0.0023, beta_1=0.85, beta_2=0.97, epsilon=1e-5),
        {},
    ),
    ("adam, defaults", K.Adam, "adam", RAW, _numbers(0.001, beta_1=0.9, beta_2=0.999, epsilon=1e-7), {}),
    (
        "adam, float64",
        lambda: K.Adam(0.0031, 0.91, 0.993, epsilon=3e-7),
        "adam",
        RAW,
        _numbers(0.0031, beta_1=0.91, beta_2=0.993, epsilon=3e-7),
        {"dtype": "float64"},
    ),
    (
        "adam, amsgrad",
        lambda: K.Adam(0.0037, 0.8, 0.93, epsilon=1e-4, amsgrad=True),
        "amsgrad",
        f"largest uncorrected square, {RAW}",
        _numbers(0.0037, beta_1=0.8, beta_2=0.93, epsilon=1e-4),
        {},
    ),
    (
        "adam, clipvalue",
        lambda: K.Adam(0.0019, 0.88, 0.96, epsilon=1e-4, clipvalue=0.02),
        "adam",
        RAW,
        _numbers(0.0019, beta_1=0.88, beta_2=0.96, epsilon=1e-4, clipvalue=0.02),
        {"clipping": "clipvalue"},
    ),
    (
        "adam, warm-up and cosine",
        lambda: K.Adam(
            S.CosineDecay(1e-4, 45, alpha=0.0, warmup_target=0.006, warmup_steps=11), 0.87, 0.98, epsilon=1e-6
        ),
        "adam",
        RAW,
        _numbers(
            0.006, beta_1=0.87, beta_2=0.98, epsilon=1e-6, initial_rate=1e-4, warmup_steps=11, decay_steps=45
        ),
        {"schedule": "linear warm-up, then cosine decay", "unknowable": ("end_learning_rate",)},
    ),
    (
        "adam, piecewise constant",
        lambda: K.Adam(S.PiecewiseConstantDecay([24], [0.005, 0.0011]), 0.9, 0.99, epsilon=1e-5),
        "adam",
        RAW,
        _numbers(0.005, beta_1=0.9, beta_2=0.99, epsilon=1e-5, later_rate=0.0011),
        {"schedule": "piecewise constant"},
    ),
    (
        "adamw, matrices decay",
        _adamw_on_matrices,
        "adam",
        RAW,
        _numbers(0.0043, beta_1=0.86, beta_2=0.983, epsilon=2e-6, weight_decay=0.057),
        {"decay": f"{DECOUPLED} of matrices"},
    ),
    (
        "adamax",
        lambda: K.Adamax(0.0027, 0.83, 0.95, epsilon=1e-3),
        "adamax",
        "epsilon after the maximum",
        _numbers(0.0027, beta_1=0.83, beta_2=0.95, epsilon=1e-3),
        {},
    ),
    (
        "nadam",
        lambda: K.Nadam(0.0018, 0.92, 0.98, epsilon=1e-5),
        "nadam",
        "momentum warms up with 0.96^t",
        _numbers(0.0018, beta_1=0.92, beta_2=0.98, epsilon=1e-5),
        {},
    ),
    (
        "adagrad",
        lambda: K.Adagrad(0.047, initial_accumulator_value=0.013),
        "adagrad",
        "epsilon inside the root (part of the initial accumulator)",
        _numbers(0.047, initial_accumulator_value=0.013),
        {},
    ),
    (
        "adadelta",
        lambda: K.Adadelta(0.73, rho=0.89, epsilon=1e-5),
        "adadelta",
        "epsilon inside both roots",
        _numbers(0.73, rho=0.89, epsilon=1e-5),
        {},
    ),
    (
        "ftrl",
        lambda: K.Ftrl(0.083, initial_accumulator_value=0.17),
        "ftrl",
        "power -1/2, no penalties",
        _numbers(0.083, initial_accumulator_value=0.17),
        {},
    ),
    (
        "ftrl, penalties",
        lambda: K.Ftrl(
            0.21,
            learning_rate_power=-0.62,
            initial_accumulator_value=0.09,
            l1_regularization_strength=0.004,
            l2_regularization_strength=0.03,
            l2_shrinkage_regularization_strength=0.007,
        ),
        "ftrl",
        "with penalties",
        _numbers(
            0.21,
            learning_rate_power=-0.62,
            initial_accumulator_value=0.09,
            l1_regularization_strength=0.004,
            l2_regularization_strength=0.03,
            l2_shrinkage_regularization_strength=0.007,
        ),
        {},
    ),
    (
        "lion, decay",
        lambda: K.Lion(0.0007, 0.87, 0.96, weight_decay=0.31),
        "lion",
        "",
        _numbers(0.0007, beta_1=0.87, beta_2=0.96, weight_decay=0.31),
        {"decay": DECOUPLED},
    ),
    (
        "lamb",
        lambda: K.Lamb(0.0062, 0.88, 0.97, epsilon=1e-5),
        "lamb",
        "decay outside the trust ratio",
        _numbers(0.0062, beta_1=0.88, beta_2=0.97, epsilon=1e-5),
        {},
    ),
    (
        "adafactor",
        lambda: K.Adafactor(0.017, beta_2_decay=-0.71, clip_threshold=0.9),
        "adafactor",
        "rate at most 1 / sqrt(t)",
        _numbers(0.017, beta_2_decay=-0.71, clip_threshold=0.9),
        {"unknowable": ("epsilon_2",)},
    ),
    (
        "muon",
        lambda: K.Muon(
            0.0041,
            adam_beta_1=0.87,
            adam_beta_2=0.98,
            epsilon=1e-5,
            momentum=0.93,
            adam_lr_ratio=0.8,
            weight_decay=0.05,
            adam_weight_decay=0.05,
        ),
        "muon",
        "nesterov, uncorrected momentum",
        _numbers(
            0.0041,
            beta_1=0.87,
            beta_2=0.98,
            epsilon=1e-5,
            momentum=0.93,
            adam_lr_ratio=0.8,
            weight_decay=0.05,
        ),
        {"decay": DECOUPLED},
    ),
    (
        "schedule-free",
        lambda: K.ScheduleFreeAdamW(0.0029, 0.9, 0.97, epsilon=1e-5),
        "schedule-free adamw",
        "parameters are the mean of z",
        _numbers(0.0029, beta_2=0.97, epsilon=1e-5),
        {},
    ),
]

OPTAX = [
    (
        "sgd, momentum, cosine",
        lambda: optax.sgd(optax.cosine_decay_schedule(0.027, 55), momentum=0.81),
        "sgd with momentum",
        OUTSIDE,
        _numbers(0.027, momentum=0.81, decay_steps=55),
        {"schedule": "cosine decay to zero"},
    ),
    (
        "adam",
        lambda: optax.adam(0.0034, 0.84, 0.95, eps=2e-5),
        "adam",
        CORRECTED,
        _numbers(0.0034, beta_1=0.84, beta_2=0.95, epsilon=2e-5),
        {},
    ),
    (
        "adamw, cosine, float64",
        lambda: optax.adamw(optax.cosine_decay_schedule(0.004, 80), 0.93, 0.991, eps=1e-6, weight_decay=0.09),
        "adam",
        CORRECTED,
        _numbers(0.004, beta_1=0.93, beta_2=0.991, epsilon=1e-6, weight_decay=0.09, decay_steps=80),
        {"schedule": "cosine decay to zero", "decay": DECOUPLED, "dtype": "float64"},
    ),
    (
        "amsgrad",
        lambda: optax.amsgrad(0.0024, 0.82, 0.94, eps=1e-4),
        "amsgrad",
        f"largest corrected square, {CORRECTED}",
        _numbers(0.0024, beta_1=0.82, beta_2=0.94, epsilon=1e-4),
        {},
    ),
    (
        "nadam",
        lambda: optax.nadam(0.0028, 0.89, 0.96, eps=1e-5),
        "nadam",
        "constant momentum",
        _numbers(0.0028, beta_1=0.89, beta_2=0.96, epsilon=1e-5),
        {},
    ),
    (
        "adamax",
        lambda: optax.adamax(0.0022, 0.86, 0.94, eps=1e-3),
        "adamax",
        "epsilon inside the maximum",
        _numbers(0.0022, beta_1=0.86, beta_2=0.94, epsilon=1e-3),
        {},
    ),
    (
        "lamb, decay",
        lambda: optax.lamb(0.0055, 0.87, 0.96, eps=1e-5, weight_decay=0.6),
        "lamb",
        "decay inside the trust ratio",
        _numbers(0.0055, beta_1=0.87, beta_2=0.96, epsilon=1e-5, weight_decay=0.6),
        {},
    ),
    (
        "rmsprop, clip_by_global_norm",
        lambda: optax.chain(
            optax.clip_by_global_norm(1.5), optax.rmsprop(0.0017, 0.86, eps=1e-3, eps_in_sqrt=False)
        ),
        "rmsprop",
        "epsilon outside the root",
        _numbers(0.0017, rho=0.86, epsilon=1e-3, global_clipnorm=1.5),
        {"clipping": "global_clipnorm"},
    ),
    (
        "adabelief",
        lambda: optax.adabelief(0.0026, 0.85, 0.95, eps=1e-5),
        "adabelief",
        CORRECTED,
        _numbers(0.0026, beta_1=0.85, beta_2=0.95, epsilon=1e-5),
        {},
    ),
]

TORCH = [
    (
        "sgd, dampening",
        lambda: torch_sgd(always(0.044), 0.79, dampening=0.35),
        "sgd with dampened momentum",
        "first gradient undampened",
        _numbers(0.044, momentum=0.79, dampening=0.35),
        {},
    ),
    (
        "sgd, nesterov, step decay, L2",
        lambda: torch_sgd(lambda t: 0.035 * 0.6 ** (t // 17), 0.74, nesterov=True, decay=0.021),
        "sgd with nesterov momentum",
        OUTSIDE,
        _numbers(0.035, momentum=0.74, decay_rate=0.6, interval=17, weight_decay=0.021),
        {"schedule": "step decay", "decay": "decay added to the gradient"},
    ),
    (
        "adam, L2",
        lambda: torch_adam(always(0.0029), 0.83, 0.96, 1e-5, coupled=0.0043),
        "adam",
        CORRECTED,
        _numbers(0.0029, beta_1=0.83, beta_2=0.96, epsilon=1e-5, weight_decay=0.0043),
        {"decay": "decay added to the gradient"},
    ),
    (
        "adamw, exponential",
        lambda: torch_adam(lambda t: 0.0047 * 0.972**t, 0.9, 0.97, 1e-5, decoupled=0.08),
        "adam",
        CORRECTED,
        _numbers(0.0047, beta_1=0.9, beta_2=0.97, epsilon=1e-5, weight_decay=0.08, decay_per_step=0.972),
        {"schedule": "exponential decay", "decay": DECOUPLED},
    ),
    (
        "rmsprop, momentum, linear, float64",
        lambda: torch_rmsprop(lambda t: 0.0021 * (1 - t / 90), 0.92, 1e-4, 0.61),
        "rmsprop with momentum",
        f"epsilon outside the root, {OUTSIDE}",
        _numbers(0.0021, rho=0.92, epsilon=1e-4, momentum=0.61, decay_steps=90),
        {"schedule": "linear decay to zero", "dtype": "float64"},
    ),
    (
        "adagrad, lr_decay",
        lambda: torch_adagrad(0.0093, 0.013, 1e-3),
        "adagrad",
        "epsilon outside the root, accumulator from 0",
        _numbers(0.0093, epsilon=1e-3, decay_per_step=0.013),
        {"schedule": "inverse time decay"},
    ),
    (
        "nadam",
        lambda: torch_nadam(0.0024, 0.91, 0.97, 1e-5, 0.021),
        "nadam",
        "momentum warms up with 0.96^(momentum_decay t)",
        _numbers(0.0024, beta_1=0.91, beta_2=0.97, epsilon=1e-5, momentum_decay=0.021),
        {},
    ),
]

CASES = [
    Recorded(source, label, make, name, form, numbers, **more)
    for source, rows in (("Keras", KERAS), ("optax", OPTAX), ("PyTorch form", TORCH))
    for label, make, name, form, numbers, more in rows
]


def same_rule(case: Recorded, diagnosis: Diagnosis) -> bool:
    """Whether the first finding is the case's rule, with its schedule, decay and clipping."""
    found = diagnosis.best
    if found is None or (found.name, found.schedule) != (case.name, case.schedule):
        return False
    form = case.form is None or found.form == case.form
    return form and (found.decay, found.clipping) == (case.decay, case.clipping)


def wrong_numbers(case: Recorded, diagnosis: Diagnosis) -> list[str]:
    """Numbers that were found, are said to be determined, and are more than 1 % away."""
    found = diagnosis.best.numbers if diagnosis.best else {}
    return [
        f"{name} {found[name].value:.6g} for {truth:.6g}"
        for name, truth in case.numbers.items()
        if name in found and found[name].is_determined and not _near(found[name], truth)
    ]


def _near(number: Number, truth: float) -> bool:
    """Within 1 %; a share, in what it lacks to 1 as well."""
    size = min(abs(truth), 1 - truth) if number.is_share else abs(truth)
    return abs(number.value - truth) <= 0.01 * size


def open_numbers(case: Recorded, diagnosis: Diagnosis) -> list[str]:
    """Numbers of the truth that the diagnosis calls not determined, or lacks."""
    found = diagnosis.best.numbers if diagnosis.best else {}
    return [name for name in case.numbers if name not in found or not found[name].is_determined]


def main() -> None:
    """Diagnose every case and write the table into the document that is named."""
    document, chosen = Path(sys.argv[1]), sys.argv[2:]
    rows, right = [], 0
    for number, case in enumerate(CASES):
        if chosen and str(number) not in chosen:
            continue
        run = record_case(case)
        start = time.process_time()
        diagnosis = diagnose(run)
        seconds = time.process_time() - start
        rows.append(_row(case, diagnosis, seconds))
        right += same_rule(case, diagnosis) and not wrong_numbers(case, diagnosis)
        print(number, *rows[-1], sep=" | ", flush=True)
    made_up = [_made_up_row(name) for name in MADE_UP]
    print(*made_up, sep="\n")
    if not chosen:
        _write(document, rows, made_up, f"{right} of {len(rows)} runs: right rule, and no wrong number.")


def _row(case: Recorded, diagnosis: Diagnosis, seconds: float) -> tuple[str, ...]:
    found = diagnosis.best
    verdict = "yes" if same_rule(case, diagnosis) else "NO"
    found_as = f"{found.title}; {found.schedule}" if found else "none fits"
    residual = f"{found.residual:.2f}" if found else f"({diagnosis.nearest.residual:.2g})"
    ties = str(max(len(diagnosis.findings) - 1, 0))
    wrong, left_open = wrong_numbers(case, diagnosis), open_numbers(case, diagnosis)
    cells = (
        case.source,
        case.label,
        found_as,
        verdict,
        ", ".join(wrong),
        ", ".join(left_open),
        residual,
        ties,
    )
    return (*cells, f"{seconds:.1f}")


def _made_up_row(name: str) -> tuple[str, ...]:
    run, start = record_made_up(name), time.process_time()
    diagnosis = diagnose(run)
    seconds = time.process_time() - start
    found = diagnosis.best
    nearest = diagnosis.nearest
    return (
        name,
        found.title if found else "none fits",
        f"{nearest.title} ({nearest.relative:.1e})" if nearest else "",
        f"{seconds:.1f}",
    )


def _write(document: Path, rows: list, made_up: list, summary: str) -> None:
    """The tables, between the document's markers."""
    head = (
        "source",
        "run",
        "found",
        "right",
        "wrong numbers",
        "not determined",
        "residual",
        "ties",
        "seconds",
    )
    tables = [
        summary,
        "",
        *_table(head, rows),
        "",
        *_table(("made-up rule", "found", "nearest (unexplained share)", "seconds"), made_up),
    ]
    before, rest = document.read_text().split(BEGIN)
    document.write_text(f"{before}{BEGIN}\n" + "\n".join(tables) + f"\n{END}{rest.split(END)[1]}")


def _table(head: tuple[str, ...], rows: list) -> list[str]:
    lines = [head, ["---"] * len(head), *rows]
    return ["| " + " | ".join(cells) + " |" for cells in lines]


if __name__ == "__main__":
    main()
