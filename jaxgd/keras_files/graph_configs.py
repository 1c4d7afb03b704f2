"""Writing a graph as the configuration of a Functional model: layers, and for each the calls that use it."""

from collections.abc import Callable, Sequence
from typing import Any

from jaxgd._types import Shape
from jaxgd.graphs import Graph, Ref
from jaxgd.keras_files import inbound
from jaxgd.keras_files.inbound import Tensor
from jaxgd.layers import Layer, Nested


def write_graph(
    model: Graph,
    write_layer: Callable[[Layer, str, Any], dict[str, Any]],
    write_input: Callable[[str, Shape, Any], dict[str, Any]],
) -> dict[str, Any]:
    """The part of the configuration that says how the layers are connected; layers stand in Keras's order."""
    names, input_shapes = model.names, model.layer_input_shapes
    entries = []
    for index in model.order.layers:
        if index < 0:
            name, shape = model.inputs[-1 - index]
            entry, nodes = write_input(name, shape, model), []
        else:
            name = names[index]
            entry = write_layer(model.layers[index], name, input_shapes[index])
            nodes = _written_calls(model, index)
        entries.append({**entry, "name": name, "inbound_nodes": nodes})
    inputs = [[each.name, 0, 0] for each in model.inputs]
    outputs = [_written_output(model, result.ref) for result in model.results]
    return {
        "layers": entries,
        "input_layers": _formed(inputs, model.input_form, model.input_names),
        "output_layers": _formed(outputs, model.output_form, model.output_names),
    }


def _written_calls(model: Graph, index: int) -> list[dict[str, Any]]:
    """The calls of a layer."""
    layer, shapes = model.layers[index], model.shapes
    form, names = "list" if layer.several_inputs else "one", ()
    if isinstance(layer, Nested) and isinstance(layer.model, Graph):
        form, names = layer.model.input_form, layer.model.input_names
    return [
        inbound.write_node(
            [_tensor(model, ref) for ref in call.inputs],
            [shapes[ref.value][ref.output] for ref in call.inputs],
            model.policy.compute.name,
            form,
            names,
        )
        for call in model.calls
        if call.layer == index
    ]


def _formed(each: list[Any], form: str, names: Sequence[str]) -> Any:
    """Inputs or outputs as Keras notes them: one alone without a list around it."""
    if form == "dict":
        return dict(zip(names, each, strict=True))
    return each[0] if len(each) == 1 else each


def _tensor(model: Graph, ref: Ref) -> Tensor:
    """Whose output a tensor is, of which of its calls."""
    number = ref.value - len(model.inputs)
    if number < 0:
        return Tensor(model.inputs[ref.value].name, 0, 0)
    layer = model.calls[number].layer
    earlier = sum(call.layer == layer for call in model.calls[:number])
    return Tensor(model.names[layer], earlier, ref.output)


def _written_output(model: Graph, ref: Ref) -> list[Any]:
    name, node, output = _tensor(model, ref)
    layer = model.layers[model.names.index(name)]
    if isinstance(layer, Nested) and isinstance(layer.model, Graph):
        node += 1  # Keras counts the Functional model's own node here, and only here
    return [name, node, output]
