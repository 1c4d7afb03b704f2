"""Activations: value, gradient by automatic differentiation, gradient by the declared formula."""

import functools
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxgd import activations
from jaxgd.parity.case import Case, Family, Options, Results, options_of
from jaxgd.parity.comparator import Tolerance
from jaxgd.parity.judge import FLOAT32, FLOAT64, largest

SHAPE = (4, 6, 8)
KINKS = (0.0, -0.0, 0.25, -0.25, 0.5, -0.5, 1.0, -1.0, 1.5, 2.0, -2.0, 3.0, -3.0, 6.0, -6.0)
REGIMES = ("normal", "kinks", "saturated", "extreme", "zero rows", "scale 1e-3", "scale 1e-6", "infinite")

VARIANTS: dict[str, list[dict[str, Any]]] = {
    "celu": [{}, {"alpha": 1.7}],
    "elu": [{}, {"alpha": 1.7}],
    "exponential": [{}],
    "gelu": [{}, {"approximate": True}],
    "glu": [{}, {"axis": 1}],
    "hard_shrink": [{}, {"threshold": 0.25}],
    "hard_sigmoid": [{}],
    "hard_silu": [{}],
    "hard_tanh": [{}],
    "leaky_relu": [{}, {"negative_slope": 0.3}],
    "linear": [{}],
    "log_sigmoid": [{}],
    "log_softmax": [{}, {"axis": 1}],
    "mish": [{}],
    "relu": [
        {},
        {"negative_slope": 0.1},
        {"max_value": 6.0},
        {"max_value": 2.0},
        {"threshold": 1.0},
        {"max_value": 2.0, "threshold": 1.5},
        {"negative_slope": 0.1, "max_value": 2.0, "threshold": 1.0},
    ],
    "relu6": [{}],
    "selu": [{}],
    "sigmoid": [{}],
    "silu": [{}],
    "soft_shrink": [{}, {"threshold": 0.25}],
    "softmax": [{}, {"axis": 0}, {"axis": (1, 2)}],
    "softplus": [{}],
    "softsign": [{}],
    "sparse_plus": [{}],
    "sparse_sigmoid": [{}],
    "sparsemax": [{"form": "keras"}, {"form": "exact"}, {"form": "keras", "axis": 1}],
    "squareplus": [{}, {"b": 0.3}],
    "tanh": [{}],
    "tanh_shrink": [{}],
    "threshold": [{"threshold": 1.0, "default_value": -0.3}],
}
_PLAIN = {
    **{
        name: name
        for name in ("celu", "elu", "gelu", "glu", "leaky_relu", "log_softmax", "mish", "relu", "relu6")
    },
    **{name: name for name in ("selu", "sigmoid", "silu", "softmax", "softplus", "squareplus", "tanh")},
    **{name: name for name in ("sparse_plus", "sparse_sigmoid", "log_sigmoid", "hard_sigmoid", "hard_silu")},
    "hard_tanh": "hard_tanh",
    "softsign": "soft_sign",
}


def cases() -> Iterator[Case]:
    """Every activation with its options, in every regime and both precisions; some as graphs and by XLA."""
    for subject, variants in VARIANTS.items():
        for options in variants:
            for regime in REGIMES:
                if _is_left_out(subject, options, regime):
                    continue
                case = Case("activation", subject, options_of(**options), regime=regime)
                if (subject, regime) != ("softmax", "infinite"):
                    yield case
                yield replace(case, dtype="float32")
            normal = Case("activation", subject, options_of(**options), regime="kinks")
            yield replace(normal, reference="function")
            yield replace(normal, reference="xla")


_DEAD_WHEN_SMALL = ("hard_shrink", "soft_shrink", "threshold", "sparse_sigmoid")
_CANCELS = ("tanh_shrink", "scale 1e-6")
_DEAD_WHEN_LARGE = ("hard_sigmoid", "hard_tanh", "relu6", "sparse_sigmoid")


def _is_left_out(subject: str, options: dict[str, Any], regime: str) -> bool:
    """Comparisons that would prove nothing: rows of NaN, and regimes in which every slope is 0."""
    if regime == "infinite":
        return subject in ("glu", "sparsemax", "log_softmax") or "threshold" in options
    if regime in ("scale 1e-3", "scale 1e-6"):
        return subject in _DEAD_WHEN_SMALL or "threshold" in options or (subject, regime) == _CANCELS
    if regime in ("saturated", "extreme"):
        return subject in _DEAD_WHEN_LARGE or "max_value" in options or "form" in options
    return False


def inputs(case: Case) -> Results:
    """`x` of the regime, and the gradient that flows in from above."""
    rng = case.rng()
    x = _numbers(case.regime, rng)
    shape = jax.eval_shape(_activation(case.subject, case.options), jnp.zeros(SHAPE)).shape
    return {"x": case.cast(x), "upstream": case.cast(rng.standard_normal(shape))}


def _numbers(regime: str, rng: np.random.Generator) -> np.ndarray:
    normal = rng.standard_normal(SHAPE)
    if regime == "kinks":
        return rng.choice(KINKS, SHAPE)
    if regime == "saturated":
        return np.sign(normal) * rng.uniform(7.0, 40.0, SHAPE)
    if regime == "extreme":
        return rng.choice([1e4, -1e4, 800.0, -800.0, 1e-30, -1e-30, 0.0, 3.0], SHAPE)
    if regime == "zero rows":
        normal[::2] = 0.0
        normal[1, :3] = 1.5
    if regime == "infinite":
        return rng.choice([np.inf, -np.inf, np.nan, 1.0], SHAPE)
    return normal * {"scale 1e-3": 1e-3, "scale 1e-6": 1e-6}.get(regime, 2.0)


def _activation(subject: str, options: Options) -> activations.Activation:
    return activations.get(subject, **dict(options))


@functools.partial(jax.jit, static_argnames="function")
def _value_and_gradients(function: activations.Activation, x: Any, upstream: Any) -> Results:
    y, pullback = jax.vjp(function, x)
    return {"value": y, "gradient": pullback(upstream)[0], "gradient by hand": function.backward(x, upstream)}


def got(case: Case, inputs: Results) -> Results:
    """What jaxgd computes."""
    return _value_and_gradients(_activation(case.subject, case.options), inputs["x"], inputs["upstream"])


@functools.partial(jax.jit, static_argnames=("name", "options"))
def _plain_value_and_gradient(name: str, options: Options, x: Any, upstream: Any) -> Results:
    y, pullback = jax.vjp(lambda z: getattr(jax.nn, name)(z, **dict(options)), x)
    return {"value": y, "gradient": pullback(upstream)[0]}


def plain(case: Case, inputs: Results) -> Results | None:
    """The function of `jax.nn` with the same arguments, where kinks show and numbers are finite."""
    name = _PLAIN.get(case.subject)
    if name is None or case.options or case.regime not in ("normal", "kinks") or case.reference != "eager":
        return None
    return _plain_value_and_gradient(name, case.options, inputs["x"], inputs["upstream"])


def tolerance(case: Case) -> Tolerance:
    """Relative to the largest value, but where slopes vanish or terms cancel, to what they are made of."""
    floor = 1e-30
    if case.regime in ("saturated", "extreme"):
        floor = 1.0
    if case.subject == "tanh_shrink" and case.regime.startswith("scale"):
        floor = float(case.regime.split()[-1])
    return Tolerance(norm=FLOAT64 if case.dtype == "float64" else FLOAT32, floor=floor)


def gate(case: Case, expected: Results) -> str:
    """Some value and some gradient are not zero."""
    empty = [name for name, result in expected.items() if largest({name: result}) == 0]
    return f"{empty[0]} is zero everywhere" if empty else ""


ACTIVATION = Family("activation", cases, inputs, got, tolerance, gate, plain)
