"""Initializers: many shapes and seeds; the laws without a normal distribution bit for bit."""

import functools
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp

from jaxgd import initializers
from jaxgd.parity.case import Case, Family, Options, Results, options_of
from jaxgd.parity.comparator import Tolerance
from jaxgd.parity.judge import largest
from jaxgd.random import KerasSeed

UNIFORM = ("glorot_uniform", "he_uniform", "lecun_uniform", "random_uniform")
NORMAL = ("glorot_normal", "he_normal", "lecun_normal", "random_normal", "truncated_normal")
CONSTANT: list[tuple[str, dict[str, Any]]] = [
    ("ones", {}),
    ("constant", {"value": 0.1}),
    ("constant", {"value": -3.0}),
    ("identity", {}),
    ("identity", {"gain": 0.3}),
]
SHAPES = ((5, 10), (64, 33), (1, 9), (784, 16), (7,), (3, 4, 5))
MATRICES = ((5, 10), (64, 33), (20, 20), (3, 4, 5))
SEEDS = (0, 1, 5, 12345, 999999999, 2**31 - 1)
SCALED = [
    {"scale": 0.3, "mode": mode, "distribution": distribution}
    for mode in ("fan_in", "fan_out", "fan_avg")
    for distribution in ("uniform", "truncated_normal", "untruncated_normal")
]


def cases() -> Iterator[Case]:
    """Every initializer x shape x seed x precision."""
    for case in _single_cases():
        yield case
        yield replace(case, dtype="float32")


def _single_cases() -> Iterator[Case]:
    for subject in (*UNIFORM, *NORMAL):
        for shape in SHAPES:
            for seed in SEEDS:
                yield Case("initializer", subject, (), options_of(shape=shape, seed=seed))
    for options in SCALED:
        for seed in SEEDS[:3]:
            yield Case(
                "initializer",
                "variance_scaling",
                options_of(**options),
                options_of(shape=(12, 30), seed=seed),
            )
    for shape in MATRICES:
        for seed in SEEDS[:4]:
            yield Case("initializer", "orthogonal", options_of(gain=1.5), options_of(shape=shape, seed=seed))
    for subject, options in CONSTANT:
        for shape in ((4, 6), (7, 7)):
            yield Case("initializer", subject, options_of(**options), options_of(shape=shape))


def inputs(case: Case) -> Results:
    """The shape and the seed."""
    seed = case.get("seed")
    return {"shape": case.get("shape"), "seed": seed, "seeded": seed is not None}


@functools.partial(jax.jit, static_argnames=("subject", "options", "shape", "dtype"))
def _draw(subject: str, options: Options, source: Any, shape: tuple[int, ...], dtype: str) -> Any:
    return initializers.get(subject, **dict(options))(source, shape, jnp.dtype(dtype))


def got(case: Case, inputs: Results) -> Results:
    """The numbers that jaxgd draws."""
    source = None
    if inputs["seeded"]:
        source = KerasSeed(jnp.int32(inputs["seed"] % (2**31 - 2)), jnp.int32(0))
    return {"values": _draw(case.subject, case.options, source, inputs["shape"], case.dtype)}


def tolerance(case: Case) -> Tolerance:
    """Bit-equal, but for sines and logarithms (units in the last place) and QR decompositions."""
    if case.subject == "orthogonal":
        return Tolerance(norm=1e-5 if case.dtype == "float32" else 2e-14)
    is_normal = case.subject in NORMAL or "normal" in dict(case.options).get("distribution", "")
    epsilon = 1.2e-7 if case.dtype == "float32" else 2.3e-16
    return Tolerance(norm=4 * epsilon) if is_normal else Tolerance(bit_equal=True)


def gate(case: Case, expected: Results) -> str:
    """Something was drawn."""
    return "" if largest(expected) > 0 else "all values are zero"


INITIALIZER = Family("initializer", cases, inputs, got, tolerance, gate)
