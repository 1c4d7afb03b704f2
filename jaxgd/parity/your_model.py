"""Does jaxgd train this very Keras model as TensorFlow does? The ladder, for a file or for a live model."""

import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jaxgd import keras_files
from jaxgd.model_base import Model
from jaxgd.parity import keras_model_side as theirs
from jaxgd.parity.climbing import Ladder, climb
from jaxgd.parity.rows import NotComparableError, extent, make_rows, takes_short_batches
from jaxgd.parity.rung import skipped
from jaxgd.parity.trace.keras_recorder import record
from jaxgd.parity.trace.recording import Recording, TraceError
from jaxgd.training import make_objective
from jaxgd.training.bundle import bundled
from jaxgd.training.per_output import per_output

DTYPES = ("float32", "float64")


def compare_file(
    path: str | os.PathLike[str],
    data: Mapping[str, Any] | None = None,
    *,
    loss: Any = None,
    optimizer: Any = None,
    steps: int = 20,
    batch_size: int = 32,
    seed: int = 0,
    dtypes: Sequence[str] = DTYPES,
) -> list[Ladder]:
    """The ladder for a `.keras` file: TensorFlow and jaxgd each read it and train on from what it holds.

    Args:
      path: the file.
      data: `x`, `y` and, if wanted, `sample_weight`; of several inputs or outputs a list or a dict by names.
        None makes up rows that suit the losses.
      loss, optimizer: anything that Keras's `compile` takes, instead of the file's; needed if it has none.
      steps: updates; the same rows are met at least twice.
      batch_size: rows a step.
      seed: of the rows that are made up.
      dtypes: of the runs, "float32" and "float64".

    Returns: a ladder for each dtype.
    Raises:
      KerasFileError: a file that jaxgd cannot read.
      NotComparableError: a model without a loss or in mixed precision, or a loss that Keras refuses.
    """
    with tempfile.TemporaryDirectory() as folder:
        trial = _Trial(Path(folder), data, steps, batch_size, seed)
        return [trial.from_file(path, dtype, loss, optimizer) for dtype in dtypes]


def compare_live(
    network: Any,
    data: Mapping[str, Any] | None = None,
    *,
    loss: Any = None,
    optimizer: Any = None,
    steps: int = 20,
    batch_size: int = 32,
    seed: int = 0,
    dtypes: Sequence[str] = DTYPES,
) -> list[Ladder]:
    """The ladder for a live Keras model, which is as it was afterwards; jaxgd reads what `save` writes of it.

    Args: as `compare_file`; with `loss` or `optimizer` a copy of the model is compiled anew.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"{network.name}.keras")
        theirs.build_optimizer(network)
        network.save(path)
        trial = _Trial(Path(folder), data, steps, batch_size, seed)
        found = []
        for dtype in dtypes:
            own = loss is None and optimizer is None and network.dtype_policy.name == dtype
            if own and getattr(network, "compiled", False):
                with theirs.precision(dtype):
                    found.append(trial.climb(network, path, network.name))
            else:
                found.append(trial.from_file(path, dtype, loss, optimizer))
        return found


def record_file(
    path: str | os.PathLike[str],
    data: Mapping[str, Any] | None = None,
    *,
    loss: Any = None,
    optimizer: Any = None,
    steps: int = 20,
    batch_size: int = 32,
    seed: int = 0,
    dtype: str = "float32",
) -> Recording:
    """What TensorFlow computes for a `.keras` file, to be written as a trace. Arguments as `compare_file`."""
    with tempfile.TemporaryDirectory() as folder, theirs.precision(dtype):
        trial = _Trial(Path(folder), data, steps, batch_size, seed)
        network, prepared = trial.prepared(path, dtype, loss, optimizer)
        return trial.recorded(network, prepared, Path(path).stem)


class _Trial:
    """The settings that the runs of one model share."""

    def __init__(
        self, folder: Path, data: Mapping[str, Any] | None, steps: int, batch_size: int, seed: int
    ) -> None:
        self.folder, self.data = folder, data
        self.steps, self.batch_size, self.seed = steps, batch_size, seed

    def from_file(self, path: Any, dtype: str, loss: Any, optimizer: Any) -> Ladder:
        """The ladder for a file; one that says so if Keras cannot run the model in float64."""
        with theirs.precision(dtype):
            network, prepared = self.prepared(path, dtype, loss, optimizer)
            try:
                return self.climb(network, prepared, Path(path).stem)
            except (keras_files.KerasFileError, NotComparableError, TraceError):
                raise
            except theirs.CANNOT_RUN as error:
                if dtype == "float32":
                    raise
                why = f"Keras cannot run this model in {dtype}: {str(error).splitlines()[0]}"
                return Ladder(Path(path).stem, theirs.FRAMEWORK, dtype, (skipped("recording", why),))

    def prepared(self, path: Any, dtype: str, loss: Any, optimizer: Any) -> tuple[Any, Path]:
        """The Keras model in one dtype, compiled, and the file that describes it."""
        if keras_files.load(path, training=False)[0].dtype not in DTYPES:
            raise NotComparableError(
                f"{path}: only models in float32 or float64 are compared, not mixed precision."
            )
        prepared = self.folder / f"{dtype}.keras"
        theirs.write_with_dtype(path, prepared, dtype)
        network = theirs.load(prepared)
        if loss is not None or optimizer is not None:
            self._compile(network, loss, optimizer)
            network.save(prepared)
        if not network.compiled or network.loss is None:
            raise NotComparableError(f"{path}: the model was saved without a loss; say which (--loss).")
        return network, prepared

    @staticmethod
    def _compile(network: Any, loss: Any, optimizer: Any) -> None:
        try:
            theirs.compile_anew(network, loss, optimizer)
        except theirs.CANNOT_RUN as error:
            raise NotComparableError(f"Keras refuses this loss or optimizer: {error}") from error

    def climb(self, network: Any, path: Path, name: str) -> Ladder:
        """TensorFlow runs, jaxgd reads the file and is held against it."""
        recording = self.recorded(network, path, name)
        _, params, training = keras_files.load(path)
        return climb(recording, loaded=params, loaded_state=None if training is None else training.opt_state)

    def recorded(self, network: Any, path: Path, name: str) -> Recording:
        model, _, training = keras_files.load(path)
        if training is None or training.loss is None:
            raise NotComparableError("the model was saved without a loss.")
        data = self._listed(model)
        if data is None:
            made_up = make_objective(model, training.loss, loss_weights=training.loss_weights).loss
            data = make_rows(model, made_up, max(1, self.steps // 2) * self.batch_size, self.seed)
        x, y = (bundled(data[name]) if isinstance(data[name], list) else data[name] for name in ("x", "y"))
        batch_size = min(self.batch_size, len(x))
        objective = make_objective(model, training.loss, loss_weights=training.loss_weights, targets=y)
        run = extent(len(x), self.steps, batch_size, takes_short_batches(objective, y))
        rows = {key: _first(value, run.rows) for key, value in data.items()}
        return record(network, path, rows, batch_size=batch_size, epochs=run.epochs, name=name)

    def _listed(self, model: Model) -> dict[str, Any] | None:
        """The user's rows; of several inputs or outputs a list, in the model's order."""
        if self.data is None:
            return None
        outputs, found = model.output_names, {}
        for name, value in self.data.items():
            if name == "x":
                each: Sequence[Any] = model.inputs_of(value)
            elif isinstance(value, Mapping | list | tuple) and len(outputs) > 1:
                each = per_output(name, value, outputs, lambda one: False)
            else:
                each = [value]
            arrays = [None if one is None else np.asarray(one) for one in each]
            found[name] = arrays if len(arrays) > 1 else arrays[0]
        return found


def _first(value: Any, rows: int) -> Any:
    if isinstance(value, list):
        return [None if one is None else one[:rows] for one in value]
    return value[:rows]
