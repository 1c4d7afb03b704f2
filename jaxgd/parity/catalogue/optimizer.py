"""Optimizers on given gradients: the parameters after every step, every slot, and what `fit` would keep."""

import functools
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from jaxgd import optimizers
from jaxgd.optimizers._registry import from_config
from jaxgd.parity.case import Case, Family, Results, options_of
from jaxgd.parity.catalogue import optimizer_data, optimizer_plain
from jaxgd.parity.catalogue.optimizer_data import (
    COMMON,
    FEW,
    FORMS,
    LONG,
    REGIMES,
    SHAPES,
    STEPS,
    VARIANTS,
    WRAPPERS,
)
from jaxgd.parity.catalogue.stacks import nested
from jaxgd.parity.comparator import Tolerance
from jaxgd.parity.judge import FLOAT32, FLOAT64, largest


def cases() -> Iterator[Case]:
    """Every rule x common options; every rule x regime; long runs; graphs and XLA."""
    for case in _single_cases():
        yield case
        yield replace(case, dtype="float32")
    for subject, options in VARIANTS:
        plain = Case("optimizer", subject, options_of(**options), regime="normal")
        yield replace(plain, setting=options_of(steps=LONG), dtype="float32")
        yield replace(plain, reference="function")
        yield replace(plain, reference="xla")


def _single_cases() -> Iterator[Case]:
    seen: set[str] = set()
    for subject, options in FORMS:
        yield Case("optimizer", subject, options_of(**options))
    for subject, options in VARIANTS:
        own = options_of(**options)
        for common in COMMON if subject not in seen else FEW:
            yield Case("optimizer", subject, own, options_of(common=common), regime="mixed")
        for regime in REGIMES:
            yield Case("optimizer", subject, own, regime=regime)
            yield Case("optimizer", subject, own, options_of(common="schedule"), regime=regime)
        seen.add(subject)
    for subject, options in WRAPPERS:
        for regime in ("normal", "mixed", *(["not finite"] if subject == "LossScaleOptimizer" else [])):
            yield Case("optimizer", subject, options_of(**options), regime=regime)


def arguments(case: Case) -> dict[str, Any]:
    """All arguments of a case's optimizer."""
    return {**dict(case.options), **COMMON.get(case.get("common"), {})}


def inputs(case: Case) -> Results:
    """Parameters, the gradients of every step, and the optimizer's arguments."""
    params, grads = optimizer_data.make(case.regime, case.get("steps", STEPS), case.rng())
    return {
        "arguments": arguments(case),
        "params": {path: case.cast(value) for path, value in params.items()},
        "grads": {path: case.cast(value) for path, value in grads.items()},
    }


def make_optimizer(class_name: str, given: dict[str, Any]) -> optimizers.Optimizer:
    """jaxgd's optimizer from the arguments of a case."""
    given = dict(given)
    if "schedule" in given:
        name, *numbers = given.pop("schedule")
        given["learning_rate"] = getattr(optimizer_data.schedules, name)(*numbers)
    inner = given.pop("inner", None)
    if class_name == "LossScaleOptimizer":
        return optimizers.loss_scale(from_config(inner, {}), **given)
    if class_name == "MultiOptimizer":
        routes = {path: from_config(name, {}) for path, name in given["routes"]}
        return optimizers.multi(routes, default=from_config(inner, {}))
    return from_config(class_name, given)


def _run(rule: Any, state: Any, params: Any, grads: Any) -> tuple[Any, Any, Any]:
    """Parameters after each step, the last state, and the finalized parameters.

    A long run is several calls of the program of `STEPS` steps, which is then compiled only once.
    """
    parts, final = [], params
    for first in range(0, len(jax.tree.leaves(grads)[0]), STEPS):
        some = jax.tree.map(lambda each, at=first: each[at : at + STEPS], grads)
        history, params, state, final = _some_steps(rule, state, params, some)
        parts.append(history)
    return jax.tree.map(lambda *each: np.concatenate(each), *parts), state, final


@functools.partial(jax.jit, static_argnames="rule")
def _some_steps(rule: Any, state: Any, params: Any, grads: Any) -> tuple[Any, Any, Any, Any]:
    """Some steps in one program: parameters after each and at the end, the state, what `fit` would keep."""

    def step(carry: Any, grads: Any) -> tuple[Any, Any]:
        params, state = rule.apply(grads, carry[1], carry[0])
        return (params, state), params

    (params, state), history = jax.lax.scan(step, (params, state), grads)
    return history, params, state, rule.finalize(params, state)


def got(case: Case, inputs: Results) -> Results:
    """What jaxgd computes."""
    optimizer = make_optimizer(case.subject, inputs["arguments"])
    params = nested(inputs["params"])
    history, state, final = _run(optimizer.rule, optimizer.init(params), params, nested(inputs["grads"]))
    steps = {path: np.asarray(value) for path, value in _flat(history).items()}
    moved = optimizer_data.moved(steps, inputs["params"])
    return {"params": steps, "moved": moved, "slots": slots_of(state), "final": _flat(final)}


def plain(case: Case, inputs: Results) -> Results | None:
    """How far optax's optimizer of that name moves the parameters."""
    optimizer = optimizer_plain.make(case)
    if optimizer is None:
        return None
    params = jax.tree.map(jnp.asarray, inputs["params"])
    history = _run_plain(optimizer.update, optimizer.init(params), params, inputs["grads"])
    steps = {path: np.asarray(value) for path, value in history.items()}
    return {"moved": optimizer_data.moved(steps, inputs["params"])}


@functools.partial(jax.jit, static_argnames="update")
def _run_plain(update: Any, state: Any, params: Any, grads: Any) -> Any:
    def step(carry: Any, grads: Any) -> tuple[Any, Any]:
        updates, state = update(grads, carry[1], carry[0])
        params = optax.apply_updates(carry[0], updates)
        return (params, state), params

    return jax.lax.scan(step, (params, state), grads)[1]


def _flat(tree: Any) -> dict[str, Any]:
    return {path: tree[path.split("/")[0]][path.split("/")[1]] for path in SHAPES}


def slots_of(state: Any) -> dict[str, np.ndarray]:
    """All that a state remembers, by Keras's names."""
    slots: dict[str, np.ndarray] = {}
    for inner in state.shared.get("optimizers", ()):
        slots |= slots_of(inner)
    kept = {**state.slots, "average": state.average, "gradient_accumulator": state.accumulator}
    for name, tree in kept.items():
        for path, leaf in jax.tree_util.tree_flatten_with_path(tree)[0]:
            place = jax.tree_util.keystr(path, simple=True, separator="_")
            if name not in ("r", "c") or "kernel" in place:
                slots[f"{place}_{name}"] = np.asarray(leaf)
    for name in ("u_product", "dynamic_scale"):
        if name in state.shared:
            slots[name] = np.asarray(state.shared[name])
    return slots


def tolerance(case: Case) -> Tolerance:
    """Bit-equal in float32 where the rule is made of elementwise operations that both round alike."""
    bits = case.dtype == "float32" and case.reference == "eager" and optimizer_data.is_bit_equal(case)
    return Tolerance(norm=FLOAT64 if case.dtype == "float64" else FLOAT32, bit_equal=bits, floor=1e-30)


def gate(case: Case, expected: Results) -> str:
    """The parameters moved."""
    return "" if largest(expected["moved"]) > 0 else "no parameter moved"


OPTIMIZER = Family("optimizer", cases, inputs, got, tolerance, gate, plain, cost=0.5)
