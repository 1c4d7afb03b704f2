"""The calls of a model one after another: a stack's layers, or a graph's calls in Keras's order.

A layer that is called once is known by its name; the calls of one that is used again are numbered.
"""

from collections import Counter
from collections.abc import Iterator
from typing import Any, NamedTuple

from jaxgd._types import Array, Params
from jaxgd.graphs import Graph
from jaxgd.layers import Context, Layer
from jaxgd.model import Sequential
from jaxgd.model_base import Model


class Call(NamedTuple):
    """One call of a layer.

    Attributes:
      place: the layer's name, or `name/number` if it is called more than once.
      name, layer: of the layer.
      x, y: what it took and gave: an array, or a tuple of several.
      context: what it was told.
    """

    place: str
    name: str
    layer: Layer
    x: Any
    y: Any
    context: Context


def places(model: Model) -> list[tuple[str, str]]:
    """(place, the layer's name) of every call, in the order in which they run."""
    names = list(model.names)
    if isinstance(model, Graph):
        names = [names[model.calls[number].layer] for number in model.order.calls]
    total, done, found = Counter(names), Counter[str](), []
    for name in names:
        found.append((name if total[name] == 1 else f"{name}/{done[name]}", name))
        done[name] += 1
    return found


def caller(model: Model, place: str) -> str | None:
    """The layer whose output the call at `place` takes first; None for an input of the model."""
    names = [name for _, name in places(model)]
    number = [each for each, _ in places(model)].index(place)
    if not isinstance(model, Graph):
        return names[number - 1] if number else None
    value = model.calls[model.order.calls[number]].inputs[0].value - len(model.inputs)
    return None if value < 0 else model.names[model.calls[value].layer]


def walk(
    model: Model, params: Params, x: Any, *, training: bool, key: Any, row_mask: Array | None = None
) -> Iterator[Call]:
    """Each call of a forward pass.

    Args: as of `model.run`.
    """
    told: dict[str, Any] = {"training": training, "key": key, "row_mask": row_mask}
    if isinstance(model, Graph):
        visits = model.visits(params, x, **told)
        steps = ((v.name, v.layer, v.x, v.output.y, v.context) for v in visits)
    elif isinstance(model, Sequential):
        steps = _stack(model, params, x, told)
    else:
        raise TypeError(f"model: expected a Sequential or a Graph, got {type(model).__name__}.")
    for (place, _), (name, layer, given, y, context) in zip(places(model), steps, strict=True):
        yield Call(place, name, layer, given, y, context)


def _stack(model: Sequential, params: Params, x: Any, told: dict[str, Any]) -> Iterator[tuple[Any, ...]]:
    given = model.checked_input(x)
    for name, layer, context in model.steps(**told):
        y = layer.forward(params.get(name, {}), given, context).y
        yield name, layer, given, y, context
        given = y
