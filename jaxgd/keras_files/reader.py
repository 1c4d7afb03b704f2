"""Reading a file that Keras or jaxgd wrote. Keras is not needed, and nothing in the file is ever executed."""

import os
from collections.abc import Mapping
from typing import Any

from jaxgd._types import Params
from jaxgd.keras_files.archive import CONFIG, METADATA, WEIGHTS, read_archive
from jaxgd.keras_files.compiling import read_loss, read_metrics
from jaxgd.keras_files.errors import KerasFileError, check_mapping, failing_in, shown
from jaxgd.keras_files.hdf5 import ArrayFile, check_paths
from jaxgd.keras_files.json_text import parse_json
from jaxgd.keras_files.model_configs import read_model
from jaxgd.keras_files.optimizer_configs import read_optimizer
from jaxgd.keras_files.optimizer_state import Cell, cells, read_state
from jaxgd.keras_files.training import KerasTraining
from jaxgd.keras_files.weights import check_size, param_shapes, read_params, variables
from jaxgd.model import PRECISIONS, Sequential
from jaxgd.optimizers import Optimizer

MAX_BYTES = 2 * 2**30
_OPTIMIZER = "optimizer/"


def load(
    path: str | os.PathLike[str], *, training: bool = True, max_bytes: int = MAX_BYTES
) -> tuple[Sequential, Params, KerasTraining | None]:
    """Read a `.keras` file.

    Args:
      path: the file.
      training: False leaves loss, optimizer and metrics unread.
      max_bytes: limit of what the file may declare; checked before any array is read.

    Returns: the model, its parameters, and a `KerasTraining`, or None for a model that was not compiled.
    Raises:
      KerasFileError: a damaged or hostile file, or one with a part that jaxgd does not have; the message
        names it. A ValueError.
      OSError: the file cannot be opened.
    Keras: `keras.models.load_model`, for Sequential models of the layers in `jaxgd.layers`. Predictions are
    equal to rounding; training goes on with the same state.
    """
    with failing_in("the file"):
        members = read_archive(path, max_bytes)
        config = parse_json(members[CONFIG], CONFIG)
        ours = _ours(members)
        model = read_model(config, ours["precision"])
        compiled = config.get("compile_config") if training else None
        file = ArrayFile(members[WEIGHTS], max_bytes)
        shapes = param_shapes(model)
        check_size(shapes, max_bytes)
        known = variables(model, shapes)
        optimizer, layout = _optimizer(compiled, model, shapes, file, ours["optimizer"])
        skipped = {path for path in file.shapes if path.startswith(_OPTIMIZER)} if not compiled else set()
        check_paths(file.shapes, {each.path for each in known} | layout.keys() | skipped)
        params = read_params(model, file, known)
        if optimizer is None:
            return model, params, None
        state = read_state(model, optimizer, params, file, layout)
        return model, params, _training(check_mapping(compiled, "compile_config"), optimizer, state)


def describe(path: str | os.PathLike[str], *, max_bytes: int = MAX_BYTES) -> str:
    """What a `.keras` file holds, as text: the layers with their shapes, the optimizer, how far it went.

    Raises: as `load`.
    """
    model, _, training = load(path, max_bytes=max_bytes)
    lines = [model.summary()]
    if training is None:
        return "\n".join([*lines, "Not compiled."])
    metrics = ", ".join(str(getattr(each, "name", each)) for each in training.metrics)
    lines.append(f"Optimizer: {training.optimizer!r}, {training.iterations:,} iterations")
    lines.append(f"Loss: {training.loss!r}" + (f"; metrics: {metrics}" if metrics else ""))
    return "\n".join(lines)


def _ours(members: Mapping[str, bytes]) -> dict[str, Any]:
    """What jaxgd keeps in the metadata, with defaults for what is not there."""
    metadata = parse_json(members[METADATA], METADATA) if METADATA in members else {}
    ours = check_mapping(metadata.get("jaxgd", {}), f"{METADATA}: jaxgd")
    precision = ours.get("precision", "highest")
    if precision not in PRECISIONS:
        raise KerasFileError(f"{METADATA}: precision: expected one of {PRECISIONS}, got {shown(precision)}.")
    of_optimizer = check_mapping(ours.get("optimizer", {}), f"{METADATA}: optimizer")
    return {"precision": precision, "optimizer": of_optimizer}


def _optimizer(
    compiled: Any, model: Sequential, shapes: Params, file: ArrayFile, ours: Mapping[str, Any]
) -> tuple[Optimizer | None, dict[str, Cell]]:
    """The optimizer and where its state stands; before the first update a file may hold less."""
    if not compiled:
        return None, {}
    optimizer = read_optimizer(check_mapping(compiled, "compile_config").get("optimizer"), ours, "optimizer")
    layout = cells(model, optimizer, shapes)
    present = {path for path in file.shapes if path.startswith(_OPTIMIZER)}
    start = {
        path: cell for path, cell in layout.items() if cell.keys[:1] in (("count",), ("hyperparameters",))
    }
    if present <= start.keys():
        return optimizer, {path: cell for path, cell in start.items() if path in present}
    return optimizer, layout


def _training(compiled: Mapping[str, Any], optimizer: Optimizer, state: Any) -> KerasTraining:
    if compiled.get("loss_weights") is not None:
        raise KerasFileError("loss_weights are not supported. load(path, training=False) leaves it out.")
    return KerasTraining(
        loss=read_loss(compiled.get("loss"), "loss"),
        optimizer=optimizer,
        opt_state=state,
        metrics=read_metrics(compiled.get("metrics"), "metrics"),
        weighted_metrics=read_metrics(compiled.get("weighted_metrics"), "weighted_metrics"),
    )
