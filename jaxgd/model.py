"""Models that are a stack of layers: frozen, hashable descriptions, and the pure functions they stand for."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import jax
import jax.numpy as jnp

from jaxgd import layers
from jaxgd._checks import check_integer
from jaxgd._summary import summary_of
from jaxgd._types import Array, Params, Shape
from jaxgd.layers import Context, Layer
from jaxgd.model_base import PRECISIONS, Forward, Model, as_layers
from jaxgd.model_parts import activity_of, merge_statistics

__all__ = [
    "PRECISIONS",
    "Forward",
    "Model",
    "Sequential",
    "merge_statistics",
    "mlp",
    "sequential",
]


@dataclass(frozen=True, repr=False)
class Sequential(Model):
    """A stack of layers applied one after the other. Made by `sequential` and `mlp`.

    A pytree too: its leaves are the layers' scalars (dropout rates and the like), which a compiled
    program therefore takes as inputs.
    """

    layers: tuple[Layer, ...]
    input_shape: Shape
    dtype: str = "float32"
    precision: str = "highest"

    kind: ClassVar[str] = "sequential"
    class_name: ClassVar[str] = "Sequential"

    @property
    def shapes(self) -> tuple[Shape, ...]:
        """Shapes of one row before the first layer and after each."""
        shapes = [self.input_shape]
        for layer in self.layers:
            shapes.append(layer.output_shape(shapes[-1]))
        return tuple(shapes)

    @property
    def input_shapes(self) -> tuple[Shape, ...]:
        return (self.input_shape,)

    @property
    def input_names(self) -> tuple[str, ...]:
        return ("x",)

    @property
    def output_shapes(self) -> tuple[Shape, ...]:
        return (self.output_shape,)

    @property
    def layer_input_shapes(self) -> tuple[Shape, ...]:
        return self.shapes[:-1]

    @property
    def output_shape(self) -> Shape:
        """Shape of one row of the output."""
        return self.shapes[-1]

    @property
    def output_names(self) -> tuple[str, ...]:
        return (self.names[-1],)

    def inputs_of(self, x: Any) -> tuple[Any, ...]:
        return (x,)

    def like_outputs(self, y: Sequence[Any]) -> Any:
        return y[0]

    def run(
        self,
        params: Params,
        x: Any,
        *,
        training: bool = False,
        key: Any = None,
        row_mask: Array | None = None,
    ) -> Forward:
        """The forward pass with all that a training step wants to know; see `Forward`."""
        self.check_params(params)
        y = self.checked_input(x)
        logits, statistics, activity = None, {}, 0.0
        for name, layer, context in self.steps(training=training, key=key, row_mask=row_mask):
            output = layer.forward(params.get(name, {}), y, context)
            logits = logits if layer.keeps_values and output.y is y else output.logits
            y = output.y
            if output.statistics:
                statistics[name] = output.statistics
            activity = activity + activity_of(layer, output, row_mask)
        return Forward(y, logits, statistics, activity)

    def outputs(
        self, params: Params, x: Any, *, training: bool, key: Any, row_mask: Array | None = None
    ) -> Iterator[tuple[str, Any]]:
        """Each layer's name and output, first to last."""
        y = self.checked_input(x)
        for name, layer, context in self.steps(training=training, key=key, row_mask=row_mask):
            y = layer.forward(params.get(name, {}), y, context).y
            yield name, y

    def steps(
        self, *, training: bool, key: Any, row_mask: Array | None = None
    ) -> Iterator[tuple[str, Layer, Context]]:
        """Each layer with its name and what it is told, first to last."""
        for index, (name, layer) in enumerate(zip(self.names, self.layers, strict=True)):
            yield name, layer, self.context(index, training=training, key=key, row_mask=row_mask)

    def checked_input(self, x: Any) -> Array:
        """`x` in the compute dtype. Raises ValueError if its shape is not [batch, *input_shape]."""
        x = jnp.asarray(x)
        if x.shape[1:] != self.input_shape or x.ndim == 0:
            expected = ", ".join(("batch", *map(str, self.input_shape)))
            raise ValueError(f"x: expected shape [{expected}], got {list(x.shape)}.")
        return x.astype(self.policy.compute)

    def adapt(self, params: Params, x: Array) -> Params:
        """`params` in which every normalization layer standardises what `x` gives it."""
        adapted = dict(params)
        y = self.checked_input(x)
        for name, layer, context in self.steps(training=False, key=None):
            if isinstance(layer, layers.Normalization) and layer.mean is None:
                adapted[name] = layer.measure(y, self.policy.params)
            if isinstance(layer, layers.Nested) and name in params:
                adapted[name] = layer.model.adapt(params[name], y)
            y = layer.forward(adapted.get(name, {}), y, context).y
        return adapted

    def summary(self) -> str:
        """A table like Keras's: layer, output shape, parameters."""
        return summary_of(self, self.shapes[1:])

    def __repr__(self) -> str:
        size = self.input_shape[0] if len(self.input_shape) == 1 else self.input_shape
        settings = "".join(
            f", {name}={value!r}"
            for name, value, default in (
                ("dtype", self.dtype, "float32"),
                ("precision", self.precision, "highest"),
            )
            if value != default
        )
        return f"sequential([{', '.join(map(repr, self.layers))}], input_size={size!r}{settings})"


jax.tree_util.register_dataclass(
    Sequential, data_fields=["layers"], meta_fields=["input_shape", "dtype", "precision"]
)


def sequential(
    layers: Sequence[Any],
    input_size: int | Sequence[int],
    *,
    dtype: str = "float32",
    precision: str = "highest",
) -> Sequential:
    """A stack of layers.

    Args:
      layers: at least one, from `jaxgd.layers`; a model stands for itself as one layer.
      input_size: features of one row, or the shape of one row.
      dtype: "float32", "float64", "mixed_bfloat16" or "mixed_float16" (parameters stay float32).
      precision: of the matrix products, "highest", "high" or "default"; a GPU's or TPU's shorter
        products are used only if asked for.

    Raises:
      TypeError: something that is not a layer.
      ValueError: no layer, two of one name, an unknown dtype or precision.
    Keras: `Sequential`.
    >>> import jaxgd
    >>> jaxgd.sequential([jaxgd.layers.dense(10, "relu"), jaxgd.layers.dense(1)], input_size=5)
    sequential([dense(10, activation='relu'), dense(1)], input_size=5)
    """
    stack = as_layers(layers, dtype, precision)
    if not stack:
        raise ValueError("layers: expected at least one layer, got none.")
    for position, layer in enumerate(stack):
        if layer.several_inputs or layer.num_outputs > 1:
            raise ValueError(
                f"layers[{position}]: {layer!r} has several inputs or outputs; use jaxgd.graph for it."
            )
    sizes = input_size if isinstance(input_size, Sequence) else (input_size,)
    shape = tuple(check_integer("input_size", size, 1) for size in sizes)
    model = Sequential(stack, shape, dtype, precision)
    _ = model.names, model.shapes  # both raise for a stack that does not fit
    return model


def mlp(
    sizes: Sequence[int],
    activation: Any = "relu",
    output_activation: Any = None,
    *,
    dropout: float = 0.0,
    kernel_initializer: Any = "glorot_uniform",
    dtype: str = "float32",
    precision: str = "highest",
) -> Sequential:
    """A multilayer perceptron: dense layers of the given sizes.

    Args:
      sizes: features, then the width of each layer; at least two numbers.
      activation: of the hidden layers.
      output_activation: of the last layer; None is linear.
      dropout: rate of a dropout layer behind each hidden layer; 0 adds none.
      kernel_initializer: of every kernel.
      dtype, precision: see `sequential`.

    Raises:
      ValueError: fewer than two sizes, or a size below 1.
    >>> import jaxgd
    >>> jaxgd.mlp([5, 10, 1], activation="relu", output_activation="sigmoid")
    sequential([dense(10, activation='relu'), dense(1, activation='sigmoid')], input_size=5)
    """
    if len(sizes) < 2:
        raise ValueError(f"sizes: expected the features and at least one layer, got {list(sizes)!r}.")
    stack: list[Layer] = []
    for units in sizes[1:-1]:
        stack.append(layers.dense(units, activation, kernel_initializer=kernel_initializer))
        if dropout:
            stack.append(layers.dropout(dropout))
    stack.append(layers.dense(sizes[-1], output_activation, kernel_initializer=kernel_initializer))
    return sequential(stack, sizes[0], dtype=dtype, precision=precision)
