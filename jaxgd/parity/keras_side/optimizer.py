"""Keras's optimizers on given gradients: parameters after every step, and all slots at the end."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from jaxgd.parity.case import Case, Results
from jaxgd.parity.catalogue.optimizer_data import OURS, moved
from jaxgd.parity.keras_side import executed


class _InFloatx(keras.optimizers.schedules.LearningRateSchedule):
    """A schedule whose float32 rates are cast: Muon alone does not do so, and raises in float64."""

    def __init__(self, schedule: Any) -> None:
        self.schedule = schedule

    def __call__(self, step: Any) -> Any:
        return keras.ops.cast(self.schedule(step), keras.config.floatx())


def make_optimizer(class_name: str, arguments: dict[str, Any]) -> Any:
    """An optimizer from the arguments of a case, in Keras's own words."""
    given = {name: value for name, value in arguments.items() if name not in OURS}
    patterns = given.pop("exclude_from_weight_decay", None)
    if "schedule" in given:
        name, *numbers = given.pop("schedule")
        given["learning_rate"] = getattr(keras.optimizers.schedules, name)(*numbers)
        if class_name == "Muon":
            given["learning_rate"] = _InFloatx(given["learning_rate"])
    inner = given.pop("inner", None)
    if class_name == "LossScaleOptimizer":
        return keras.optimizers.LossScaleOptimizer(make_optimizer(inner, {}), **given)
    if class_name == "MultiOptimizer":
        routes = {path: make_optimizer(name, {}) for path, name in given.pop("routes")}
        return keras.optimizers.MultiOptimizer(
            keras.optimizers.OptimizerMap(make_optimizer(inner, {}), routes)
        )
    given = {name: list(value) if isinstance(value, tuple) else value for name, value in given.items()}
    optimizer = getattr(keras.optimizers, class_name)(**given)
    if patterns is not None:
        optimizer.exclude_from_weight_decay(var_names=list(patterns))
    return optimizer


def make_variables(params: dict[str, np.ndarray]) -> list[Any]:
    """Keras variables with the paths "layer/leaf"."""
    variables = []
    for path, value in params.items():
        layer, leaf = path.split("/")
        with keras.name_scope(layer):
            variables.append(keras.Variable(value, name=leaf, dtype=str(value.dtype)))
    return variables


def slots_of(optimizer: Any, variables: list[Any], paths: list[str]) -> dict[str, np.ndarray]:
    """All that an optimizer remembers, by the name "layer_leaf_slot"."""
    prefixes = tuple(path.replace("/", "_") + "_" for path in paths)
    slots = {each.name: each.numpy() for each in optimizer.variables if each.name.startswith(prefixes)}
    for name in ("r", "c"):
        for path, variable, slot in zip(paths, variables, getattr(optimizer, f"_{name}", []), strict=False):
            if len(variable.shape) == 2:
                slots[f"{path.replace('/', '_')}_{name}"] = slot.numpy()
    for inner in (optimizer, *getattr(optimizer, "optimizers", ())):
        if hasattr(inner, "_u_product"):
            slots["u_product"] = inner._u_product.numpy()
    if hasattr(optimizer, "dynamic_scale"):
        slots["dynamic_scale"] = optimizer.dynamic_scale.numpy()
    return slots


def expected(case: Case, inputs: Results) -> Results:
    """Parameters after every step, slots after the last, parameters as `fit` would leave them."""
    params, paths = inputs["params"], list(inputs["params"])
    optimizer, variables = make_optimizer(case.subject, inputs["arguments"]), make_variables(params)
    optimizer.build(variables)
    step = executed(lambda *grads: optimizer.apply(list(grads), variables), case.reference)
    history = []
    for number in range(len(inputs["grads"][paths[0]])):
        step(*[tf.constant(inputs["grads"][path][number]) for path in paths])
        history.append([variable.numpy() for variable in variables])
    steps = {path: np.stack(values) for path, values in zip(paths, zip(*history, strict=True), strict=True)}
    slots = slots_of(optimizer, variables, paths)
    optimizer.finalize_variable_values(variables)
    final = {path: variable.numpy() for path, variable in zip(paths, variables, strict=True)}
    return {"params": steps, "moved": moved(steps, params), "slots": slots, "final": final}
