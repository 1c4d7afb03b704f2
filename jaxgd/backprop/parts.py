"""What a trace consists of, and the chain rule through one layer with its regularizers."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp

from jaxgd._types import Array
from jaxgd.layers import Context, Gradients, Layer
from jaxgd.layers.base import count_rows
from jaxgd.losses._reduction import zero_padding
from jaxgd.model_parts import activity_of


@dataclass(frozen=True)
class LayerTrace:
    """What went through one layer, forward and backward.

    Attributes:
      name: the layer's name.
      layer: its description.
      x: its input, the activation of the layer before; a tuple for a layer of several inputs.
      z: its pre-activation; None for a layer without one.
      a: its output.
      upstream: dL/da; None where a cross-entropy goes straight to the logits.
      delta: dL/dz; None for a layer without a pre-activation.
      gradients: {leaf: dL/dleaf}, regularizers included.
      downstream: dL/dx, the upstream of the layer before; a tuple like x.
      node: the name of the call, which is the layer's own at its first call.
      inputs: the nodes, or inputs of the model, that x comes from.
    """

    name: str
    layer: Layer
    x: Any
    z: Array | None
    a: Any
    upstream: Any
    delta: Array | None
    gradients: Mapping[str, Any]
    downstream: Any
    node: str
    inputs: tuple[str, ...]


@dataclass(frozen=True)
class Trace:
    """A pass forward and backward.

    Attributes:
      layers: first to last, one for each call.
      y_pred: the output; a tuple of several.
      loss: the scalar that training minimises, regularizers included.
      gradients: {layer: {leaf: array}} like `params`; statistics have zeros.
    """

    layers: tuple[LayerTrace, ...]
    y_pred: Any
    loss: Array
    gradients: dict[str, Any]

    def __getitem__(self, name: str) -> LayerTrace:
        for layer in self.layers:
            if layer.node == name:
                return layer
        raise KeyError(name)


def through(
    layer: Layer,
    leaves: Mapping[str, Array],
    x: Any,
    y: Array,
    context: Context,
    row_mask: Any,
    upstream: Array,
    at_logits: bool,
) -> Gradients:
    """The chain rule through one call and its activity regularizer; at the logits `upstream` is dL/dz."""
    rule = layer.backward_logits if at_logits else layer.backward
    gradients = rule(leaves, x, upstream, context)
    regularizer = layer.output_regularizer()
    if regularizer is None:
        return gradients
    rows = count_rows(len(y), row_mask, y.dtype)
    penalty = zero_padding(regularizer.gradient(zero_padding(y, row_mask)) / rows, row_mask)
    return added(gradients, layer.backward(leaves, x, penalty, context))


def activity(visits: Iterable[Any], row_mask: Any) -> Array:
    """What the activity regularizers of all calls of layers add to the loss."""
    each = (activity_of(visit.layer, visit.output, row_mask) for visit in visits)
    return jnp.asarray(sum(each, start=jnp.zeros(())))


def added(first: Gradients, second: Gradients) -> Gradients:
    """The chain rule is linear in what comes from upstream."""
    both = {leaf: first.params[leaf] + second.params[leaf] for leaf in first.params}
    if first.delta is None or second.delta is None:
        return Gradients(first.x + second.x, both)
    return Gradients(first.x + second.x, both, first.delta + second.delta)


def regularized(layer: Layer, leaves: Mapping[str, Array], gradients: Gradients) -> Gradients:
    """In the parameters' dtype, the slopes of the weight regularizers added."""
    found = {leaf: value.astype(leaves[leaf].dtype) for leaf, value in gradients.params.items()}
    if layer.trainable:
        for leaf, rule in layer.weight_regularizers().items():
            found[leaf] = found[leaf] + rule.gradient(leaves[leaf])
    return gradients._replace(params=found)
