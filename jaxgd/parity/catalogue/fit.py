"""`fit` from given weights: history and weights, with a short last batch and weights of rows, some zero."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

import jaxgd
from jaxgd.parity.case import Case, Family, Results, options_of
from jaxgd.parity.catalogue.gradient import SEED, flat
from jaxgd.parity.catalogue.optimizer import make_optimizer
from jaxgd.parity.catalogue.stacks import OUTPUTS, STACKS, data, nested, our_model, start
from jaxgd.parity.comparator import Tolerance
from jaxgd.parity.judge import FLOAT32, FLOAT64

FIT = {"epochs": 2, "batch_size": 8, "shuffle": False}
OPTIMIZERS: dict[str, tuple[str, dict[str, Any]]] = {
    "adam": ("Adam", {"learning_rate": 0.01}),
    "nesterov": ("SGD", {"learning_rate": 0.05, "momentum": 0.9, "nesterov": True}),
    "adamw clipped": ("AdamW", {"learning_rate": 0.01, "weight_decay": 0.05, "global_clipnorm": 0.1}),
    "average": ("Adam", {"learning_rate": 0.01, "use_ema": True, "ema_momentum": 0.8}),
    "accumulation": ("Adam", {"learning_rate": 0.01, "gradient_accumulation_steps": 2}),
    "schedule": ("RMSprop", {"schedule": ("ExponentialDecay", 0.05, 2, 0.5)}),
    "loss scale": ("Adam", {"learning_rate": 0.01, "loss_scale_factor": 64.0}),
    "nadam": ("Nadam", {"learning_rate": 0.01}),
    "schedule free, lost copy": ("ScheduleFreeAdamW", {"learning_rate": 0.05, "starts_at_zero": True}),
}
SCHEDULES: tuple[tuple[Any, ...], ...] = (
    ("CosineDecay", 0.05, 7, 0.1),
    ("CosineDecayRestarts", 0.05, 3, 1.5, 0.9, 0.1),
    ("ExponentialDecay", 0.05, 3, 0.7),
    ("InverseTimeDecay", 0.1, 3, 0.7),
    ("PiecewiseConstantDecay", (1, 3), (0.1, 0.05, 0.02)),
    ("PolynomialDecay", 0.05, 7, 0.01, 2.5),
)
"""Not of powers of 2, so that every operation rounds."""


def cases() -> Iterator[Case]:
    """Every stack, every loss, every kind of optimizer, every schedule, in both precisions.

    Keras runs a graph, as it does by default, or operation by operation where `run` says "eagerly".
    """
    combinations = [
        *((stack, "sparse_categorical_crossentropy", "adam") for stack in STACKS),
        *(("tanh", loss, "nesterov") for loss in OUTPUTS),
        *(("penalized", "huber", optimizer) for optimizer in OPTIMIZERS),
    ]
    for stack, loss, optimizer in combinations:
        name, arguments = OPTIMIZERS[optimizer]
        case = Case("fit", stack, options_of(**arguments), options_of(loss=loss, optimizer=name))
        yield case
        yield replace(case, dtype="float32")
    setting = {"loss": "huber", "optimizer": "ScheduleFreeAdamW", "run": "eagerly"}
    yield Case("fit", "tanh", options_of(learning_rate=0.05), options_of(**setting))
    for schedule in SCHEDULES:
        setting = {"loss": "huber", "optimizer": "SGD"}
        case = Case("fit", "tanh", options_of(schedule=schedule, momentum=0.9), options_of(**setting))
        yield replace(case, setting=options_of(**setting, run="eagerly"))
        yield from (case, replace(case, dtype="float32"))


def inputs(case: Case) -> Results:
    """Rows, weights to start from, names of the layers, arguments of the optimizer and of `fit`."""
    names = our_model(case.subject, case.get("loss"), case.dtype).names
    rows = data(case, case.get("loss"))
    first = start(case, case.subject, case.get("loss"))
    metric = "accuracy" if "categorical" in case.get("loss") else "mean_absolute_error"
    fixed = {"data": rows, "start": first, "names": names, "seed": SEED, "fit": FIT}
    return {**fixed, "arguments": dict(case.options), "metrics": [metric]}


def got(case: Case, inputs: Results) -> Results:
    """What jaxgd computes."""
    model, rows = our_model(case.subject, case.get("loss"), case.dtype), inputs["data"]
    result = jaxgd.fit(
        model,
        rows["x"],
        rows["y"],
        sample_weight=rows["weights"],
        loss=case.get("loss"),
        optimizer=make_optimizer(case.get("optimizer"), inputs["arguments"]),
        metrics=inputs["metrics"],
        params=nested(inputs["start"]),
        seed=inputs["seed"],
        **inputs["fit"],
    )
    history = {name: np.asarray(values, np.float64) for name, values in result.history.items()}
    return {"history": history, "weights": flat(result.params)}


def tolerance(case: Case) -> Tolerance:
    """Histories are compared in float64: Keras reports Python numbers."""
    return Tolerance(norm=FLOAT64 if case.dtype == "float64" else FLOAT32)


def gate(case: Case, expected: Results) -> str:
    """The loss moved."""
    losses = expected["history"]["loss"]
    return "" if losses[0] != losses[-1] else "the loss did not move"


FIT_FAMILY = Family("fit", cases, inputs, got, tolerance, gate, cost=2.5)
