"""Reading the configuration of a Functional model: layers, and for each the calls that use it."""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from jaxgd._types import Shape
from jaxgd.graphs import Call, Graph, Input, Ref, Result
from jaxgd.graphs.building import output_names
from jaxgd.graphs.sharing import check_shared
from jaxgd.keras_files import inbound
from jaxgd.keras_files.errors import (
    LARGEST_DIMENSION,
    KerasFileError,
    check_list,
    check_string,
    failing_in,
    shown,
)
from jaxgd.keras_files.inbound import Node, Tensor
from jaxgd.keras_files.objects import Entry
from jaxgd.layers import Layer, Nested

MAX_CALLS = 10_000
_INPUT = "InputLayer"


def read_graph(
    entries: Sequence[tuple[Entry, dict[str, Any]]],
    config: Mapping[str, Any],
    read_layer: Callable[[Entry, Any, str], Layer],
    read_input: Callable[[Entry, str], Shape],
    options: Mapping[str, str],
    where: str,
) -> Graph:
    """The graph behind a configuration.

    Args:
      entries: of the layers, and the objects that they stand in.
      config: of the model.
      read_layer: read_layer(entry, shape or shapes of its inputs, where) -> layer.
      read_input: read_input(entry, where) -> shape of a row.
      options: dtype and precision of the model.
      where: of the model around it, for messages.
    """
    reader = _Reader(entries, where)
    inputs, input_form = _listed(config.get("input_layers"), f"{where}input_layers")
    reader.add_inputs(inputs, read_input)
    for name, number in reader.calls_in_order():
        reader.add_call(name, number, read_layer)
    outputs, output_form = _listed(config.get("output_layers"), f"{where}output_layers")
    results = reader.results(outputs)
    graph = Graph(
        tuple(reader.layers),
        tuple(reader.inputs),
        tuple(reader.calls),
        results,
        input_form,
        output_form,
        **options,
    )
    with failing_in(f"{where}the model"):
        used = set(graph.order.calls)
        idle = [call.name for number, call in enumerate(graph.calls) if number not in used]
        if idle:
            raise KerasFileError(f"{where}layer {shown(idle[0])} leads to no output.")
    return graph


class _Reader:
    """The graph so far."""

    def __init__(self, entries: Sequence[tuple[Entry, dict[str, Any]]], where: str) -> None:
        self.where = where
        self.entries: dict[str, Entry] = {}
        self.nodes: dict[str, list[Node]] = {}
        for index, (entry, value) in enumerate(entries):
            name = check_string(entry.config.get("name"), f"{where}layer {index}: name")
            place = f"{where}layer {shown(name)}"
            if name in self.entries or not name or "/" in name or value.get("name", name) != name:
                raise KerasFileError(f"{place}: expected a name of its own, without '/'.")
            self.entries[name] = entry
            self.nodes[name] = inbound.read_nodes(value.get("inbound_nodes"), f"{place}: inbound_nodes")
        if sum(map(len, self.nodes.values())) > MAX_CALLS:
            raise KerasFileError(f"{where}the model: more than {MAX_CALLS:,} calls of layers.")
        self._count_own_nodes()
        self.layers: list[Layer] = []
        self.inputs: list[Input] = []
        self.calls: list[Call] = []
        self.shapes: list[Any] = []
        self.values: dict[tuple[str, int], int] = {}
        self.places: dict[str, int] = {}
        self.first_shapes: dict[str, Sequence[Shape]] = {}

    def _count_own_nodes(self) -> None:
        """tf.keras 2 counts a nested model's own node, so that its calls are numbered from 1."""
        for name, nodes in self.nodes.items():
            self.nodes[name] = [
                node._replace(
                    tensors=[self._from_zero(each) if node.is_list else each for each in node.tensors]
                )
                for node in nodes
            ]

    def _from_zero(self, tensor: Tensor) -> Tensor:
        entry = self.entries.get(tensor.layer)
        is_model = entry is not None and entry.class_name in ("Sequential", "Functional")
        return tensor._replace(node=tensor.node - 1) if is_model and tensor.node > 0 else tensor

    def add_inputs(
        self, refs: Mapping[str, Tensor] | Sequence[Tensor], read: Callable[[Entry, str], Shape]
    ) -> None:
        """The inputs, in their order."""
        tensors = list(refs.values()) if isinstance(refs, Mapping) else list(refs)
        declared = [name for name, entry in self.entries.items() if entry.class_name == _INPUT]
        if sorted(tensor.layer for tensor in tensors) != sorted(declared):
            names = [tensor.layer for tensor in tensors]
            raise KerasFileError(f"{self.where}input_layers: expected {declared}, got {names}.")
        for tensor in tensors:
            shape = read(self.entries[tensor.layer], f"{self.where}layer {shown(tensor.layer)}")
            self.values[tensor.layer, 0] = len(self.shapes)
            self.shapes.append((shape,))
            self.inputs.append(Input(tensor.layer, shape))

    def calls_in_order(self) -> list[tuple[str, int]]:
        """Every call after those that it depends on. Raises for a cycle, or a tensor that is not there."""
        waiting: dict[tuple[str, int], set[tuple[str, int]]] = {}
        followers: dict[tuple[str, int], list[tuple[str, int]]] = {}
        for name, nodes in self.nodes.items():
            for number, node in enumerate(nodes):
                needs = {self._known(each, name) for each in node.tensors} - self.values.keys()
                if number:
                    needs.add((name, number - 1))
                waiting[name, number] = needs
                for need in needs:
                    followers.setdefault(need, []).append((name, number))
        ready = deque(call for call, needs in waiting.items() if not needs)
        order = []
        while ready:
            call = ready.popleft()
            order.append(call)
            for follower in followers.get(call, ()):
                waiting[follower].discard(call)
                if not waiting[follower]:
                    ready.append(follower)
        if len(order) < len(waiting):
            done = set(order)
            name = next(call[0] for call in waiting if call not in done)
            raise KerasFileError(f"{self.where}layer {shown(name)}: it is part of a cycle, or behind one.")
        return order

    def _known(self, tensor: Tensor, name: str) -> tuple[str, int]:
        """The call that a tensor comes from. Raises for one that is not there."""
        is_input = (tensor.layer, tensor.node) in self.values
        if not is_input and not 0 <= tensor.node < len(self.nodes.get(tensor.layer, ())):
            missing = f"call {tensor.node} of {shown(tensor.layer)}"
            raise KerasFileError(f"{self.where}layer {shown(name)}: its input, {missing}, is not there.")
        return tensor.layer, tensor.node

    def _ref(self, tensor: Tensor, where: str) -> Ref:
        value = self.values[tensor.layer, tensor.node]
        if not 0 <= tensor.output < len(self.shapes[value]):
            raise KerasFileError(f"{where}: {shown(tensor.layer)} has no output number {tensor.output}.")
        return Ref(value, tensor.output)

    def add_call(self, name: str, number: int, read: Callable[[Entry, Any, str], Layer]) -> None:
        """One call, and its layer if it is the first."""
        entry, node, where = self.entries[name], self.nodes[name][number], f"{self.where}layer {shown(name)}"
        refs = [self._ref(tensor, where) for tensor in node.tensors]
        shapes = [self.shapes[ref.value][ref.output] for ref in refs]
        if number == 0:
            self.places[name] = len(self.layers)
            self.first_shapes[name] = shapes
            self.layers.append(read(entry, tuple(shapes) if len(shapes) > 1 else shapes[0], where))
        layer = self.layers[self.places[name]]
        order = _argument_order(layer, node, where)
        refs, shapes = [refs[i] for i in order], [shapes[i] for i in order]
        if not layer.several_inputs and len(refs) != 1:
            raise KerasFileError(f"{where}: expected one input, got {len(refs)}.")
        with failing_in(where):
            if number:
                check_shared(layer, self.first_shapes[name], shapes)
            shape: Any = layer.output_shape(tuple(shapes) if layer.several_inputs else shapes[0])
        found = shape if layer.num_outputs > 1 else (shape,)
        if any(size > LARGEST_DIMENSION for each in found for size in each):
            raise KerasFileError(f"{where}: an output larger than {LARGEST_DIMENSION:,} a row.")
        self.values[name, number] = len(self.shapes)
        self.shapes.append(found)
        self.calls.append(Call(name if number == 0 else f"{name}:{number}", self.places[name], tuple(refs)))

    def results(self, outputs: Mapping[str, Tensor] | Sequence[Tensor]) -> tuple[Result, ...]:
        """The outputs, in Keras's order."""
        where = f"{self.where}output_layers"
        refs = []
        for each in outputs.values() if isinstance(outputs, Mapping) else outputs:
            tensor = self._output(each)
            self._known(tensor, "output_layers")
            refs.append(self._ref(tensor, where))
        if isinstance(outputs, Mapping):
            return tuple(map(Result, outputs, refs))
        with failing_in(where):
            return tuple(map(Result, output_names(refs, self.calls, self.layers, len(self.inputs)), refs))

    def _output(self, tensor: Tensor) -> Tensor:
        """An output as other references count: Keras counts a Functional model's own node there."""
        entry = self.entries.get(tensor.layer)
        is_functional = entry is not None and entry.class_name == "Functional"
        return tensor._replace(node=tensor.node - 1) if is_functional else tensor


def _argument_order(layer: Layer, node: Node, where: str) -> Sequence[int]:
    """The places of the arguments in the order in which the layer takes them."""
    if node.keys is None:
        return range(len(node.tensors))
    names = layer.model.input_names if isinstance(layer, Nested) else ()
    if sorted(names) != sorted(node.keys):
        raise KerasFileError(f"{where}: expected the inputs {list(names)}, got {list(node.keys)}.")
    return [node.keys.index(name) for name in names]


def _listed(value: Any, where: str) -> tuple[Any, str]:
    """Inputs or outputs, and the form that they stand in; a dict in the order in which Keras flattens it."""
    if isinstance(value, dict):
        if not value:
            raise KerasFileError(f"{where}: expected at least one.")
        return {name: inbound.read_tensor(value[name], where) for name in sorted(value)}, "dict"
    entries = check_list(value, where)
    if inbound.is_tensor(entries):
        return [inbound.read_tensor(entries, where)], "one"
    if not entries:
        raise KerasFileError(f"{where}: expected at least one.")
    return [inbound.read_tensor(each, where) for each in entries], "list" if len(entries) > 1 else "one"
