"""A compiled Keras model is run step by step, and every number is written down."""

import contextlib
import functools
import os
from collections.abc import Iterator, Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from jaxgd import keras_files
from jaxgd.model import Sequential
from jaxgd.optimizers import Optimizer
from jaxgd.parity.keras_model_side import FRAMEWORK, build_optimizer, config_of
from jaxgd.parity.kinks import Kinks, kinked_layers, side_of_outputs
from jaxgd.parity.rows import stack_of
from jaxgd.parity.trace.recording import Recording, check_recording
from jaxgd.parity.trace.setup import optimizer_cells
from jaxgd.training import make_schedule


def record(
    network: Any,
    path: str | os.PathLike[str],
    data: Mapping[str, np.ndarray],
    *,
    batch_size: int,
    epochs: int,
    name: str = "model",
    seed: int | None = None,
) -> Recording:
    """Run a compiled Keras model and write down what it computes. The model is left as it was.

    Args:
      network: a compiled Sequential.
      path: the `.keras` file of it, for its description.
      data: `x`, `y` and, if wanted, `sample_weight`, one row each.
      batch_size, epochs: as in `fit`; rows stay in order.
      name: of the recording.
      seed: what the model's numbers were drawn after, if they were.

    Returns: every step's weights, gradients, slots and loss; and what `fit`, `evaluate`, `predict` give.
    """
    return _Recorder(network, path, data, batch_size, epochs).recording(name, seed)


class _Recorder:
    def __init__(
        self, network: Any, path: Any, data: Mapping[str, np.ndarray], batch_size: int, epochs: int
    ) -> None:
        self.network = network
        self.config = config_of(path)
        self.model, self.training = _description(path)
        self.dtype = network.dtype_policy.name if hasattr(network, "dtype_policy") else "float32"
        self.data = {key: _cast(array, self.dtype) for key, array in data.items()}
        self.batch_size, self.epochs = min(batch_size, len(data["x"])), epochs
        self.schedule = make_schedule(len(data["x"]), self.batch_size, epochs)
        self.arrays: dict[str, np.ndarray] = {f"data/{key}": array for key, array in self.data.items()}
        self.arrays["schedule"] = self.schedule
        self.columns: dict[str, list[np.ndarray]] = {}

    def recording(self, name: str, seed: int | None) -> Recording:
        build_optimizer(self.network)  # once: LossScaleOptimizer adds variables each time
        logger, level = tf.get_logger(), tf.get_logger().level
        logger.setLevel("ERROR")  # each model is traced once, which TensorFlow warns of after a few models
        try:
            return self._recording(name, seed)
        finally:
            logger.setLevel(level)

    def _recording(self, name: str, seed: int | None) -> Recording:
        start = self._snapshot()
        facts = self._facts(name, seed)
        self._note_layer_outputs()
        self._run_steps()
        self._note_evaluation()
        self._restore(start)
        self._note_fit()
        self._restore(start)
        return check_recording(Recording(facts, self.arrays))

    def _facts(self, name: str, seed: int | None) -> dict[str, Any]:
        compiled = self.config.get("compile_config") or {}
        model = {key: value for key, value in self.config.items() if key != "compile_config"}
        return {
            "name": name,
            "framework": FRAMEWORK,
            "dtype": self.dtype,
            "model": model,
            "loss": compiled.get("loss"),
            "metrics": compiled.get("metrics"),
            "weighted_metrics": compiled.get("weighted_metrics"),
            "optimizer": compiled.get("optimizer"),
            "seed": seed,
            "random": self._seeds(),
            "batch_size": self.batch_size,
            "epochs": self.epochs,
        }

    def _seeds(self) -> dict[str, Any] | None:
        """The seeds of the layers that draw, and how often they have drawn."""
        states = [_generator_state(layer) for layer in self.network.layers]
        drawn = [state for state in states if state is not None]
        if not drawn:
            return None
        seeds = [0 if state is None else int(state[0]) for state in states]
        return {"seeds": seeds, "draws": int(drawn[0][1])}

    def _snapshot(self) -> list[tuple[Any, np.ndarray]]:
        variables = [*self.network.variables, *self.network.optimizer.variables]
        generators = [layer.seed_generator.state for layer in self.network.layers if _has_generator(layer)]
        return [(variable, _numpy(variable)) for variable in (*variables, *generators)]

    def _restore(self, snapshot: list[tuple[Any, np.ndarray]]) -> None:
        for variable, value in snapshot:
            variable.assign(value)

    def _run_steps(self) -> None:
        kinks = kinked_layers(self.model)
        self._note_variables()
        for rows in self.schedule:
            batch = {key: array[rows[rows >= 0]] for key, array in self.data.items()}
            with _watching(self.network, kinks) as outputs, tf.GradientTape() as tape:
                loss = self._loss(batch)
                scaled = self.network.optimizer.scale_loss(loss)
            grads = tape.gradient(scaled, [each.value for each in self.network.trainable_weights])
            self.network.optimizer.apply(grads, self.network.trainable_weights)
            self._note_step(loss, grads, kinks, outputs)
        self.arrays |= {path: np.stack(values) for path, values in self.columns.items()}

    def _loss(self, batch: Mapping[str, np.ndarray]) -> Any:
        y_pred = self.network(batch["x"], training=True)
        return self.network.compute_loss(
            x=batch["x"], y=batch["y"], y_pred=y_pred, sample_weight=batch.get("sample_weight"), training=True
        )

    def _note(self, path: str, value: Any) -> None:
        self.columns.setdefault(path, []).append(_numpy(value))

    def _note_step(
        self, loss: Any, grads: Any, kinks: Mapping[str, Kinks], outputs: Mapping[str, Any]
    ) -> None:
        self._note("losses", loss)
        paths = self._paths()
        for variable, grad in zip(self.network.trainable_weights, grads, strict=True):
            if grad is not None:
                self._note(f"grads/{paths[id(variable)]}", grad)
        for layer, output in outputs.items():
            sides = side_of_outputs(kinks[layer], _numpy(output))
            short = self.batch_size - len(sides)
            self._note(f"masks/{layer}", np.pad(sides, [(0, short)] + [(0, 0)] * (sides.ndim - 1)))
        self._note_variables()

    def _note_variables(self) -> None:
        for variable in self.network.weights:
            self._note(f"params/{self._paths()[id(variable)]}", _stored(variable))
        for place, variable in _slots(self.model, self.training.optimizer):
            self._note(f"state/{place}", _stored(self.network.optimizer.variables[variable]))

    def _paths(self) -> dict[int, str]:
        return {
            id(variable): f"{layer.name}/{variable.name}"
            for layer in self.network.layers
            for variable in layer.weights
        }

    def _note_layer_outputs(self) -> None:
        rows = self.schedule[0]
        y = self.data["x"][rows[rows >= 0]]
        for layer in self.network.layers:
            y = layer(y, training=False)
            self.arrays[f"forward/{layer.name}"] = _numpy(y)

    def _note_evaluation(self) -> None:
        found = self.network.evaluate(
            self.data["x"], self.data["y"], sample_weight=self.data.get("sample_weight"),
            batch_size=self.batch_size, verbose=0, return_dict=True,
        )  # fmt: skip
        self.arrays |= {
            f"evaluate/{column}": np.asarray(value, np.float64) for column, value in found.items()
        }
        self.arrays["predict"] = np.asarray(self.network.predict(self.data["x"], verbose=0))

    def _note_fit(self) -> None:
        history = self.network.fit(
            self.data["x"], self.data["y"], sample_weight=self.data.get("sample_weight"),
            batch_size=self.batch_size, epochs=self.epochs, shuffle=False, verbose=0,
        ).history  # fmt: skip
        self.arrays |= {f"history/{column}": np.asarray(each, np.float64) for column, each in history.items()}
        paths = self._paths()
        self.arrays |= {f"fit/{paths[id(each)]}": _stored(each) for each in self.network.weights}


def _description(path: Any) -> tuple[Sequential, Any]:
    model, _, training = keras_files.load(path)
    if training is None:
        raise ValueError("the model is not compiled.")
    return stack_of(model), training


def _slots(model: Sequential, optimizer: Optimizer) -> list[tuple[str, int]]:
    """(place in an `OptimizerState`, index into Keras's `optimizer.variables`)."""
    found = {}
    for path, cell in optimizer_cells(model, optimizer).items():
        root, _, index = path.rpartition("/")
        if root == "optimizer/vars" and cell.constant is None:
            found["/".join(cell.keys)] = int(index)
    return list(found.items())


def _stored(variable: Any) -> np.ndarray:
    """A variable's value; Keras's 64-bit counters as int32."""
    value = _numpy(variable)
    return value.astype(np.int32) if value.dtype.kind in "iu" else value


def _numpy(value: Any) -> np.ndarray:
    """A copy of a variable or a tensor."""
    return np.array(keras.ops.convert_to_numpy(value))


def _cast(array: Any, dtype: str) -> np.ndarray:
    array = np.asarray(array)
    return array.astype(np.int32 if array.dtype.kind in "iub" else dtype)


def _has_generator(layer: Any) -> bool:
    return getattr(layer, "seed_generator", None) is not None


def _generator_state(layer: Any) -> np.ndarray | None:
    return _numpy(layer.seed_generator.state) if _has_generator(layer) else None


@contextlib.contextmanager
def _watching(network: Any, kinks: Mapping[str, Kinks]) -> Iterator[dict[str, Any]]:
    """Inside the block, what the named layers return is kept."""
    outputs: dict[str, Any] = {}
    watched = [layer for layer in network.layers if layer.name in kinks]
    for layer in watched:
        vars(layer)["call"] = _keeping(layer.call, layer.name, outputs)
    try:
        yield outputs
    finally:
        for layer in watched:
            del vars(layer)["call"]


def _keeping(call: Any, name: str, outputs: dict[str, Any]) -> Any:
    @functools.wraps(call)
    def kept(*arguments: Any, **options: Any) -> Any:
        outputs[name] = call(*arguments, **options)
        return outputs[name]

    return kept
