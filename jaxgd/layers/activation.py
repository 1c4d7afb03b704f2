"""An activation that stands alone."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from jaxgd import activations
from jaxgd._types import Array, Shape
from jaxgd.layers.base import Context, Gradients, Layer, Output
from jaxgd.layers.dense import gives_logits


@dataclass(frozen=True, repr=False)
class ActivationLayer(Layer):
    """y = activation(x).

    Args:
      activation: a name, an `Activation` or a callable.

    Keras: `Activation`.
    >>> activation("tanh")
    activation('tanh')
    """

    activation: Any

    keeps_values: ClassVar[bool] = True

    def __post_init__(self) -> None:
        activations.get(self.activation)

    @property
    def kind(self) -> str:
        return "activation"

    @property
    def class_name(self) -> str:
        return "Activation"

    def output_shape(self, input_shape: Shape) -> Shape:
        return (*input_shape[:-1], activations.get(self.activation).output_size(input_shape[-1]))

    def pre_activation(self, params: Mapping[str, Array], x: Array, context: Context) -> Array:
        return x

    def forward(self, params: Mapping[str, Array], x: Array, context: Context) -> Output:
        rule = activations.get(self.activation)
        return Output(rule(x), logits=x if gives_logits(rule) else None)

    def backward(self, params: Mapping[str, Array], x: Array, upstream: Array, context: Context) -> Gradients:
        delta = activations.get(self.activation).backward(x, upstream)
        return self.backward_logits(params, x, delta, context)

    def backward_logits(
        self, params: Mapping[str, Array], x: Array, delta: Array, context: Context
    ) -> Gradients:
        return Gradients(delta, delta=delta)


activation = ActivationLayer
