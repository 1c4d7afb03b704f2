"""`graph`: from names to a `Graph`."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from jaxgd._checks import check_integer, unknown_name, wrong
from jaxgd._types import Shape
from jaxgd.graphs.model import Graph
from jaxgd.graphs.parts import Call, Input, Ref, Result
from jaxgd.graphs.sharing import check_shared
from jaxgd.layers import Layer, Nested
from jaxgd.model_base import as_layers


def graph(
    inputs: Mapping[str, Any],
    nodes: Mapping[str, tuple[Any, Any]],
    outputs: Any,
    *,
    dtype: str = "float32",
    precision: str = "highest",
) -> Graph:
    """Layers connected freely: several inputs and outputs, branches, merges, shared layers, models as layers.

    Each node is a layer and what it takes. A node with the name of an earlier node in the layer's place uses
    that node's layer again, with the same parameters. Nodes refer only to inputs and nodes before them.

    Args:
      inputs: {name: features of one row, or the shape of one row}.
      nodes: {name: (layer, where its input comes from)}, in the order in which Keras would construct the
        layers. The layer is one of `jaxgd.layers`, a model, or the name of an earlier node; the input is a
        name, for a merge a list of names, and "node/output" for one of the outputs of a nested model. The
        name is the layer's in `params`.
      outputs: the name of a node; a list of names; or {name of the output: name of a node}.
      dtype, precision: as in `sequential`.

    Returns: a `Graph`: what `fit`, `evaluate`, `predict` and `save` take.
    Raises:
      TypeError, ValueError: a name that is not there, shapes that do not fit, or a node that leads to no
        output.
    Keras: `keras.Model(inputs, outputs)`, a Functional model.
    >>> import jaxgd
    >>> from jaxgd import layers
    >>> model = jaxgd.graph(
    ...     inputs={"left": 4, "right": 4},
    ...     nodes={
    ...         "code": (layers.dense(8, "relu"), "left"),
    ...         "code_right": ("code", "right"),  # the same layer again
    ...         "both": (layers.concatenate(), ["code", "code_right"]),
    ...         "price": (layers.dense(1), "both"),
    ...         "kind": (layers.dense(3, "softmax"), "both"),
    ...     },
    ...     outputs=["price", "kind"],
    ... )
    >>> sorted(model.init(0)), model.output_shape
    (['code', 'kind', 'price'], ((1,), (3,)))
    """
    if not isinstance(inputs, Mapping) or not inputs:
        raise TypeError(f"inputs: expected {{name: size}} of at least one input, got {inputs!r}.")
    if not isinstance(nodes, Mapping) or not nodes:
        raise TypeError(f"nodes: expected {{name: (layer, inputs)}} of at least one node, got {nodes!r}.")
    builder = _Builder(inputs)
    for name, node in nodes.items():
        builder.add(name, node)
    names, refs, form = builder.outputs(outputs)
    model = Graph(
        as_layers(builder.layers, dtype, precision),
        tuple(map(Input, inputs, builder.input_shapes)),
        tuple(builder.calls),
        tuple(map(Result, names, refs)),
        "one" if len(inputs) == 1 else "list",
        form,
        dtype=dtype,
        precision=precision,
    )
    _check_used(model)
    return model


class _Builder:
    """The graph so far: what each name stands for."""

    def __init__(self, inputs: Mapping[str, Any]) -> None:
        self.input_shapes = tuple(_shape(f"inputs[{name!r}]", size) for name, size in inputs.items())
        self.layers: list[Layer] = []
        self.calls: list[Call] = []
        self.values: dict[str, int] = {}
        self.first_shapes: dict[int, Sequence[Shape]] = {}
        self.shapes: list[Any] = list(self.input_shapes)
        for name in inputs:
            self._name(name, len(self.values))

    def _name(self, name: Any, value: int) -> None:
        if not isinstance(name, str) or not name or "/" in name:
            raise wrong("name", name, "a string without '/'")
        if name in self.values:
            raise ValueError(f"nodes: {name!r} is an input already; every name stands for one thing.")
        self.values[name] = value

    def add(self, name: str, node: Any) -> None:
        """One more node."""
        if not isinstance(node, tuple | list) or len(node) != 2:
            raise TypeError(f"nodes[{name!r}]: expected a pair (layer, inputs), got {node!r}.")
        index = self._layer(name, node[0])
        layer, where = self.layers[index], f"nodes[{name!r}]"
        refs = tuple(self.ref(each, where) for each in _listed(node[1]))
        if len(refs) != 1 and not layer.several_inputs:
            raise ValueError(f"{where}: {layer!r} takes one input, got {len(refs)}; merge them first.")
        shapes = [self._shape_of(ref) for ref in refs]
        try:
            shape = layer.output_shape(tuple(shapes) if layer.several_inputs else shapes[0])
            check_shared(layer, self.first_shapes.setdefault(index, shapes), shapes)
        except ValueError as error:
            raise ValueError(f"{where}: {error}") from error
        self._name(name, len(self.shapes))
        self.shapes.append(shape)
        self.calls.append(Call(name, index, refs))

    def _layer(self, name: str, given: Any) -> int:
        if isinstance(given, str):
            earlier = {call.name: call.layer for call in self.calls}
            if given not in earlier:
                raise unknown_name(f"node (in the layer's place of {name!r})", given, earlier)
            return earlier[given]
        layer = given if isinstance(given, Layer) else Nested(given)
        if layer.name not in (None, name):
            raise ValueError(
                f"nodes[{name!r}]: the layer is named {layer.name!r}; give it no name, or this one."
            )
        self.layers.append(replace(layer, name=name))
        return len(self.layers) - 1

    def _shape_of(self, ref: Ref) -> Any:
        shape = self.shapes[ref.value]
        return shape[ref.output] if shape and isinstance(shape[0], tuple) else shape

    def ref(self, name: Any, where: str) -> Ref:
        """What a name in an input's or an output's place means."""
        if not isinstance(name, str):
            raise TypeError(f"{where}: expected the name of an input or a node, got {name!r}.")
        node, _, output = name.partition("/")
        if node not in self.values:
            raise unknown_name(f"input of {where}", node, self.values)
        value = self.values[node]
        names = self._output_names(value)
        if output and output not in names:
            raise unknown_name(f"output of {node!r}", output, names)
        if not output and len(names) > 1:
            raise ValueError(
                f"{where}: {node!r} has the outputs {list(names)}; say which, as '{node}/{names[0]}'."
            )
        return Ref(value, names.index(output) if output else 0)

    def _output_names(self, value: int) -> tuple[str, ...]:
        if value < len(self.input_shapes):
            return ("",)
        layer = self.layers[self.calls[value - len(self.input_shapes)].layer]
        return layer.model.output_names if isinstance(layer, Nested) else ("",)

    def outputs(self, given: Any) -> tuple[tuple[str, ...], tuple[Ref, ...], str]:
        """Names, tensors and form of the outputs."""
        if isinstance(given, Mapping):
            names = tuple(sorted(given))  # as Keras flattens a dict
            return names, tuple(self.ref(given[name], f"outputs[{name!r}]") for name in names), "dict"
        refs = tuple(self.ref(each, "outputs") for each in _listed(given))
        if not refs:
            raise ValueError("outputs: expected at least one, got none.")
        names = output_names(refs, self.calls, self.layers, len(self.input_shapes))
        return names, refs, "one" if len(refs) == 1 else "list"


def output_names(
    refs: Sequence[Ref], calls: Sequence[Call], layers: Sequence[Layer], num_inputs: int
) -> tuple[str, ...]:
    """The layers that outputs come from, as Keras names outputs; a name that comes again gets a number."""
    names: list[str] = []
    for ref in refs:
        if ref.value < num_inputs:
            raise ValueError("outputs: an input cannot be an output; put a layer between them.")
        name = layers[calls[ref.value - num_inputs].layer].name or ""
        count = sum(other == name or other.rpartition("_")[0] == name for other in names)
        names.append(f"{name}_{count}" if name in names else name)
    return tuple(names)


def _listed(value: Any) -> Sequence[Any]:
    return tuple(value) if isinstance(value, list | tuple) else (value,)


def _shape(where: str, size: Any) -> Shape:
    sizes = size if isinstance(size, Sequence) and not isinstance(size, str) else (size,)
    return tuple(check_integer(where, each, 1) for each in sizes)


def _check_used(model: Graph) -> None:
    idle = [call.name for number, call in enumerate(model.calls) if number not in model.order.calls]
    if idle:
        raise ValueError(f"nodes: {idle[0]!r} leads to no output; leave it out, or make it an output.")
