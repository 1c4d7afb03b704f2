"""Random architectures: Sequential and Functional models of every layer that jaxgd reads, drawn, compiled,
trained.

An architecture is a pure function of its number. Dropout and noise get seeds of their own, because Keras does
not write how often an unseeded layer has drawn.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np

ROWS, BATCH = 26, 8
"""The last batch of an epoch is short."""

_ACTIVATIONS = (
    "relu",
    "tanh",
    "sigmoid",
    "elu",
    "selu",
    "gelu",
    "softplus",
    "silu",
    "softsign",
    "linear",
    "softmax",
)
_MERGES = ("Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum", "Concatenate", "Dot")


@dataclass
class Architecture:
    """A compiled model and data for it.

    Attributes:
      number: what it was drawn from.
      model: of Keras, built and compiled, not trained.
      x, y: inputs and targets; lists or dicts where there are several.
      kinds: the words for the table: Functional, shared, nested, ...
    """

    number: int
    model: Any
    x: Any
    y: Any
    kinds: set[str] = field(default_factory=set)


def draw(number: int) -> Architecture:
    """The architecture of a number; every fourth is Sequential."""
    return _Drawer(number).architecture()


class _Drawer:
    """Draws the parts of one architecture."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.rng = np.random.default_rng(number)
        self.kinds: set[str] = set()
        self.names = 0
        keras.utils.set_random_seed(number)

    def chance(self, share: float) -> bool:
        return bool(self.rng.random() < share)

    def choose(self, options: Any) -> Any:
        return options[int(self.rng.integers(len(options)))]

    def size(self, low: int = 2, high: int = 7) -> int:
        return int(self.rng.integers(low, high))

    def architecture(self) -> Architecture:
        model, heads = self.sequential_model() if self.number % 4 == 0 else self.functional_model()
        y, settings = self.targets(model, heads)
        model.compile(optimizer=optimizer(self.rng), run_eagerly=True, **settings)
        arrays = [self.rng.normal(size=(ROWS, *each.shape[1:])) for each in model.inputs]
        x: Any = arrays if len(arrays) > 1 else arrays[0]
        if "dicts" in self.kinds:
            x = dict(zip(sorted(model.input), arrays, strict=True))
        return Architecture(self.number, model, x, y, self.kinds)

    # Layers

    def dense(self, units: int, **settings: Any) -> Any:
        if self.chance(0.2):
            settings["kernel_regularizer"] = keras.regularizers.L1L2(0.01, 0.02)
        if self.chance(0.1):
            settings["activity_regularizer"] = keras.regularizers.L2(0.01)
        if self.chance(0.1):
            settings["kernel_constraint"] = keras.constraints.MaxNorm(1.0)
        if self.chance(0.1):
            settings["bias_initializer"] = keras.initializers.RandomNormal(seed=self.number)
        settings.setdefault("use_bias", self.chance(0.85))
        settings.setdefault("trainable", self.chance(0.95))
        return keras.layers.Dense(units, **settings)

    def layer(self, shape: tuple[int, ...]) -> Any:
        """A layer that takes rows of this shape."""
        makers = {
            "dense": lambda: self.dense(self.size(), activation=self.choose(_ACTIVATIONS)),
            "activation": lambda: keras.layers.Activation(self.choose(_ACTIVATIONS)),
            "relu": lambda: keras.layers.ReLU(max_value=2.0, negative_slope=0.1, threshold=0.05),
            "leaky": lambda: keras.layers.LeakyReLU(negative_slope=0.15),
            "elu": lambda: keras.layers.ELU(alpha=0.7),
            "softmax": keras.layers.Softmax,
            "prelu": lambda: keras.layers.PReLU(alpha_initializer=keras.initializers.Constant(0.25)),
            "dropout": lambda: keras.layers.Dropout(0.25, seed=self.size(1, 99)),
            "noise": lambda: keras.layers.GaussianNoise(0.1, seed=self.size(1, 99)),
            "gaussian_dropout": lambda: keras.layers.GaussianDropout(0.2, seed=self.size(1, 99)),
            "alpha_dropout": lambda: keras.layers.AlphaDropout(0.2, seed=self.size(1, 99)),
            "batch_normalization": lambda: keras.layers.BatchNormalization(
                momentum=0.9, center=self.chance(0.8), scale=self.chance(0.8), trainable=self.chance(0.8)
            ),
            "layer_normalization": keras.layers.LayerNormalization,
            "rms_normalization": keras.layers.RMSNormalization,
            "unit_normalization": keras.layers.UnitNormalization,
            "normalization": lambda: self.normalization(shape),
            "rescaling": lambda: keras.layers.Rescaling(0.5, offset=0.25),
            "flatten": keras.layers.Flatten,
            "penalty": lambda: keras.layers.ActivityRegularization(l1=0.01, l2=0.02),
        }
        kind = self.choose(list(makers))
        self.kinds.add(kind)
        return makers[kind]()

    def normalization(self, shape: tuple[int, ...]) -> Any:
        if self.chance(0.5):
            return keras.layers.Normalization(mean=0.25, variance=2.0)
        layer = keras.layers.Normalization(invert=self.chance(0.2))
        layer.adapt(self.rng.normal(0.5, 2.0, size=(20, *shape)))
        return layer

    def stack(self, shape: tuple[int, ...], depth: int, nesting: int) -> list[Any]:
        """Layers one after the other."""
        found = []
        for _ in range(depth):
            nested = nesting > 0 and self.chance(0.2)
            each = self.nested(shape, nesting - 1) if nested else self.layer(shape)
            shape = tuple(each.compute_output_shape((None, *shape))[1:])
            found.append(each)
        return found

    def nested(self, shape: tuple[int, ...], nesting: int) -> Any:
        """A model that is used as a layer."""
        if self.chance(0.5):
            self.kinds.add("nested Sequential")
            return keras.Sequential([keras.Input(shape), *self.stack(shape, self.size(1, 4), nesting)])
        self.kinds.add("nested Functional")
        start = keras.Input(shape)
        tensor = start
        for each in self.stack(shape, self.size(1, 4), nesting):
            tensor = each(tensor)
        if tensor is start:
            tensor = keras.layers.Activation("tanh")(tensor)
        return keras.Model(start, tensor)

    # Models

    def input_shape(self) -> tuple[int, ...]:
        return (self.size(2, 4), self.size(2, 4)) if self.chance(0.15) else (self.size(3, 7),)

    def sequential_model(self) -> tuple[Any, list[str]]:
        self.kinds.add("Sequential")
        shape = self.input_shape()
        body = self.stack(shape, self.size(1, 6), 2)
        model = keras.Sequential([keras.Input(shape), *body, keras.layers.Flatten()])
        head, layers = self.head()
        for layer in layers:
            model.add(layer)
        return model, [head]

    def functional_model(self) -> tuple[Any, list[str]]:
        self.kinds.add("Functional")
        names = ["left", "right", "third"][: self.size(1, 4)]
        inputs = [keras.Input(self.input_shape(), name=name) for name in names]
        pool, used = list(inputs), []
        for _ in range(self.size(2, 8)):
            tensor = self.choose(pool)
            used.append(tensor)
            pool.append(self.step(tensor, pool, used))
        loose = [tensor for tensor in pool if not any(tensor is each for each in used)]
        rows = [tensor if len(tensor.shape) == 2 else keras.layers.Flatten()(tensor) for tensor in loose]
        joined = rows[0] if len(rows) == 1 else keras.layers.Concatenate()(rows)
        heads, outputs = [], []
        for index in range(self.size(1, 4)):
            head, layers = self.head(f"head{index}")
            tensor = joined
            for layer in layers:
                tensor = layer(tensor)
            heads.append(head)
            outputs.append(tensor)
        if len(inputs) > 1:
            self.kinds.add("several inputs")
        if len(outputs) > 1:
            self.kinds.add("several outputs")
        return self.formed_model(names, inputs, outputs), heads

    def formed_model(self, names: list[str], inputs: list[Any], outputs: list[Any]) -> Any:
        start: Any = inputs if len(inputs) > 1 else inputs[0]
        end: Any = outputs if len(outputs) > 1 else outputs[0]
        if self.chance(0.2):
            self.kinds.add("dicts")
            start = dict(zip(names, inputs, strict=True))
            end = {f"out{index}": tensor for index, tensor in enumerate(outputs)} if len(outputs) > 1 else end
        return keras.Model(start, end)

    def step(self, tensor: Any, pool: list[Any], used: list[Any]) -> Any:
        """One more tensor: a layer, a shared layer, a merge or a model on what is there."""
        kind = self.choose(("layer", "layer", "layer", "shared", "merge", "merge", "model", "shared model"))
        shape = tuple(tensor.shape[1:])
        if kind == "merge":
            return self.merge(tensor, pool, used)
        if kind in ("model", "shared model"):
            model = self.nested(shape, 1)
            first = model(tensor)
            return first if kind == "model" else self.again(model, first, shape, pool, used)
        layer = self.layer(shape)
        first = layer(tensor)
        return first if kind == "layer" else self.again(layer, first, shape, pool, used)

    def again(self, layer: Any, first: Any, shape: tuple[int, ...], pool: list[Any], used: list[Any]) -> Any:
        """The layer once more, on another tensor of the same shape, and both results added."""
        others = [tensor for tensor in pool if tuple(tensor.shape[1:]) == shape]
        other = self.choose(others)
        used.append(other)
        self.kinds.add("shared")
        return keras.layers.Add()([first, layer(other)])

    def merge(self, tensor: Any, pool: list[Any], used: list[Any]) -> Any:
        """Two tensors in one, brought to one shape by dense layers where they must be."""
        others = [each for each in pool if each is not tensor]
        other = self.choose(others or pool)
        used.append(other)
        kind = self.choose(_MERGES)
        self.kinds.add(kind)
        both = [t if len(t.shape) == 2 else keras.layers.Flatten()(t) for t in (tensor, other)]
        if kind == "Concatenate":
            return keras.layers.Concatenate()(both)
        if both[0].shape != both[1].shape or self.chance(0.3):
            width = self.size()
            both = [self.dense(width)(each) for each in both]
        if kind == "Dot":
            return keras.layers.Dot(axes=self.choose((1, -1)), normalize=self.chance(0.5))(both)
        if kind not in ("Subtract",) and self.chance(0.3):
            both.append(both[0])
        return getattr(keras.layers, kind)()(both)

    def head(self, name: str | None = None) -> tuple[str, list[Any]]:
        """What an output stands for, and its layers."""
        head = self.choose(("regression", "binary", "classes"))
        units = {"regression": self.size(1, 4), "binary": 1, "classes": 3}[head]
        activation = {"regression": None, "binary": "sigmoid", "classes": "softmax"}[head]
        if activation and self.chance(0.3):
            return head, [self.dense(units, trainable=True), keras.layers.Activation(activation, name=name)]
        return head, [self.dense(units, trainable=True, activation=activation, name=name)]

    # Targets

    def targets(self, model: Any, heads: list[str]) -> tuple[Any, dict[str, Any]]:
        made = [
            self.target(head, tensor.shape[-1]) for head, tensor in zip(heads, model.outputs, strict=True)
        ]
        y, losses, metrics = ([one[place] for one in made] for place in range(3))
        if len(heads) == 1:
            return y[0], {"loss": losses[0], "metrics": metrics[0]}
        settings: dict[str, Any] = {"loss": losses, "metrics": metrics}
        if self.chance(0.5):
            settings["loss_weights"] = [float(self.rng.uniform(0.2, 2.0)) for _ in heads]
        by_name = "dicts" in self.kinds
        names = sorted(model.output) if by_name else model.output_names
        if by_name or self.chance(0.3):
            settings = {key: dict(zip(names, value, strict=True)) for key, value in settings.items()}
        return (dict(zip(names, y, strict=True)) if by_name else y), settings

    def target(self, head: str, width: int) -> tuple[np.ndarray, Any, list[Any]]:
        if head == "regression":
            loss = self.choose(
                ("mean_squared_error", "mean_absolute_error", keras.losses.Huber(), "log_cosh")
            )
            return self.rng.normal(size=(ROWS, width)), loss, ["mae"]
        if head == "binary":
            loss = self.choose(("binary_crossentropy", keras.losses.BinaryFocalCrossentropy(gamma=1.5)))
            return self.rng.integers(0, 2, size=(ROWS, 1)), loss, ["accuracy", keras.metrics.AUC(name="auc")]
        if self.chance(0.5):
            labels = self.rng.integers(0, width, size=ROWS)
            return labels, "sparse_categorical_crossentropy", ["accuracy"]
        one_hot = np.eye(width)[self.rng.integers(0, width, size=ROWS)]
        return one_hot, keras.losses.CategoricalCrossentropy(label_smoothing=0.1), ["accuracy"]


_OPTIMIZERS: tuple[Callable[[], Any], ...] = (
    lambda: keras.optimizers.SGD(0.05),
    lambda: keras.optimizers.SGD(0.02, momentum=0.9, nesterov=True, clipnorm=1.0),
    lambda: keras.optimizers.RMSprop(0.01, momentum=0.5, centered=True),
    lambda: keras.optimizers.Adam(0.01, global_clipnorm=2.0),
    lambda: keras.optimizers.Adam(0.01, amsgrad=True),
    lambda: keras.optimizers.AdamW(0.01, use_ema=True),
    lambda: keras.optimizers.Adagrad(0.05),
    lambda: keras.optimizers.Adadelta(0.5),
    lambda: keras.optimizers.Adamax(0.01),
    lambda: keras.optimizers.Nadam(0.01),
    lambda: keras.optimizers.Adam(keras.optimizers.schedules.ExponentialDecay(0.02, 5, 0.9)),
)


def optimizer(rng: np.random.Generator) -> Any:
    """One of Keras's optimizers.

    Not among them are those that make a large step of a gradient that is zero but for rounding (Lion, Lamb,
    Adafactor, Muon): random networks have such gradients, as that of a scale behind a constant. Nor Ftrl,
    whose first step sets all weights anew. `test_keras_files_keras.py` has the round trips of all.
    """
    return _OPTIMIZERS[int(rng.integers(len(_OPTIMIZERS)))]()
