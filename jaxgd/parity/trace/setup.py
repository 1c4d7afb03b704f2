"""What a recording was told to compute, as jaxgd's own objects: model, loss, metrics, optimizer, seeds."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import jax
import jax.numpy as jnp
import numpy as np
import optax

from jaxgd import losses, optimizers, random
from jaxgd._checks import unknown_name
from jaxgd._types import Params
from jaxgd.keras_files.compiling import read_loss, read_metrics
from jaxgd.keras_files.errors import KerasFileError
from jaxgd.keras_files.model_configs import read_model
from jaxgd.keras_files.optimizer_cells import Cell, cells
from jaxgd.keras_files.optimizer_state import get, read_state, trainable_part
from jaxgd.keras_files.optimizer_wrappers import read_optimizer
from jaxgd.layers import Normalization
from jaxgd.losses import Loss
from jaxgd.model import Sequential
from jaxgd.optimizers import Optimizer, OptimizerState
from jaxgd.parity.rows import stack_of
from jaxgd.parity.trace.recording import Recording, TraceError

OPTAX = ("adabelief", "adadelta", "adagrad", "adam", "adamax", "adamw", "lion", "nadam", "rmsprop", "sgd")
"""Transformations of optax that a recording may name; their arguments are numbers and truth values."""


@dataclass(frozen=True)
class Setup:
    """A recording's instructions.

    Attributes:
      model, loss, metrics, weighted_metrics, optimizer: as `jaxgd.fit` takes them.
      key: the seeds of the layers that draw, or None.
      cells: {path below `state/`: where it stands in an `OptimizerState`}; empty if nothing is known of it.
    """

    model: Sequential
    loss: Loss
    metrics: tuple[Any, ...]
    weighted_metrics: tuple[Any, ...]
    optimizer: Optimizer
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
        model = stack_of(read_model(with_dtype(facts["model"], dtype or recording.dtype), "highest"))
        y_shape = recording.arrays["data/y"].shape
        loss = losses.resolve(read_loss(facts["loss"], "loss"), y_shape, (1, *model.output_shape))
        optimizer = _optimizer(facts["optimizer"])
        return Setup(
            model=model,
            loss=loss,
            metrics=read_metrics(facts.get("metrics"), "metrics"),
            weighted_metrics=read_metrics(facts.get("weighted_metrics"), "weighted_metrics"),
            optimizer=optimizer,
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


def _cells(model: Sequential, optimizer: Optimizer, value: Any) -> dict[str, Any]:
    if isinstance(value, Mapping) and value.get("library") == "optax":
        return {}
    found = optimizer_cells(model, optimizer).values()
    return {"/".join(map(str, cell.keys)): cell for cell in found if cell.constant is None}


def optimizer_cells(model: Sequential, optimizer: Optimizer) -> dict[str, Cell]:
    """{where Keras keeps a variable of the optimizer: what stands there}."""
    return cells(model, optimizer, jax.eval_shape(model.init))


def _key(value: Any, model: Sequential) -> Any:
    if value is None:
        return None
    seeds = value["seeds"]
    if len(seeds) != len(model.layers):
        raise TraceError(f"random: expected {len(model.layers)} seeds, one a layer, got {len(seeds)}.")
    return random.keras_key([int(seed) for seed in seeds], int(value.get("draws", 0)))


def declared_params(model: Sequential) -> dict[str, dict[str, Any]]:
    """Leaves that stand in a layer's configuration, so that no recording has them."""
    return {
        name: layer.init({}, shape, model.policy.params)
        for name, layer, shape in zip(model.names, model.layers, model.shapes, strict=False)
        if isinstance(layer, Normalization) and layer.mean is not None
    }


def params_at(recording: Recording, model: Sequential, step: int) -> Params:
    """The parameters before update number `step`.

    Raises:
      TraceError: other leaves or shapes than the model's.
    """
    stacked = recording.tree("params")
    declared = declared_params(model)
    params: dict[str, dict[str, Any]] = {}
    for layer, leaves in jax.eval_shape(model.init).items():
        params[layer] = dict(declared.get(layer, {}))
        for leaf, shape in leaves.items():
            if leaf in params[layer]:
                continue
            array = stacked.get(layer, {}).get(leaf)
            if not isinstance(array, np.ndarray) or array.shape[1:] != shape.shape:
                got = None if array is None else list(np.shape(array)[1:])
                raise TraceError(
                    f"params/{layer}/{leaf}: expected shape {list(shape.shape)} a step, got {got}."
                )
            params[layer][leaf] = jnp.asarray(array[step], shape.dtype)
    return params


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
