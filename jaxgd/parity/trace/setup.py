"""What a recording was told to compute, as jaxgd's own objects: model, loss, metrics, optimizer, seeds."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import jax.numpy as jnp
import numpy as np
import optax

from jaxgd import optimizers, random
from jaxgd._checks import unknown_name
from jaxgd._param_shapes import param_shapes
from jaxgd._types import Params
from jaxgd.keras_files.compiled import read_compiled
from jaxgd.keras_files.errors import KerasFileError
from jaxgd.keras_files.model_configs import read_model
from jaxgd.keras_files.optimizer_cells import Cell, cells
from jaxgd.keras_files.optimizer_state import get, read_state, trainable_part
from jaxgd.keras_files.optimizer_wrappers import read_optimizer
from jaxgd.keras_files.weights import named_leaves, placed
from jaxgd.layers import Normalization
from jaxgd.model_base import Model
from jaxgd.optimizers import Optimizer, OptimizerState
from jaxgd.parity.trace.recording import Recording, TraceError, flat, nested
from jaxgd.training import make_objective
from jaxgd.training.bundle import bundled
from jaxgd.training.objective import Objective

OPTAX = ("adabelief", "adadelta", "adagrad", "adam", "adamax", "adamw", "lion", "nadam", "rmsprop", "sgd")
"""Transformations of optax that a recording may name; their arguments are numbers and truth values."""


@dataclass(frozen=True)
class Setup:
    """A recording's instructions.

    Attributes:
      model, optimizer: as `jaxgd.fit` takes them.
      compiled: loss, loss_weights, metrics, weighted_metrics, as `jaxgd.fit` takes them.
      objective: what both are trained by.
      key: the seeds of the layers that draw, or None.
      cells: {path below `state/`: where it stands in an `OptimizerState`}; empty if nothing is known of it.
    """

    model: Model
    optimizer: Optimizer
    compiled: Mapping[str, Any]
    objective: Objective
    key: Any
    cells: Mapping[str, Any]

    def state_values(self, state: OptimizerState) -> dict[str, Any]:
        """What `state/...` holds, of a state."""
        return {path: get(state, cell.keys) for path, cell in self.cells.items()}


def make_setup(recording: Recording, dtype: str | None = None) -> Setup:
    """The instructions of a recording, in its own or another dtype.

    Raises:
      TraceError: something that jaxgd does not have.
    """
    facts = recording.facts
    try:
        model = read_model(with_dtype(facts["model"], dtype or recording.dtype), "highest")
        compiled = read_compiled({**facts, "loss": facts["loss"]}, model)
        if compiled["loss"] is None:
            raise TraceError("loss: expected one, got nothing.")
        targets = bundled(recording.each("data/y", len(model.output_names)))
        optimizer = _optimizer(facts["optimizer"])
        return Setup(
            model=model,
            optimizer=optimizer,
            compiled=compiled,
            objective=make_objective(model, **compiled, targets=targets),
            key=_key(facts.get("random"), model),
            cells=_cells(model, optimizer, facts["optimizer"]),
        )
    except KeyError as error:
        raise TraceError(f"the manifest has no {error.args[0]!r}.") from error
    except (ValueError, TypeError) as error:
        raise TraceError(f"{recording.name}: {error}") from error


def with_dtype(config: Any, dtype: str) -> dict[str, Any]:
    """Keras's configuration of a model with every layer in one dtype."""
    changed = _replaced(config, dtype)
    if changed.get("class_name") == "Functional":  # it has no dtype of its own
        return changed
    return {**changed, "config": {"dtype": dtype, **changed["config"]}}


def _replaced(value: Any, dtype: str) -> Any:
    if isinstance(value, list):
        return [_replaced(each, dtype) for each in value]
    if not isinstance(value, Mapping):
        return value
    if value.get("class_name") == "DTypePolicy":
        return {**value, "config": {"name": dtype}}
    return {
        key: dtype if key == "dtype" and isinstance(each, str) else _replaced(each, dtype)
        for key, each in value.items()
    }


def _optimizer(value: Any) -> Optimizer:
    if isinstance(value, Mapping) and value.get("library") == "optax":
        name, arguments = value.get("name"), value.get("arguments", {})
        if name not in OPTAX:
            raise unknown_name("optax transformation", name, OPTAX)
        for argument, number in arguments.items():
            if number is not None and not isinstance(number, int | float):
                raise TraceError(f"optimizer: {argument}: expected a number, got {number!r}.")
        return optimizers.get(getattr(optax, name)(**arguments))
    return read_optimizer(value, {}, "optimizer")


def _cells(model: Model, optimizer: Optimizer, value: Any) -> dict[str, Any]:
    if isinstance(value, Mapping) and value.get("library") == "optax":
        return {}
    found = optimizer_cells(model, optimizer).values()
    return {"/".join(map(str, cell.keys)): cell for cell in found if cell.constant is None}


def optimizer_cells(model: Model, optimizer: Optimizer) -> dict[str, Cell]:
    """{where Keras keeps a variable of the optimizer: what stands there}."""
    return cells(model, optimizer, param_shapes(model))


def _key(value: Any, model: Model) -> Any:
    if value is None:
        return None
    seeds, expected = value["seeds"], sum(layer.num_generators for layer in model.layers)
    if len(seeds) != expected:
        raise TraceError(f"random: expected {expected} seeds, one a layer, got {len(seeds)}.")
    return random.keras_key([int(seed) for seed in seeds], int(value.get("draws", 0)))


def declared_params(model: Model) -> dict[str, Any]:
    """{path: array} of leaves that stand in a layer's configuration, so that no recording has them."""
    found: dict[str, Any] = {}
    for keys, _, layer, shape in placed(model):
        if isinstance(layer, Normalization) and layer.mean is not None:
            found |= flat(layer.init({}, shape, model.policy.params), "/".join(keys))
    return found


def params_at(recording: Recording, model: Model, step: int) -> Params:
    """The parameters before update number `step`.

    Raises:
      TraceError: other leaves or shapes than the model's.
    """
    declared, found = declared_params(model), {}
    for path, like in shapes_of(model).items():
        if path in declared:
            found[path] = declared[path]
            continue
        array = recording.arrays.get(f"params/{path}")
        if array is None or array.shape[1:] != like.shape:
            got = None if array is None else list(array.shape[1:])
            raise TraceError(f"params/{path}: expected shape {list(like.shape)} a step, got {got}.")
        found[path] = jnp.asarray(array[step], like.dtype)
    return nested(found)


def shapes_of(model: Model) -> dict[str, Any]:
    """{path: shape and dtype} of a model's parameters."""
    return named_leaves(param_shapes(model))


class _AtStart:
    """The first entry of each recorded slot, in the form that files of weights are read."""

    def __init__(self, recording: Recording) -> None:
        self.recording = recording

    def read(self, path: str, shape: tuple[int, ...], dtype: Any) -> np.ndarray:
        array = self.recording.arrays[f"state/{path}"][0]
        if array.shape != tuple(shape):
            raise KerasFileError(
                f"state/{path}: expected shape {list(shape)} a step, got {list(array.shape)}."
            )
        return np.asarray(array).astype(dtype)


def initial_state(recording: Recording, setup: Setup, params: Params) -> OptimizerState:
    """The optimizer's state before the first recorded update.

    Raises:
      TraceError: a slot of another shape than the optimizer's.
    """
    if not setup.cells:
        return cast(OptimizerState, setup.optimizer.init(trainable_part(setup.model, params)))
    known = {path: cell for path, cell in setup.cells.items() if f"state/{path}" in recording.arrays}
    file: Any = _AtStart(recording)
    try:
        return read_state(setup.model, setup.optimizer, params, file, known)
    except KerasFileError as error:
        raise TraceError(str(error)) from error
