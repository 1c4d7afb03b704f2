"""A thousand steps of a smooth model by every optimizer: 1e-12 in float64; in float32 beside TensorFlow."""

import functools
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import jaxgd
from jaxgd.parity.case import Case, Family, Results, options_of
from jaxgd.parity.catalogue.gradient import SEED, flat
from jaxgd.parity.catalogue.optimizer import make_optimizer
from jaxgd.parity.catalogue.optimizer_data import VARIANTS
from jaxgd.parity.catalogue.stacks import data, nested, our_model
from jaxgd.parity.comparator import Tolerance
from jaxgd.parity.judge import FLOAT32, FLOAT64

CHECKPOINTS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
STACK, LOSS = "tanh", "mean_squared_error"
_CALM = {"RMSprop": 2e-5, "Adadelta": 0.1, "Adafactor": 0.002}
"""Rates at which these still descend after a thousand steps.

At larger ones they jump about the minimum, where rounding grows from step to step: jaxgd itself, started from
weights that differ by 1e-15, ends 3e-3 away by RMSprop's default rate and 9e-2 away by Adadelta's rate 1."""
_CENTERED = {"learning_rate": 2e-5, "epsilon": 1e-4}
"""The variance of gradients that hardly change cancels to noise, which a small epsilon lets through: by it
jaxgd ends 8e-11 from itself at any rate."""
_WRAPPERS: list[tuple[str, dict[str, Any]]] = [
    ("LossScaleOptimizer", {"inner": "Adam", "initial_scale": 64.0, "dynamic_growth_steps": 90}),
    ("LossScaleOptimizer", {"inner": "SGD", "initial_scale": 4.0, "dynamic_growth_steps": 100}),
    ("MultiOptimizer", {"inner": "Adam", "routes": ((".*/bias", "Nadam"), (".*dense_1/kernel", "Lion"))}),
]
"""The scale doubles about ten times in a run, and stays finite."""


def cases() -> Iterator[Case]:
    """Every optimizer of the catalogue in both precisions; TensorFlow runs a `tf.function`."""
    for subject, options in [*VARIANTS, *_WRAPPERS]:
        calm = {"learning_rate": _CALM[subject]} if subject in _CALM else {}
        calm = _CENTERED if "centered" in options else calm
        case = Case("trajectory", subject, options_of(**{**options, **calm}), reference="function")
        yield case
        yield replace(case, dtype="float32")


def inputs(case: Case) -> Results:
    """The rows and the first weights, the same for every optimizer and in both precisions."""
    with jax.enable_x64(False):
        weights = our_model(STACK, LOSS, "float32").init(SEED)
    names = our_model(STACK, LOSS, case.dtype).names
    rows = data(replace(case, subject=STACK, options=()), LOSS)
    fixed = {"stack": STACK, "loss": LOSS, "seed": SEED, "names": names, "checkpoints": CHECKPOINTS}
    fixed["start"] = {path: case.cast(value) for path, value in flat(weights).items()}
    return {**fixed, "data": rows, "arguments": dict(case.options)}


@functools.partial(jax.jit, static_argnames=("step", "count"))
def _run(step: Any, state: Any, batch: Any, count: int) -> tuple[Any, Any]:
    def one(state: Any, _: None) -> tuple[Any, tuple[Any, Any]]:
        state, loss, _ = step(state, batch)
        return state, (state.params, loss)

    return jax.lax.scan(one, state, None, length=count)[1]


def got(case: Case, inputs: Results) -> Results:
    """What jaxgd computes, all steps in one program."""
    model = our_model(STACK, LOSS, case.dtype)
    batch = {name: jnp.asarray(inputs["data"][name]) for name in ("x", "y")}
    optimizer = make_optimizer(case.subject, inputs["arguments"])
    step = jaxgd.make_step(jaxgd.make_objective(model, LOSS, targets=inputs["data"]["y"]), optimizer)
    state = jaxgd.TrainState.create(params=nested(inputs["start"]), optimizer=optimizer)
    params, losses = _run(step, state, batch, max(CHECKPOINTS))
    at = np.asarray(CHECKPOINTS) - 1
    return {"trajectory": {path: value[at] for path, value in flat(params).items()}, "losses": losses[at]}


def tolerance(case: Case) -> Tolerance:
    """The design's; a float32 trajectory is judged by its distance from float64, beside TensorFlow's."""
    return Tolerance(norm=FLOAT64 if case.dtype == "float64" else FLOAT32)


def gate(case: Case, expected: Results) -> str:
    """The loss went down."""
    return "" if expected["losses"][-1] < expected["losses"][0] else "the loss did not go down"


TRAJECTORY_FAMILY = Family("trajectory", cases, inputs, got, tolerance, gate, cost=1.5)
