"""Small parts of the forward pass that every kind of model needs."""

from collections.abc import Mapping, Sequence
from typing import Any

from jaxgd._types import Array, Params
from jaxgd.layers import Layer, Output
from jaxgd.layers.base import count_rows
from jaxgd.losses._reduction import zero_padding


def activity_of(layer: Layer, output: Output, row_mask: Array | None) -> Array | float:
    """What the activity regularizers of a layer add to the loss."""
    rule = layer.output_regularizer()
    if rule is None:
        return output.activity
    y = zero_padding(output.y, row_mask)
    return rule(y) / count_rows(len(y), row_mask, y.dtype)


def merge_statistics(params: Params, statistics: Mapping[str, Any]) -> dict[str, Any]:
    """`params` with new values of some statistics, each kept in the parameter's dtype."""
    merged = dict(params)
    for name, value in statistics.items():
        old: Any = params[name]
        merged[name] = merge_statistics(old, value) if isinstance(value, Mapping) else value.astype(old.dtype)
    return merged


def layer_names(stack: Sequence[Layer]) -> tuple[str, ...]:
    """The layers' names: given, or numbered per kind as Keras does. Raises ValueError for one given twice."""
    counts: dict[str, int] = {}
    names = []
    for layer in stack:
        if layer.name is not None:
            names.append(layer.name)
            continue
        count = counts.get(layer.kind, 0)
        counts[layer.kind] = count + 1
        names.append(f"{layer.kind}_{count}" if count else layer.kind)
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"layers: expected distinct names, got {twice[0]!r} twice.")
    return tuple(names)
