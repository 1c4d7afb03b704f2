"""The dense layer: an affine map and an activation, and the chain rule through both."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp

from jaxgd import activations, constraints, initializers, regularizers
from jaxgd._checks import check_integer
from jaxgd._types import Array, Shape
from jaxgd.layers._product import product
from jaxgd.layers.base import Context, Gradients, Layer, Output

LOGITS_ACTIVATIONS = ("sigmoid", "softmax")
"""The activations whose input Keras's cross-entropies use in place of their output."""


@dataclass(frozen=True, repr=False)
class Dense(Layer):
    """y = activation(x @ kernel + bias).

    Args:
      units: width of the output, at least 1.
      activation: a name, an `Activation`, or a callable; None is linear.
      use_bias: whether a bias is added.
      kernel_initializer, bias_initializer: a name or an initializer.
      kernel_regularizer, bias_regularizer, activity_regularizer: a name, a regularizer or None. The
        activity regularizer is divided by the number of rows, as in Keras.
      kernel_constraint, bias_constraint: a name, a constraint or None.
      name: the layer's name in `params`; None numbers it as Keras does.
      trainable: False keeps its parameters as they are.

    Parameters: `kernel` [fan_in, units] and `bias` [units].
    Raises:
      ValueError: units below 1, an unknown name, or an input of rank 1.
    Keras: `Dense`.
    >>> dense(10, "relu")
    dense(10, activation='relu')
    """

    units: int
    activation: Any = None
    use_bias: bool = True
    kernel_initializer: Any = "glorot_uniform"
    bias_initializer: Any = "zeros"
    kernel_regularizer: Any = None
    bias_regularizer: Any = None
    activity_regularizer: Any = None
    kernel_constraint: Any = None
    bias_constraint: Any = None

    def __post_init__(self) -> None:
        check_integer("units", self.units, 1)
        activations.get(self.activation)
        initializers.get(self.kernel_initializer)
        initializers.get(self.bias_initializer)
        for each in (self.kernel_regularizer, self.bias_regularizer, self.activity_regularizer):
            regularizers.get(each)
        for each in (self.kernel_constraint, self.bias_constraint):
            constraints.get(each)

    def output_shape(self, input_shape: Shape) -> Shape:
        if not input_shape:
            raise ValueError("dense: expected an input of rank 2 or more, got rank 1 (no feature axis).")
        return (*input_shape[:-1], activations.get(self.activation).output_size(self.units))

    def draws(self) -> tuple[str, ...]:
        leaves = {"kernel": self.kernel_initializer, "bias": self.bias_initializer}  # also of a bias not used
        return tuple(leaf for leaf, init in leaves.items() if initializers.is_random(initializers.get(init)))

    def init(self, sources: Mapping[str, Any], input_shape: Shape, dtype: Any) -> dict[str, Array]:
        kernel_shape = (input_shape[-1], self.units)
        kernel_init = initializers.get(self.kernel_initializer)
        leaves = {"kernel": kernel_init(sources.get("kernel"), kernel_shape, dtype)}
        if self.use_bias:
            bias_init = initializers.get(self.bias_initializer)
            leaves["bias"] = bias_init(sources.get("bias"), (self.units,), dtype)
        return leaves

    def pre_activation(self, params: Mapping[str, Array], x: Array, context: Context) -> Array:
        """z = x @ kernel + bias, in the compute dtype."""
        kernel = params["kernel"].astype(context.compute_dtype)
        z = product(x, kernel, context.precision)
        return z + params["bias"].astype(context.compute_dtype) if self.use_bias else z

    def forward(self, params: Mapping[str, Array], x: Array, context: Context) -> Output:
        activation = activations.get(self.activation)
        z = self.pre_activation(params, x, context)
        return Output(activation(z), logits=z if gives_logits(activation) else None)

    def backward(self, params: Mapping[str, Array], x: Array, upstream: Array, context: Context) -> Gradients:
        z = self.pre_activation(params, x, context)
        delta = activations.get(self.activation).backward(z, upstream)  # dL/dz = dL/da * f'(z)
        return self.backward_logits(params, x, delta, context)

    def backward_logits(
        self, params: Mapping[str, Array], x: Array, delta: Array, context: Context
    ) -> Gradients:
        """What flows into the weights, and what flows on."""
        kernel = params["kernel"].astype(context.compute_dtype)
        rows = x.reshape(-1, x.shape[-1])
        deltas = delta.reshape(-1, delta.shape[-1])
        grads = {"kernel": jnp.dot(rows.T, deltas, precision=context.precision)}  # dL/dW = a^T delta
        if self.use_bias:
            grads["bias"] = deltas.sum(axis=0)  # dL/db = sum over the rows
        passed_on = jnp.dot(delta, kernel.T, precision=context.precision)  # dL/da = delta W^T
        return Gradients(passed_on, grads, delta)

    def weight_regularizers(self) -> dict[str, Any]:
        both = {"kernel": self.kernel_regularizer, "bias": self.bias_regularizer}
        return {leaf: regularizers.get(each) for leaf, each in both.items() if each is not None}

    def output_regularizer(self) -> Any:
        return regularizers.get(self.activity_regularizer)

    def constraints(self) -> dict[str, Any]:
        both = {"kernel": self.kernel_constraint, "bias": self.bias_constraint}
        return {leaf: constraints.get(each) for leaf, each in both.items() if each is not None}


def gives_logits(activation: activations.Activation) -> bool:
    """Whether Keras remembers this activation's input for the cross-entropies."""
    last_axis = dict(activation.options).get("axis", -1) == -1
    return activation.name in LOGITS_ACTIVATIONS and last_axis


dense = Dense
