"""What a file of Keras holds, in words and as plain values."""

import os
from contextlib import nullcontext
from typing import Any

import jax
import numpy as np

from jaxgd._types import Params
from jaxgd.graphs import Graph
from jaxgd.keras_files.errors import WITHOUT_TRAINING, KerasFileError
from jaxgd.keras_files.reader import MAX_BYTES, dtype_of, load
from jaxgd.keras_files.training import KerasTraining
from jaxgd.model import Sequential
from jaxgd.model_base import Model


def load_what_can_be_read(
    path: str | os.PathLike[str], *, max_bytes: int = MAX_BYTES
) -> tuple[Sequential | Graph, Params, KerasTraining | None, str]:
    """A model as `load` gives it; where its training alone cannot be read, without that, and why.

    A loss of the user's own, say, is nothing that predictions need.

    Raises: as `load`, for the rest of the file.
    """
    try:
        return *load(path, max_bytes=max_bytes), ""
    except KerasFileError as error:
        return *load(path, training=False, max_bytes=max_bytes), str(error).removesuffix(WITHOUT_TRAINING)


def describe(path: str | os.PathLike[str], *, max_bytes: int = MAX_BYTES) -> str:
    """What a file of Keras holds, as text: the layers with their shapes, the optimizer, how far it went.

    Raises: as `load`.
    """
    return facts(path, max_bytes=max_bytes)["description"]


def facts(path: str | os.PathLike[str], *, max_bytes: int = MAX_BYTES) -> dict[str, Any]:
    """What a file of Keras holds, as JSON takes it: the model, its parameters, the state of its training.

    Raises: as `load`.
    """
    is_double = dtype_of(path, max_bytes=max_bytes) == "float64"
    with jax.enable_x64(True) if is_double else nullcontext():
        model, params, training, unread = load_what_can_be_read(path, max_bytes=max_bytes)
        return {
            "description": "\n".join([model.summary(), *_training_lines(training, unread)]),
            "dtype": model.dtype,
            "inputs": [list(shape) for shape in model.input_shapes],
            "outputs": [list(shape) for shape in model.output_shapes],
            "layers": [{"name": name, "class": layer.class_name} for name, layer in _layers(model)],
            "parameters": sum(int(np.size(leaf)) for leaf in jax.tree.leaves(params)),
            "trainable_parameters": _count_trained(model, params),
            "training": None if training is None else _training_facts(training),
            "unread_training": unread or None,
        }


def _layers(model: Model) -> list[tuple[str, Any]]:
    return list(zip(model.names, model.layers, strict=True))


def _count_trained(model: Model, params: Params) -> int:
    pairs = zip(jax.tree.leaves(params), jax.tree.leaves(model.trainable(params)), strict=True)
    return sum(int(np.size(leaf)) for leaf, moves in pairs if moves)


def _training_facts(training: KerasTraining) -> dict[str, Any]:
    state: Any = training.opt_state
    rate = None if state is None else state.hyperparameters.get("learning_rate")
    return {
        "optimizer": training.optimizer.name,
        "learning_rate": float(rate) if isinstance(rate, jax.Array) else None if rate is None else repr(rate),
        "iterations": training.iterations,
        "loss": str(training.loss),
        "metrics": _names(training.metrics),
        "notes": list(training.notes),
    }


def _training_lines(training: KerasTraining | None, unread: str) -> list[str]:
    if training is None:
        return [f"Compiled, but not readable: {unread}" if unread else "Not compiled."]
    names = _names(training.metrics)
    listed = ", ".join(names) if isinstance(names, list) else str(names)
    return [
        f"Optimizer: {training.optimizer!r}, {training.iterations:,} iterations",
        f"Loss: {training.loss!r}" + (f"; metrics: {listed}" if names else ""),
        *(f"Note: {note}" for note in training.notes),
    ]


def _names(metrics: Any) -> Any:
    """The names of metrics, by output if there are several."""
    if isinstance(metrics, dict):
        return {output: _names(each) for output, each in metrics.items()}
    return [str(getattr(each, "name", each)) for each in metrics or ()]
