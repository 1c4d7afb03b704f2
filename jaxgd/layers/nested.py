"""A model that is a layer of another model."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from jaxgd._types import Array
from jaxgd.layers.base import Context, Layer, Output


@dataclass(frozen=True, repr=False)
class Nested(Layer):
    """A model as one layer; its parameters stand one level deeper, under the layer's name.

    `sequential` and `graph` wrap a bare model by themselves; `nested` gives it a name, or freezes it.

    Args:
      model: from `mlp`, `sequential`, `graph` or `load`.
      trainable: False keeps all its parameters, and its batch normalizations use their moving statistics,
        as in Keras.

    Keras: a model called as a layer.
    >>> import jaxgd
    >>> encoder = jaxgd.mlp([8, 4, 2], output_activation="relu")
    >>> model = jaxgd.sequential([nested(encoder, name="encoder"), jaxgd.layers.dense(1)], input_size=8)
    >>> sorted(model.init(0)["encoder"])
    ['dense', 'dense_1']
    """

    model: Any

    scalars: ClassVar[tuple[str, ...]] = ("model",)
    keeps_values: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if not hasattr(self.model, "layer_input_shapes"):
            raise TypeError(f"nested: expected a model, got {self.model!r} ({type(self.model).__name__}).")
        if not self.trainable:
            frozen = tuple(replace(layer, trainable=False) for layer in self.model.layers)
            object.__setattr__(self, "model", replace(self.model, layers=frozen))

    @property
    def kind(self) -> str:
        return self.model.kind

    @property
    def class_name(self) -> str:
        return self.model.class_name

    @property
    def several_inputs(self) -> bool:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Whether the model has several inputs."""
        return len(self.model.input_shapes) > 1

    def output_shape(self, input_shape: Any) -> Any:
        expected = self.model.input_shapes
        got = tuple(input_shape) if self.several_inputs else (input_shape,)
        if got != expected:
            listed = [[[None, *shape] for shape in shapes] for shapes in (expected, got)]
            raise ValueError(f"nested: expected inputs of shapes {listed[0]}, got {listed[1]}.")
        shapes = self.model.output_shapes
        return shapes if len(shapes) > 1 else shapes[0]

    @property
    def num_outputs(self) -> int:
        return len(self.model.output_shapes)

    def draws(self) -> tuple[str, ...]:
        pairs = zip(self.model.names, self.model.layers, strict=True)
        return tuple(f"{name}/{leaf}" for name, layer in pairs for leaf in layer.draws())

    def generator_seeds(self, drawn: Sequence[int]) -> list[int]:
        left, seeds = list(drawn), []
        for layer in self.model.layers:
            count = len(layer.draws())
            seeds += layer.generator_seeds(left[:count])
            left = left[count:]
        return seeds

    @property
    def num_generators(self) -> int:
        return sum(layer.num_generators for layer in self.model.layers)

    def init(self, sources: Mapping[str, Any], input_shape: Any, dtype: Any) -> dict[str, Any]:
        pairs = zip(self.model.names, self.model.layers, strict=True)
        return self.model.init_from(
            [{leaf: sources[f"{name}/{leaf}"] for leaf in layer.draws()} for name, layer in pairs]
        )

    def forward(self, params: Mapping[str, Any], x: Any, context: Context) -> Output:
        result = self.model.run(
            params, x, training=context.training, key=context.source, row_mask=context.row_mask
        )
        return Output(result.y, result.statistics, result.logits, result.activity)

    def penalties(self, params: Mapping[str, Any]) -> list[Array]:
        pairs = zip(self.model.names, self.model.layers, strict=True)
        return [
            value
            for name, layer in pairs
            for value in (layer.penalties(params.get(name, {})) if layer.trainable else ())
        ]

    def constrain(self, params: Mapping[str, Any]) -> Mapping[str, Any]:
        return self.model.constrain(params)

    @property
    def has_constraints(self) -> bool:
        return self.model.has_constraints

    def trained(self, mask: Mapping[str, Any]) -> Any:
        layers = dict(zip(self.model.names, self.model.layers, strict=True))
        return {name: layers[name].trained(leaves) for name, leaves in mask.items()}

    def __repr__(self) -> str:
        settings = "" if self.name is None else f", name={self.name!r}"
        settings += "" if self.trainable else ", trainable=False"
        return f"nested({self.model!r}{settings})" if settings else repr(self.model)


nested = Nested
