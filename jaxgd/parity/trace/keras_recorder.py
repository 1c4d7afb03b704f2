"""A compiled Keras model is run step by step, and every number is written down."""

import contextlib
import functools
import os
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from jaxgd import keras_files
from jaxgd.layers import Nested
from jaxgd.model_base import Model
from jaxgd.optimizers import Optimizer
from jaxgd.parity.keras_model_side import FRAMEWORK, build_optimizer, config_of
from jaxgd.parity.kinks import Kinks, kinked_calls, side_of_outputs
from jaxgd.parity.replay import numbered
from jaxgd.parity.trace.keras_rows import KerasRows
from jaxgd.parity.trace.recording import Recording, check_recording
from jaxgd.parity.trace.setup import optimizer_cells
from jaxgd.parity.walk import places
from jaxgd.training import make_schedule


def record(
    network: Any,
    path: str | os.PathLike[str],
    data: Mapping[str, Any],
    *,
    batch_size: int,
    epochs: int,
    name: str = "model",
    seed: int | None = None,
) -> Recording:
    """Run a compiled Keras model and write down what it computes. The model is left as it was.

    Args:
      network: a compiled Sequential or Functional model.
      path: the `.keras` file of it, for its description.
      data: `x`, `y` and, if wanted, `sample_weight`, one row each; of several inputs or outputs a list, in
        the model's order, with None for an output that has nothing.
      batch_size, epochs: as in `fit`; rows stay in order.
      name: of the recording.
      seed: what the model's numbers were drawn after, if they were.

    Returns: every step's weights, gradients, slots and loss; and what `fit`, `evaluate`, `predict` give.
    """
    return _Recorder(network, path, data, batch_size, epochs).recording(name, seed)


class _Recorder:
    def __init__(
        self, network: Any, path: Any, data: Mapping[str, Any], batch_size: int, epochs: int
    ) -> None:
        self.network = network
        self.config = config_of(path)
        self.model, self.training = _description(path)
        self.dtype = network.dtype_policy.name if hasattr(network, "dtype_policy") else "float32"
        self.several = len(self.model.output_names) > 1
        self.arrays: dict[str, np.ndarray] = {}
        for key, value in data.items():
            each = value if isinstance(value, list | tuple) else [value]
            cast = {index: _cast(one, self.dtype) for index, one in enumerate(each) if one is not None}
            self.arrays |= {f"data/{key}/{i}" if len(each) > 1 else f"data/{key}": a for i, a in cast.items()}
        self.rows = KerasRows(self.model, Recording({}, self.arrays))
        self.batch_size, self.epochs = min(batch_size, self.rows.count), epochs
        self.schedule = make_schedule(self.rows.count, self.batch_size, epochs)
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
        weights = compiled.get("loss_weights")
        return {
            "name": name,
            "framework": FRAMEWORK,
            "dtype": self.dtype,
            "model": model,
            "loss": compiled.get("loss"),
            **({} if weights is None else {"loss_weights": weights}),
            "metrics": compiled.get("metrics"),
            "weighted_metrics": compiled.get("weighted_metrics"),
            "optimizer": compiled.get("optimizer"),
            "seed": seed,
            "random": self._seeds(),
            "batch_size": self.batch_size,
            "epochs": self.epochs,
        }

    def _seeds(self) -> dict[str, Any] | None:
        """The seeds of the layers that draw, in jaxgd's order, and how many steps they have drawn for."""
        states = [(_generator_state(layer), calls) for layer, calls in _in_order(self.network, self.model)]
        steps = [int(state[1]) // calls for state, calls in states if state is not None]
        if not steps:
            return None
        return {"seeds": [0 if state is None else int(state[0]) for state, _ in states], "draws": steps[0]}

    def _snapshot(self) -> list[tuple[Any, np.ndarray]]:
        variables = [*self.network.variables, *self.network.optimizer.variables]
        everything = self.network._flatten_layers()
        generators = [layer.seed_generator.state for layer in everything if _has_generator(layer)]
        return [(variable, _numpy(variable)) for variable in (*variables, *generators)]

    def _restore(self, snapshot: list[tuple[Any, np.ndarray]]) -> None:
        for variable, value in snapshot:
            variable.assign(value)

    def _run_steps(self) -> None:
        kinks = kinked_calls(self.model)
        self._note_variables()
        for rows in self.schedule:
            batch = self.rows.at(rows[rows >= 0])
            with _watching(self.network, self.model, kinks) as outputs, tf.GradientTape() as tape:
                loss = self._loss(batch)
                scaled = self.network.optimizer.scale_loss(loss)
            grads = tape.gradient(scaled, [each.value for each in self.network.trainable_weights])
            self.network.optimizer.apply(grads, self.network.trainable_weights)
            self._note_step(loss, grads, kinks, outputs)
        self.arrays |= {path: np.stack(values) for path, values in self.columns.items()}

    def _loss(self, batch: Mapping[str, Any]) -> Any:
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
        for place, output in outputs.items():
            sides = side_of_outputs(kinks[place], _numpy(output))
            short = self.batch_size - len(sides)
            self._note(f"masks/{place}", np.pad(sides, [(0, short)] + [(0, 0)] * (sides.ndim - 1)))
        self._note_variables()

    def _note_variables(self) -> None:
        for variable in self.network.weights:
            self._note(f"params/{self._paths()[id(variable)]}", _stored(variable))
        for place, variable in _slots(self.model, self.training.optimizer):
            self._note(f"state/{place}", _stored(self.network.optimizer.variables[variable]))

    def _paths(self) -> dict[int, str]:
        return {id(variable): path for path, variable in _named_weights(self.network)}

    def _note_layer_outputs(self) -> None:
        rows = self.schedule[0]
        every = [place for place, _ in places(self.model)]
        with _watching(self.network, self.model, every) as outputs:
            self.network(self.rows.at(rows[rows >= 0])["x"], training=False)
        of_places, layers = (
            dict(places(self.model)),
            dict(zip(self.model.names, self.model.layers, strict=True)),
        )
        for place, output in outputs.items():
            inner = getattr(layers[of_places[place]], "model", None)
            each = _listed(output, () if inner is None else inner.output_names)
            self.arrays |= {path: _numpy(one) for path, one in numbered(f"forward/{place}", each).items()}

    def _note_evaluation(self) -> None:
        rows = self.rows.at(slice(None))
        with _eagerly(self.network, self.several):
            found = self.network.evaluate(**rows, batch_size=self.batch_size, verbose=0, return_dict=True)
        self.arrays |= {
            f"evaluate/{column}": np.asarray(value, np.float64) for column, value in found.items()
        }
        each = _listed(self.network.predict(rows["x"], verbose=0), self.model.output_names)
        self.arrays |= {path: np.asarray(one) for path, one in numbered("predict", each).items()}

    def _note_fit(self) -> None:
        with _eagerly(self.network, self.several):
            history = self.network.fit(
                **self.rows.at(slice(None)),
                batch_size=self.batch_size, epochs=self.epochs, shuffle=False, verbose=0,
            ).history  # fmt: skip
        self.arrays |= {f"history/{column}": np.asarray(each, np.float64) for column, each in history.items()}
        paths = self._paths()
        self.arrays |= {f"fit/{paths[id(each)]}": _stored(each) for each in self.network.weights}


def _description(path: Any) -> tuple[Model, Any]:
    model, _, training = keras_files.load(path)
    if training is None:
        raise ValueError("the model is not compiled.")
    return model, training


def _named_weights(network: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """(path in jaxgd's parameters, variable); a nested model is one level deeper."""
    for layer in network.layers:
        if isinstance(layer, keras.Model):
            yield from _named_weights(layer, f"{prefix}{layer.name}/")
        else:
            yield from ((f"{prefix}{layer.name}/{variable.name}", variable) for variable in layer.weights)


def _in_order(network: Any, model: Model, calls: int = 1) -> Iterator[tuple[Any, int]]:
    """Keras's layers in the order of jaxgd's, and how often each is called in a step.

    Those of nested models stand in their place.
    """
    counts = Counter(name for _, name in places(model))
    for name, layer in zip(model.names, model.layers, strict=True):
        found, times = network.get_layer(name), calls * counts[name]
        if isinstance(layer, Nested):
            yield from _in_order(found, layer.model, times)
        else:
            yield found, times


def _listed(output: Any, names: Sequence[str]) -> list[Any]:
    """The outputs of a call as a list; those of a dict by their names."""
    if isinstance(output, Mapping):
        return [output[name] for name in names]
    return list(output) if isinstance(output, list | tuple) else [output]


@contextlib.contextmanager
def _eagerly(network: Any, several: bool) -> Iterator[None]:
    """Inside the block a model with several outputs runs eagerly.

    In the history of compiled steps, Keras weighs each output's loss in a short batch as that in a full one.
    """
    before = network.run_eagerly
    try:
        if several and not before:
            network.run_eagerly = True
            network.train_function = network.test_function = None
        yield
    finally:
        if several and not before:
            network.run_eagerly = before
            network.train_function = network.test_function = None


def _slots(model: Model, optimizer: Optimizer) -> list[tuple[str, int]]:
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
def _watching(network: Any, model: Model, wanted: Collection[str]) -> Iterator[dict[str, Any]]:
    """Inside the block, what the calls at the wanted places return is kept, {place: output}."""
    outputs: dict[str, Any] = {}
    of_layers: dict[str, list[str]] = {}
    for place, name in places(model):
        of_layers.setdefault(name, []).append(place)
    watched = [network.get_layer(name) for name, of in of_layers.items() if not set(wanted).isdisjoint(of)]
    for layer in watched:
        vars(layer)["call"] = _keeping(layer.call, iter(of_layers[layer.name]), outputs)
    try:
        yield outputs
    finally:
        for layer in watched:
            del vars(layer)["call"]


def _keeping(call: Any, of_calls: Iterator[str], outputs: dict[str, Any]) -> Any:
    @functools.wraps(call)
    def kept(*arguments: Any, **options: Any) -> Any:
        place = next(of_calls)
        outputs[place] = call(*arguments, **options)
        return outputs[place]

    return kept
