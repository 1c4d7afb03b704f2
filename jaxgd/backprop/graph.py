"""A pass forward and backward through a graph: where a tensor is taken several times, its slopes add up.

    dL/da = sum over the calls that take a of dL/dx of each

A nested model is one call here, and what happens inside it is left to `jax.vjp`.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from jaxgd import losses
from jaxgd._statistics import trainable_mask
from jaxgd._types import Array, Params
from jaxgd.backprop.parts import LayerTrace, Trace, activity, added, regularized, through
from jaxgd.graphs import Graph
from jaxgd.graphs.model import Visit
from jaxgd.graphs.parts import Ref
from jaxgd.layers import Gradients, Nested


def trace_graph(
    model: Graph,
    params: Params,
    x: Any,
    y: Any,
    loss: Any,
    *,
    loss_weights: Sequence[float] | None = None,
    sample_weight: Any = None,
    row_mask: Any = None,
    training: bool = False,
    key: Any = None,
) -> Trace:
    """`backprop.trace` of a graph; `y` and `loss` have an entry for each output if there are several."""
    model.check_params(params)
    visits = list(model.visits(params, x, training=training, key=key, row_mask=row_mask))
    heads = _Heads(
        model, visits, y, loss, loss_weights, {"sample_weight": sample_weight, "row_mask": row_mask}
    )
    slopes, layers, seen = _Slopes(heads.upstream), [], set(_first_calls(visits))
    for visit in reversed(visits):
        delta = heads.at_logits.get(visit.value)
        gradients = _through(visit, slopes, delta, row_mask, visit.value in seen)
        if delta is not None or slopes.reach(visit):
            slopes.hand_back(model.calls[visit.value - len(model.inputs)].inputs, gradients.x)
        layers.insert(0, _layer_trace(model, visit, slopes, gradients))
    wide = model.policy.params
    outputs = [each.y.astype(wide) for each in heads.results]
    return Trace(
        layers=tuple(layers),
        y_pred=tuple(outputs) if len(outputs) > 1 else outputs[0],
        loss=heads.loss + activity(visits, row_mask).astype(wide) + model.penalty(params),
        gradients=_gradients(params, layers),
    )


def _first_calls(visits: Sequence[Visit]) -> list[int]:
    """Of each layer the call that comes first: there its regularizers' slopes are added, once."""
    first: dict[str, int] = {}
    for visit in visits:
        first.setdefault(visit.name, visit.value)
    return list(first.values())


class _Heads:
    """The losses: their sum, and where each one's slope enters the graph.

    `upstream` has dL/da of tensors; `at_logits` dL/dz of calls, where a cross-entropy goes to the logits.
    """

    def __init__(
        self, model: Graph, visits: Sequence[Visit], y: Any, loss: Any, loss_weights: Any, weighting: Any
    ) -> None:
        self.by_value = {visit.value: visit for visit in visits}
        self.model = model
        self.results = [self._value(result.ref) for result in model.results]
        count = len(self.results)
        each = (
            [y] if count == 1 else list(y),
            [loss] if count == 1 else list(loss),
            [1.0] * count if loss_weights is None else list(loss_weights),
        )
        self.upstream: dict[Ref, Array] = {}
        self.at_logits: dict[int, Array] = {}
        self.loss: Array = jnp.zeros((), model.policy.params)
        for place, (target, rule, weight) in enumerate(zip(*each, strict=True)):
            if rule is not None:
                self._add(place, target, losses.get(rule), weight, weighting)

    def _value(self, ref: Ref) -> Any:
        return self.by_value[ref.value].given[ref.output]

    def _add(
        self, place: int, y: Any, rule: losses.Loss, weight: float, weighting: Mapping[str, Any]
    ) -> None:
        ref, value = self.model.results[place].ref, self.results[place]
        wide, narrow = self.model.policy.params, self.model.policy.compute
        logits = value.logits.astype(wide) if rule.uses_logits and value.logits is not None else None
        y_pred = value.y.astype(wide)
        self.loss = self.loss + weight * rule(y, y_pred, logits=logits, **weighting)
        if logits is None:
            slope = (weight * rule.gradient(y, y_pred, **weighting)).astype(narrow)
            self.upstream[ref] = self.upstream[ref] + slope if ref in self.upstream else slope
            return
        slope = (weight * rule.gradient_logits(y, logits, **weighting)).astype(narrow)
        call = self._call_of_logits(ref)
        self.at_logits[call] = self.at_logits[call] + slope if call in self.at_logits else slope

    def _call_of_logits(self, ref: Ref) -> int:
        """The call whose logits these are: layers that changed nothing are passed by."""
        visit = self.by_value[ref.value]
        while visit.layer.keeps_values and visit.output.y is visit.x:
            (ref,) = self.model.calls[visit.value - len(self.model.inputs)].inputs
            visit = self.by_value[ref.value]
        return visit.value


class _Slopes:
    """dL/da of every tensor, as far as it is known on the way back."""

    def __init__(self, start: Mapping[Ref, Array]) -> None:
        self.known = dict(start)

    def of(self, visit: Visit) -> list[Array | None]:
        """Of each output of a call; None where nothing flows back."""
        return [self.known.get(Ref(visit.value, output)) for output in range(len(visit.given))]

    def reach(self, visit: Visit) -> bool:
        """Whether anything flows back to a call: a loss's slope, or its own regularizer's."""
        regularized = visit.layer.output_regularizer() is not None or isinstance(visit.layer, Nested)
        return regularized or any(each is not None for each in self.of(visit))

    def hand_back(self, refs: Sequence[Ref], slopes: Any) -> None:
        """What a call passes on to the tensors it took."""
        for ref, slope in zip(refs, slopes if isinstance(slopes, tuple) else (slopes,), strict=True):
            self.known[ref] = self.known[ref] + slope if ref in self.known else slope


def _through(visit: Visit, slopes: _Slopes, delta: Array | None, row_mask: Any, is_first: bool) -> Gradients:
    """The chain rule through a call, from what flows back to its outputs and to its logits."""
    if isinstance(visit.layer, Nested):
        return _through_nested(visit, slopes.of(visit), delta, is_first)
    (upstream,) = slopes.of(visit)
    parts = (visit.layer, visit.leaves, visit.x, visit.output.y, visit.context, row_mask)
    if delta is None:
        zeros = jnp.zeros_like(visit.output.y)
        found = through(*parts, zeros if upstream is None else upstream, False)
    else:
        found = through(*parts, delta, True)
        if upstream is not None:
            found = added(found, visit.layer.backward(visit.leaves, visit.x, upstream, visit.context))
    return regularized(visit.layer, visit.leaves, found) if is_first else found


def _through_nested(
    visit: Visit, upstream: Sequence[Array | None], delta: Array | None, is_first: bool
) -> Gradients:
    """By `jax.vjp`, what its regularizers add to the loss included."""
    layer: Any = visit.layer

    def forward(leaves: Any, x: Any) -> tuple[Any, Any, Array]:
        output = layer.forward(leaves, x, visit.context)
        penalty = sum(layer.penalties(leaves), start=jnp.zeros(())) if is_first and layer.trainable else 0.0
        return output.y, output.logits, jnp.asarray(output.activity + penalty)

    (y, logits, extra), pull = jax.vjp(forward, dict(visit.leaves), visit.x)
    several = isinstance(y, tuple)
    slopes = [
        jnp.zeros_like(each) if slope is None else slope
        for each, slope in zip(y if several else (y,), upstream, strict=True)
    ]
    at_logits = jax.tree.map(jnp.zeros_like, logits) if delta is None else delta
    leaves, passed_on = pull((tuple(slopes) if several else slopes[0], at_logits, jnp.ones_like(extra)))
    mask = layer.trained(trainable_mask(leaves))
    leaves = jax.tree.map(lambda moves, slope: slope if moves else jnp.zeros_like(slope), mask, leaves)
    return Gradients(passed_on, leaves)


def _layer_trace(model: Graph, visit: Visit, slopes: _Slopes, gradients: Gradients) -> LayerTrace:
    call = model.calls[visit.value - len(model.inputs)]
    upstream = slopes.of(visit)
    z = None
    if not visit.layer.several_inputs and not isinstance(visit.layer, Nested):
        z = visit.layer.pre_activation(visit.leaves, visit.x, visit.context)
    return LayerTrace(
        name=visit.name,
        layer=visit.layer,
        x=visit.x,
        z=z,
        a=visit.output.y,
        upstream=upstream[0] if len(upstream) == 1 else upstream,
        delta=gradients.delta,
        gradients=gradients.params,
        downstream=gradients.x,
        node=call.name,
        inputs=tuple(map(model.reference, call.inputs)),
    )


def _gradients(params: Params, layers: Sequence[LayerTrace]) -> dict[str, Any]:
    """The sum over each layer's calls, in the order and shape of `params`."""
    total: dict[str, Any] = {name: jax.tree.map(jnp.zeros_like, leaves) for name, leaves in params.items()}
    for each in layers:
        for leaf, slope in each.gradients.items():
            total[each.name][leaf] = jax.tree.map(
                lambda old, new: old + new.astype(old.dtype), total[each.name][leaf], slope
            )
    return total
