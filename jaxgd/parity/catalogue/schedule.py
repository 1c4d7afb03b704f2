"""Learning-rate schedules, step by step, bit for bit."""

import functools
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxgd import schedules
from jaxgd.parity.case import Case, Family, Results, options_of
from jaxgd.parity.comparator import Tolerance
from jaxgd.parity.judge import FLOAT32

VARIANTS: list[tuple[str, dict[str, Any]]] = [
    *(
        ("exponential_decay", {"decay_steps": n, "decay_rate": r})
        for n, r in ((70, 0.9), (1000, 0.1), (3, 0.99))
    ),
    ("exponential_decay", {"decay_steps": 33, "decay_rate": 0.96, "staircase": True}),
    *(
        ("inverse_time_decay", {"decay_steps": n, "decay_rate": r})
        for n, r in ((70, 0.5), (1, 0.01), (500, 3.0))
    ),
    ("inverse_time_decay", {"decay_steps": 33, "decay_rate": 0.7, "staircase": True}),
    ("polynomial_decay", {"decay_steps": 700}),
    ("polynomial_decay", {"decay_steps": 333, "end_learning_rate": 0.003, "power": 0.5, "cycle": True}),
    ("polynomial_decay", {"decay_steps": 1900, "power": 2.5}),
    ("cosine_decay", {"decay_steps": 700}),
    ("cosine_decay", {"decay_steps": 1900, "alpha": 0.13}),
    ("cosine_decay", {"decay_steps": 999, "alpha": 0.1, "warmup_target": 0.3, "warmup_steps": 77}),
    ("cosine_decay", {"decay_steps": 999, "warmup_target": 0.3, "warmup_steps": 0}),
    ("cosine_decay_restarts", {"first_decay_steps": 70}),
    ("cosine_decay_restarts", {"first_decay_steps": 64, "t_mul": 1.0, "m_mul": 0.9, "alpha": 0.1}),
    ("cosine_decay_restarts", {"first_decay_steps": 33, "t_mul": 1.5, "m_mul": 0.7}),
    ("cosine_decay_restarts", {"first_decay_steps": 10, "t_mul": 1.1, "alpha": 0.05}),
]
PIECES: list[dict[str, Any]] = [
    {"boundaries": (10, 100, 1000), "values": (0.1, 0.03, 0.01, 0.001)},
    {"boundaries": (10.7,), "values": (0.1, 0.03)},
]
RATES = (0.1, 0.003)
WINDOWS = {"first": 0, "middle": 60, "late": 600}
COUNT = 120


def cases() -> Iterator[Case]:
    """Every schedule x initial rate x window of the steps 0 to 2000; some also as a graph and by XLA."""
    variants = [
        (subject, {"initial_learning_rate": rate, **options})
        for subject, options in VARIANTS
        for rate in RATES
    ]
    variants += [("piecewise_constant_decay", options) for options in PIECES]
    for subject, options in variants:
        for window in WINDOWS:
            yield Case("schedule", subject, options_of(**options), options_of(window=window), dtype="float32")
        case = Case("schedule", subject, options_of(**options), options_of(window="all"), dtype="float32")
        yield replace(case, reference="function")


def inputs(case: Case) -> Results:
    """The steps: a window, or everything from 0 to 2000 in strides."""
    window = case.get("window")
    if window == "all":
        return {"steps": np.arange(0, 2001, 10)}
    return {"steps": np.arange(WINDOWS[window], WINDOWS[window] + COUNT)}


@functools.partial(jax.jit)
def _rates(schedule: Any, steps: Any) -> Any:
    return jax.vmap(lambda step: schedule(step))(steps)


def got(case: Case, inputs: Results) -> Results:
    """The rates of all steps in one program."""
    schedule = getattr(schedules, case.subject)(**dict(case.options))
    return {"rates": _rates(schedule, jnp.asarray(inputs["steps"], jnp.int32))}


def tolerance(case: Case) -> Tolerance:
    """Bit-equal to eager TensorFlow; its graph optimizer rewrites powers and quotients by a few units.

    Of the logarithm in `cosine_decay_restarts` that makes 1.3e-6 of the rate.
    """
    return Tolerance(bit_equal=case.reference == "eager", norm=FLOAT32)


def gate(case: Case, expected: Results) -> str:
    """The rates are positive somewhere."""
    return "" if expected["rates"].max() > 0 else "every rate is zero"


SCHEDULE = Family("schedule", cases, inputs, got, tolerance, gate)
