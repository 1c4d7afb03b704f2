"""Reading a file that Keras or jaxgd wrote. Keras is not needed, and nothing in the file is ever executed."""

import os
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import replace
from typing import Any, BinaryIO, NamedTuple

import jax

from jaxgd import optimizers
from jaxgd._param_shapes import param_shapes
from jaxgd._types import Params
from jaxgd.graphs import Graph
from jaxgd.keras_files import keras2, legacy
from jaxgd.keras_files.archive import CONFIG, METADATA, WEIGHTS, Archive
from jaxgd.keras_files.compiled import lost_arguments, read_compiled
from jaxgd.keras_files.errors import KerasFileError, check_mapping, failing_in, failing_in_training, shown
from jaxgd.keras_files.hdf5 import ArrayFile, check_paths, is_hdf5
from jaxgd.keras_files.json_text import parse_json
from jaxgd.keras_files.model_configs import read_model
from jaxgd.keras_files.opening import opened, path_text
from jaxgd.keras_files.optimizer_cells import KERAS_3, Cell, cells
from jaxgd.keras_files.optimizer_state import check_cells, read_state
from jaxgd.keras_files.optimizer_wrappers import (
    INNER,
    check_divided,
    notes_on,
    read_optimizer,
    with_loss_scale,
)
from jaxgd.keras_files.training import KerasTraining
from jaxgd.keras_files.weights import check_size, read_params, trained, variables
from jaxgd.model import PRECISIONS, Sequential
from jaxgd.model_base import Model
from jaxgd.optimizers import Optimizer

MAX_BYTES = 2 * 2**30
_SAFETENSORS = ".safetensors"
_OPTIMIZER = "optimizer/"
_NOT_OURS = ("metrics/",)
"""Arrays that tf.keras 2 keeps besides: what its metrics had counted."""

_COPIES = (INNER, "optimizer/optimizers/")
"""What stands in `optimizer/vars` too; an older file has it only there."""


class _Described(NamedTuple):
    """A file's words: the training is without the state of its optimizer."""

    model: Sequential | Graph
    training: KerasTraining | None
    form: str = KERAS_3


def load(
    path: str | os.PathLike[str],
    *,
    model: Sequential | Graph | None = None,
    training: bool | KerasTraining = True,
    max_bytes: int = MAX_BYTES,
) -> tuple[Sequential | Graph, Params, KerasTraining | None]:
    """Read a model of Keras: a `.keras` or an `.h5` file; or weights alone: `.weights.h5`, `.safetensors`.

    Args:
      path: the file. What it is, its first bytes say; a name that ends in ".safetensors" is believed.
      model: whose weights they are; needed for a file of weights alone, and for no other.
      training: False leaves loss, optimizer and metrics unread. For a file of weights alone: what it was
        compiled with, if the state of the optimizer shall be read too.
      max_bytes: limit of what the file may declare; checked before any array is read.

    Returns: the model, its parameters, and a `KerasTraining`, or None for a model that was not compiled.
    Raises:
      KerasFileError: a damaged or hostile file, or one with a part that jaxgd does not have; the message
        names it. A ValueError.
      OSError: the file cannot be opened.
      TypeError: `path`, `model` or `training` is something else.
    Keras: `keras.models.load_model` and `Model.load_weights`, for the layers in `jaxgd.layers`, of files that
    Keras 3 or tf.keras 2 wrote. Predictions are equal to rounding; training goes on with the same state.
    """
    if model is not None and not isinstance(model, Model):
        raise TypeError(f"model: expected a model of jaxgd, got {model!r}.")
    if not isinstance(training, bool | KerasTraining):
        raise TypeError(f"training: expected True, False or a KerasTraining, got {training!r}.")
    name = path_text(path)
    with failing_in("the file"), opened(name) as file, ExitStack() as stack:
        if name.endswith(_SAFETENSORS):
            from jaxgd.keras_files import safetensors_files

            given = _given(model, training)
            return given, safetensors_files.read(name, given, max_bytes), None
        if not is_hdf5(file):
            return _read_archive(file, stack, model, training, max_bytes)
        arrays = stack.enter_context(ArrayFile(file, max_bytes))
        if not legacy.is_whole_model(arrays):
            described = _Described(_given(model), _expected(training, arrays))
        else:
            _refuse(model, training)
            config, compiled = legacy.read_configs(arrays)
            described = _describe(config, compiled if training else None, legacy.version(arrays), {})
        return _read(described, arrays, max_bytes)


def _given(model: Sequential | Graph | None, training: bool | KerasTraining = False) -> Sequential | Graph:
    """The model that the caller must name for a file of weights alone."""
    if model is None:
        raise KerasFileError(
            "the file holds weights alone; say whose they are: load(path, model=model), or on the command "
            "line jaxgd convert WEIGHTS NEW.keras --model MODEL.keras."
        )
    if isinstance(training, KerasTraining):
        raise KerasFileError("a .safetensors file holds no optimizer; leave training out.")
    return model


def _expected(training: bool | KerasTraining, file: ArrayFile) -> KerasTraining | None:
    """What the caller says that weights alone were trained with; the state must then be there."""
    if not isinstance(training, KerasTraining):
        return None
    if not _has_state(file):
        raise KerasFileError("the file holds no state of an optimizer; leave training out.")
    return training


def _refuse(model: Sequential | Graph | None, training: bool | KerasTraining) -> None:
    if model is not None or isinstance(training, KerasTraining):
        raise KerasFileError("the file has a model of its own; leave out model and what it is trained with.")


def architecture(path: str | os.PathLike[str], *, max_bytes: int = MAX_BYTES) -> Sequential | Graph:
    """The model of a `.keras` or an `.h5` file without its parameters; no array is read.

    Raises: as `load`.
    """
    name = path_text(path)
    with failing_in("the file"), opened(name) as file:
        if name.endswith(_SAFETENSORS):
            _given(None)
        if not is_hdf5(file):
            archive = Archive(file, max_bytes)
            return _describe(parse_json(archive.read(CONFIG), CONFIG), None, *_metadata(archive)).model
        with ArrayFile(file, max_bytes) as arrays:
            if not legacy.is_whole_model(arrays):
                _given(None)
            return _describe(legacy.read_configs(arrays)[0], None, legacy.version(arrays), {}).model


def dtype_of(path: str | os.PathLike[str], *, max_bytes: int = MAX_BYTES) -> str:
    """The dtype of the model in a file, which says whether JAX needs its 64-bit types to load it.

    Raises: as `load`.
    """
    with jax.enable_x64(True):
        return architecture(path, max_bytes=max_bytes).dtype


def holds_state_alone(path: str | os.PathLike[str], *, max_bytes: int = MAX_BYTES) -> bool:
    """Whether it is a file of weights alone that has the state of an optimizer too, but not whose it is.

    Raises: as `load`.
    """
    with failing_in("the file"), opened(path_text(path)) as file:
        if not is_hdf5(file):
            return False
        with ArrayFile(file, max_bytes) as arrays:
            return not legacy.is_whole_model(arrays) and _has_state(arrays)


def _has_state(file: ArrayFile) -> bool:
    return any(path.startswith(_OPTIMIZER) for path in file.shapes)


def _metadata(archive: Archive) -> tuple[Any, dict[str, Any]]:
    """Keras's version, and what jaxgd keeps there."""
    metadata = parse_json(archive.read(METADATA), METADATA) if METADATA in archive.names else {}
    return metadata.get("keras_version"), _ours(metadata)


def _read_archive(
    file: BinaryIO, stack: ExitStack, model: Sequential | Graph | None, training: Any, max_bytes: int
) -> tuple[Sequential | Graph, Params, KerasTraining | None]:
    archive = Archive(file, max_bytes)
    _refuse(model, training)
    config = parse_json(archive.read(CONFIG), CONFIG)
    described = _describe(config, config.get("compile_config") if training else None, *_metadata(archive))
    unpacked = stack.enter_context(archive.unpacked(WEIGHTS))
    arrays = stack.enter_context(ArrayFile(unpacked, max_bytes))
    return _read(_with_loss_scale(described, arrays), arrays, max_bytes)


def _with_loss_scale(described: _Described, file: ArrayFile) -> _Described:
    """The same with what Keras's `compile` puts around the optimizer of a mixed_float16 model."""
    training = described.training
    if training is None:
        return described
    optimizer = with_loss_scale(training.optimizer, described.model.dtype, file.shapes)
    return described._replace(training=replace(training, optimizer=optimizer))


def _describe(config: dict[str, Any], compiled: Any, version: Any, ours: Mapping[str, Any]) -> _Described:
    """Model and training, from the words of a file."""
    if isinstance(version, str) and version.startswith("2."):
        config = keras2.translated_model(config)
    model = read_model(config, ours.get("precision", "highest"))
    if not compiled:
        return _Described(model, None)
    with failing_in_training():
        return _describe_training(model, config, check_mapping(compiled, "compile_config"), ours)


def _describe_training(
    model: Sequential | Graph, config: dict[str, Any], compiled: dict[str, Any], ours: Mapping[str, Any]
) -> _Described:
    form = keras2.form_of(compiled.get("optimizer"))
    if form != KERAS_3:
        compiled = keras2.translated_compile(compiled)
    optimizer = _read_optimizer(compiled.get("optimizer"), model, config, ours.get("optimizer", {}))
    training = KerasTraining(
        optimizer=optimizer,
        notes=(*lost_arguments(config), *notes_on(optimizer, written_by_keras=not ours.get("optimizer"))),
        **read_compiled(compiled, model),
    )
    return _Described(model, training, form)


def _read_optimizer(
    value: Any, model: Sequential | Graph, config: Mapping[str, Any], ours: Mapping[str, Any]
) -> Optimizer:
    name = config["config"].get("name") if config.get("class_name") == "Sequential" else None
    paths = ["/".join(each.keys) for each in trained(model, param_shapes(model))]
    return read_optimizer(value, ours, "optimizer", f"{name}/" if name else "", paths)


def _read(
    described: _Described, file: ArrayFile, max_bytes: int
) -> tuple[Sequential | Graph, Params, KerasTraining | None]:
    """The arrays, each checked before the first is read."""
    model, training, _ = described
    shapes = param_shapes(model)
    check_size(shapes, max_bytes)
    known = variables(model, shapes)
    if legacy.is_legacy(file):
        file = legacy.as_new(file, known, trained(model, shapes))
    layout = {} if training is None else _layout(optimizers.get(training.optimizer), described, shapes, file)
    left = (*_NOT_OURS, *(() if training else (_OPTIMIZER,)))
    skipped = {path for path in file.shapes if path.startswith(left)}
    check_paths(file.shapes, {each.path for each in known} | layout.keys() | skipped)
    for each in known:
        file.check(each.path, each.shape, each.file_dtype)
    check_cells(file, layout)
    params = read_params(model, file, known)
    if training is None:
        return model, params, None
    optimizer = optimizers.get(training.optimizer)
    state = read_state(model, optimizer, params, file, layout)
    loaded = None if state is None else (params, state)
    return model, params, replace(training, optimizer=optimizer, opt_state=state, loaded=loaded)


def _layout(optimizer: Optimizer, described: _Described, shapes: Params, file: ArrayFile) -> dict[str, Cell]:
    """Where the optimizer's state stands; before the first update a file may hold less."""
    model, _, form = described
    present = {path for path in file.shapes if path.startswith(_OPTIMIZER)}
    has_copies = any(path.startswith(_COPIES) for path in present)
    whole, start = (
        {
            path: cell
            for path, cell in cells(model, optimizer, shapes, form, built=built).items()
            if has_copies or not path.startswith(_COPIES)
        }
        for built in (True, False)
    )
    if present <= start.keys():
        return {path: start[path] for path in present}
    check_divided(optimizer, whole, present)
    return whole


def _ours(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """What jaxgd keeps in the metadata, with defaults for what is not there."""
    ours = check_mapping(metadata.get("jaxgd", {}), f"{METADATA}: jaxgd")
    precision = ours.get("precision", "highest")
    if precision not in PRECISIONS:
        raise KerasFileError(f"{METADATA}: precision: expected one of {PRECISIONS}, got {shown(precision)}.")
    of_optimizer = check_mapping(ours.get("optimizer", {}), f"{METADATA}: optimizer")
    return {"precision": precision, "optimizer": of_optimizer}
