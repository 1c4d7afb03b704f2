"""One forward and one backward pass, laid open layer by layer.

Forward, for layer l = 1 ... L:   z_l = a_(l-1) W_l + b_l,   a_l = f_l(z_l)
Backward, from the last to the first:
    delta_L = dL/da_L * f_L'(z_L)          or, for a cross-entropy of logits, (f_L(z_L) - y) / rows
    delta_l = (delta_(l+1) W_(l+1)^T) * f_l'(z_l)
    dL/dW_l = a_(l-1)^T delta_l,    dL/db_l = sum over the rows of delta_l

The rules of the single layers stand beside their forward rules, in `jaxgd.layers`.

References: Rumelhart, Hinton and Williams (1986), "Learning representations by back-propagating errors".
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax.numpy as jnp

from jaxgd import losses
from jaxgd._types import Array, Params
from jaxgd.backprop.graph import trace_graph
from jaxgd.backprop.parts import LayerTrace, Trace, activity, regularized, through
from jaxgd.graphs import Graph, graph
from jaxgd.layers import Context, Gradients, Layer, Nested, Output
from jaxgd.model import Sequential

INPUT = "/x"
"""What the input of a stack of layers is called: no layer can have this name."""


class _Visit(NamedTuple):
    """A layer on the way forward."""

    name: str
    layer: Layer
    context: Context
    leaves: Mapping[str, Array]
    x: Array
    output: Output


def trace(
    model: Sequential | Graph,
    params: Params,
    x: Any,
    y: Any,
    loss: Any = "mean_squared_error",
    *,
    loss_weights: Sequence[float] | None = None,
    sample_weight: Any = None,
    row_mask: Any = None,
    training: bool = False,
    key: Any = None,
) -> Trace:
    """Forward and backward by the explicit chain rule, without automatic differentiation.

    What a nested model and a `dot` layer do inside is left to JAX.

    Args:
      model, params: the network.
      x: [batch, features]; y: its targets.
      loss: a name, a `losses.Loss` or a function; losses that jaxgd does not know are differentiated by
        JAX, all others by their own formula. Of a graph with several outputs x, y and loss have an entry
        for each; None is no loss.
      loss_weights: how much of each output's loss the total has; None is 1 each.
      sample_weight: float[batch]; row_mask: bool[batch], as in `make_objective`.
      training, key: as in `model.forward`.

    Returns: a `Trace`; its gradients equal `jax.grad` of the objective.
    Raises:
      ValueError: shapes that do not fit.
    >>> import jaxgd, jax.numpy as jnp
    >>> model = jaxgd.mlp([1, 1])
    >>> params = {"dense": {"kernel": jnp.array([[2.0]]), "bias": jnp.array([0.0])}}
    >>> one = trace(model, params, jnp.array([[3.0]]), jnp.array([[5.0]]))
    >>> float(one.loss), float(one["dense"].delta[0, 0]), float(one["dense"].gradients["kernel"][0, 0])
    (1.0, 2.0, 6.0)
    """
    weighting = {"sample_weight": sample_weight, "row_mask": row_mask}
    if isinstance(model, Sequential) and any(isinstance(layer, Nested) for layer in model.layers):
        model = _as_graph(model)
    if isinstance(model, Graph):
        more = {"loss_weights": loss_weights, "training": training, "key": key}
        return trace_graph(model, params, x, y, loss, **weighting, **more)
    if not isinstance(model, Sequential):
        raise TypeError(
            f"model: expected one of jaxgd's (mlp, sequential, graph), got {type(model).__name__}."
        )
    rule = losses.get(loss)
    visits = _forward(model, params, x, training, key, row_mask)
    wide = model.policy.params
    y_pred = visits[-1].output.y.astype(wide)
    logits_at = _logits_layer(visits) if rule.uses_logits else None
    logits = None if logits_at is None else _logits(visits, logits_at).astype(wide)
    value = rule(y, y_pred, logits=logits, **weighting)
    if logits is None or logits_at is None:
        upstream, start = rule.gradient(y, y_pred, **weighting), len(visits) - 1
    else:
        upstream, start = rule.gradient_logits(y, logits, **weighting), logits_at
    layers = _backward(visits, upstream.astype(model.policy.compute), start, logits is not None, row_mask)
    return Trace(
        layers=layers,
        y_pred=y_pred,
        loss=value + activity(visits, row_mask).astype(wide) + model.penalty(params),
        gradients=_gradients(params, layers),
    )


def _as_graph(model: Sequential) -> Graph:
    """The same layers under the same names: a graph knows the way through a model inside."""
    start = max((*model.names, "x"), key=len) + "_in"  # a name that no layer has
    pairs = zip(model.names, zip(model.layers, (start, *model.names), strict=False), strict=True)
    settings = {"dtype": model.dtype, "precision": model.precision}
    return graph({start: model.input_shapes[0]}, dict(pairs), model.names[-1], **settings)


def _forward(
    model: Sequential, params: Params, x: Any, training: bool, key: Any, row_mask: Any
) -> list[_Visit]:
    model.check_params(params)
    a = model.checked_input(x)
    visits = []
    for name, layer, context in model.steps(training=training, key=key, row_mask=row_mask):
        leaves = params.get(name, {})
        output = layer.forward(leaves, a, context)
        visits.append(_Visit(name, layer, context, leaves, a, output))
        a = output.y
    return visits


def _logits_layer(visits: list[_Visit]) -> int | None:
    """The layer whose logits a cross-entropy uses: the last that changed a value, if it has any."""
    for index in reversed(range(len(visits))):
        if not (visits[index].layer.keeps_values and visits[index].output.y is visits[index].x):
            return None if visits[index].output.logits is None else index
    return None


def _logits(visits: list[_Visit], index: int) -> Array:
    logits = visits[index].output.logits
    if logits is None:
        raise ValueError(f"{visits[index].name}: expected a layer with logits.")
    return logits


def _backward(
    visits: list[_Visit], upstream: Array, start: int, from_logits: bool, row_mask: Any
) -> tuple[LayerTrace, ...]:
    """The layers from `start` down, each handing dL/dx to the one before; identities behind it pass by."""
    names = (INPUT, *(visit.name for visit in visits))
    traces = [
        _layer_trace(visit, before, upstream, Gradients(upstream))
        for before, visit in zip(names[start + 1 :], visits[start + 1 :], strict=False)
    ]
    for index in range(start, -1, -1):
        visit = visits[index]
        at_logits = from_logits and index == start
        parts = (visit.layer, visit.leaves, visit.x, visit.output.y, visit.context, row_mask)
        gradients = regularized(visit.layer, visit.leaves, through(*parts, upstream, at_logits))
        traces.insert(0, _layer_trace(visit, names[index], None if at_logits else upstream, gradients))
        upstream = gradients.x
    return tuple(traces)


def _layer_trace(visit: _Visit, before: str, upstream: Array | None, gradients: Gradients) -> LayerTrace:
    return LayerTrace(
        name=visit.name,
        layer=visit.layer,
        x=visit.x,
        z=visit.layer.pre_activation(visit.leaves, visit.x, visit.context),
        a=visit.output.y,
        upstream=upstream,
        delta=gradients.delta,
        gradients=gradients.params,
        downstream=gradients.x,
        node=visit.name,
        inputs=(before,),
    )


def _gradients(params: Params, layers: tuple[LayerTrace, ...]) -> dict[str, dict[str, Array]]:
    """The layers' gradients in the order and shape of `params`."""
    of_layer = {layer.name: layer.gradients for layer in layers}
    return {
        name: {leaf: of_layer[name].get(leaf, jnp.zeros_like(value)) for leaf, value in leaves.items()}
        for name, leaves in params.items()
    }
