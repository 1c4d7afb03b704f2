"""Writing a model as Keras does."""

import datetime
import os
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from jaxgd import optimizers
from jaxgd._atomic import write_bytes
from jaxgd._param_shapes import param_shapes
from jaxgd._types import Params
from jaxgd.keras_files.archive import CONFIG, METADATA, WEIGHTS, pack
from jaxgd.keras_files.compiled import write_compiled
from jaxgd.keras_files.errors import KerasFileError, failing_in
from jaxgd.keras_files.hdf5 import write_arrays
from jaxgd.keras_files.json_text import dump_json
from jaxgd.keras_files.model_configs import write_model
from jaxgd.keras_files.opening import path_text
from jaxgd.keras_files.optimizer_cells import cells
from jaxgd.keras_files.optimizer_state import first_state, state_arrays
from jaxgd.keras_files.optimizer_wrappers import write_optimizer, written_ours
from jaxgd.keras_files.training import KerasTraining
from jaxgd.keras_files.weights import check_params, group_names, params_arrays, variables
from jaxgd.model_base import Model
from jaxgd.training import FitResult

KERAS_VERSION = "3.15.1"
"""The Keras whose format is written."""

_ENDINGS = (".keras", ".weights.h5", ".safetensors")


def save(
    path: str | os.PathLike[str],
    model: Model,
    params: Params | FitResult,
    training: KerasTraining | None = None,
    *,
    date_saved: datetime.datetime | None = None,
) -> None:
    """Write a `.keras` file that `keras.models.load_model` opens; or weights alone.

    The file appears at once and whole: a crash leaves the old one. Equal arguments give equal bytes.

    Args:
      path: a name that ends in ".keras"; for weights alone in ".weights.h5", which `Model.load_weights`
        opens, or in ".safetensors", whose arrays are named "layer/leaf".
      model: from `mlp`, `sequential` or `load`.
      params: its parameters; or the `FitResult` of more training, whose optimizer state then replaces that
        of `training`.
      training: loss, optimizer, its state and metrics, so that Keras's `fit` goes on where jaxgd stopped;
        None writes the network alone. In a `.weights.h5` only the state has a place.
      date_saved: stands in the file; now, by default.

    Raises:
      KerasFileError: a part of the model or the training that Keras's format has no place for (a function of
        the user's, an optax transformation, options of an activation that Keras has no layer for), parameters
        that are not the model's, or a name of another ending. Nothing is written then.
      OSError: the folder cannot be written. TypeError: `path` is no path.
    Keras: `Model.save`. Not in Keras, and kept in the file's metadata, which Keras never reads: the precision
    of products, and an optimizer's `exclude_from_weight_decay` and `constants`. A float64 model trains in
    Keras as it does here only after `keras.config.set_floatx("float64")`.
    >>> import pathlib, tempfile, jaxgd
    >>> from jaxgd.keras_files import load
    >>> model = jaxgd.mlp([2, 3, 1])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "model.keras")
    ...     save(path, model, model.init(0))
    ...     load(path)[0]
    sequential([dense(3, activation='relu'), dense(1)], input_size=2)
    """
    if isinstance(params, FitResult):
        training = None if training is None else training.after(params)
        params = params.params
    name = path_text(path)
    with failing_in("model"):
        content = _content(name, model, params, training, date_saved or datetime.datetime.now())
    write_bytes(Path(name), content)


def _content(
    name: str,
    model: Model,
    params: Params,
    training: KerasTraining | None,
    date_saved: datetime.datetime,
) -> bytes:
    """The bytes of the file of this name."""
    shapes = param_shapes(model)
    check_params(shapes, params)
    if name.endswith(".safetensors"):
        if training is not None:
            raise KerasFileError("training: a .safetensors file has no place for it; leave it out.")
        from jaxgd.keras_files import safetensors_files

        return safetensors_files.dumps(params)
    if training is not None and training.is_behind(params):
        warnings.warn(
            "training: its optimizer state is that of the file, but the parameters are others by now. Give "
            "the FitResult in their place: save(path, model, result, training).",
            stacklevel=4,
        )
    compiled, state, of_optimizer, names = _training(model, shapes, params, training)
    arrays = params_arrays(params, variables(model, shapes)) | state
    weights = write_arrays(arrays, group_names(model, model.kind) | names)
    if name.endswith(".weights.h5"):
        return weights
    if not name.endswith(".keras"):
        raise KerasFileError(
            f"path: expected a name that ends in one of {', '.join(_ENDINGS)}, got {name!r}."
        )
    metadata = {
        "keras_version": KERAS_VERSION,
        "date_saved": date_saved.strftime("%Y-%m-%d@%H:%M:%S"),
        "jaxgd": {"precision": model.precision, **of_optimizer},
    }
    config = write_model(model, model.kind) | compiled
    return pack({METADATA: dump_json(metadata), CONFIG: dump_json(config), WEIGHTS: weights})


def _training(
    model: Model, shapes: Params, params: Params, training: KerasTraining | None
) -> tuple[dict[str, Any], dict[str, np.ndarray], dict[str, Any], dict[str, str]]:
    """Keras's `compile_config`, the optimizer's arrays, its settings for the metadata, and group names."""
    if training is None:
        return {}, {}, {}, {}
    optimizer = optimizers.get(training.optimizer)
    state = training.opt_state
    if state is None:
        state = first_state(model, optimizer, params)
    compiled: dict[str, Any] = {
        "optimizer": write_optimizer(optimizer, state),
        **write_compiled(training, model),
    }
    if model.dtype == "mixed_float16":
        compiled["auto_scale_loss"] = False
    arrays = state_arrays(cells(model, optimizer, shapes), state)
    ours = {"optimizer": written_ours(optimizer)}
    return {"compile_config": compiled}, arrays, ours, {"optimizer/vars": optimizer.name}
