"""Recording runs for `diagnose`: a small network, and steppers of Keras, optax, and rules by hand."""

import zlib
from collections.abc import Callable
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import keras
import numpy as np
import optax

from jaxgd.parity.diagnosing import Run

STEPS = 60
FEATURE_SCALES = np.array([1.0, 0.3, 0.1, 1e-2, 1e-3, 3e-5])


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


def record_case(case: Recorded, salt: str = "") -> Run:
    """The case's run; its network is drawn from the case's name and `salt`."""
    network = Network(zlib.crc32(f"{case.source} {case.label}{salt}".encode()), case.dtype)
    with jax.enable_x64(case.dtype == "float64"):
        return record(network, STEPPERS[case.source](network, case.make))
