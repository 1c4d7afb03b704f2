"""Models: weights from a seed; forward pass, loss and gradients from given ones, for many stacks, losses."""

import functools
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp

import jaxgd
from jaxgd._statistics import merge, partition
from jaxgd.parity.case import Case, Family, Results, options_of
from jaxgd.parity.catalogue.stacks import OUTPUTS, STACKS, data, nested, our_model, start
from jaxgd.parity.comparator import Tolerance
from jaxgd.parity.judge import FLOAT32, FLOAT64, largest

SEED = 11


def cases() -> Iterator[Case]:
    """Every stack x loss x precision; rows of zeros; graphs and XLA for stacks without random layers."""
    for stack in STACKS:
        for loss in OUTPUTS:
            case = Case("gradient", stack, (), options_of(loss=loss))
            yield case
            yield replace(case, dtype="float32")
            if loss in ("huber", "sparse_categorical_crossentropy"):
                yield replace(case, regime="zero rows")
                yield replace(case, reference="function")
                if stack not in ("dropout", "noise"):
                    yield replace(case, reference="xla")


def inputs(case: Case) -> Results:
    """The rows, the weights to start from, and the names of the layers."""
    stack, loss = case.subject, case.get("loss")
    names = our_model(stack, loss, case.dtype).names
    return {"data": data(case, loss), "start": start(case, stack, loss), "seed": SEED, "names": names}


@functools.partial(jax.jit, static_argnames="objective")
def _results(objective: Any, params: Any, batch: Any, key: Any) -> tuple[Any, Any, Any]:
    """Prediction, loss and gradients, in one program."""
    moving, fixed = partition(params, objective.model.trainable(params))

    def loss(moving: Any) -> Any:
        return objective(merge(moving, fixed), batch, key)[0]

    return objective.model.apply(params, batch["x"]), *jax.value_and_grad(loss)(moving)


def got(case: Case, inputs: Results) -> Results:
    """What jaxgd computes."""
    model = our_model(case.subject, case.get("loss"), case.dtype)
    rows = inputs["data"]
    batch = {
        "x": jnp.asarray(rows["x"]),
        "y": jnp.asarray(rows["y"]),
        "sample_weight": jnp.asarray(rows["weights"]),
    }
    objective = jaxgd.make_objective(model, case.get("loss"), targets=rows["y"])
    key = model.key(inputs["seed"]).at(0)
    prediction, value, gradients = _results(objective, nested(inputs["start"]), batch, key)
    return {
        "weights": flat(model.init(inputs["seed"])),
        "prediction": prediction,
        "loss": value,
        "gradients": flat(gradients),
    }


def flat(tree: Any) -> dict[str, Any]:
    """{layer: {leaf: value}} as {"layer/leaf": value}, without what is None."""
    return {
        f"{layer}/{leaf}": value
        for layer, leaves in tree.items()
        for leaf, value in leaves.items()
        if value is not None
    }


def tolerance(case: Case) -> Tolerance:
    """Relative to the largest of all gradients (and not below the order of the weights)."""
    return Tolerance(norm=FLOAT64 if case.dtype == "float64" else FLOAT32, scope="tree")


def gate(case: Case, expected: Results) -> str:
    """The gradients and the loss are not zero."""
    return "" if largest(expected["gradients"]) > 1e-6 and expected["loss"] != 0 else "the gradients are zero"


GRADIENT = Family("gradient", cases, inputs, got, tolerance, gate, drawn=("weights",), cost=0.9)
