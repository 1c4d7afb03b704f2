"""`Graph`: layers, and the way from the inputs through them to the outputs, as a frozen description."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp

from jaxgd import layers
from jaxgd._summary import summary_of
from jaxgd._types import Array, Params, Shape
from jaxgd.graphs.order import Order, keras_order
from jaxgd.graphs.parts import Call, Input, Ref, Result
from jaxgd.layers import Context, Layer, Output
from jaxgd.model_base import Forward, Model
from jaxgd.model_parts import activity_of, merge_statistics


class Value(NamedTuple):
    """What stands behind a `Ref` during a forward pass."""

    y: Array
    logits: Array | None = None


_Values = dict[int, tuple[Value, ...]]


class Visit(NamedTuple):
    """A call on the way forward."""

    value: int
    """The number of its value, as in `Ref`."""
    name: str
    """Of the layer."""
    layer: Layer
    context: Context
    leaves: Mapping[str, Any]
    x: Any
    """What it took: an array, or a tuple for a layer of several inputs."""
    output: Output
    given: tuple[Value, ...]
    """What it gave."""


@dataclass(frozen=True, repr=False)
class Graph(Model):
    """Layers and the calls that lead from inputs to outputs. Made by `graph`; a pytree like `Sequential`."""

    layers: tuple[Layer, ...]
    """In the order in which they were made, which is that of Keras's seeds."""
    inputs: tuple[Input, ...]
    calls: tuple[Call, ...]
    """Each after those that it takes its inputs from."""
    results: tuple[Result, ...]
    """The outputs."""
    input_form: str = "list"
    """ "one", "list" or "dict": what Keras takes inputs in; here every form of several will do."""
    output_form: str = "list"
    """ "one", "list" or "dict": what `apply` gives outputs in."""
    dtype: str = "float32"
    precision: str = "highest"

    kind: ClassVar[str] = "functional"
    class_name: ClassVar[str] = "Functional"

    @property
    def order(self) -> Order:
        """In which order Keras runs the calls and lists the layers."""
        return keras_order(len(self.inputs), self.calls, tuple(result.ref for result in self.results))

    @property
    def layers_in_keras_order(self) -> tuple[int, ...]:
        return tuple(index for index in self.order.layers if index >= 0)

    @property
    def input_names(self) -> tuple[str, ...]:
        """The inputs' names, in their order."""
        return tuple(each.name for each in self.inputs)

    @property
    def input_shapes(self) -> tuple[Shape, ...]:
        return tuple(each.shape for each in self.inputs)

    @property
    def output_names(self) -> tuple[str, ...]:
        return tuple(result.name for result in self.results)

    @property
    def shapes(self) -> tuple[tuple[Shape, ...], ...]:
        """The shapes of one row of every value's outputs: inputs first, then calls."""
        found: list[tuple[Shape, ...]] = [(shape,) for shape in self.input_shapes]
        for call in self.calls:
            layer = self.layers[call.layer]
            shape: Any = layer.output_shape(_packed(layer, [found[r.value][r.output] for r in call.inputs]))
            found.append(shape if layer.num_outputs > 1 else (shape,))
        return tuple(found)

    @property
    def input_shape(self) -> Any:
        """Shape of one row of the input; a tuple of them for several."""
        return _alone(self.input_shapes)

    @property
    def output_shapes(self) -> tuple[Shape, ...]:
        shapes = self.shapes
        return tuple(shapes[result.ref.value][result.ref.output] for result in self.results)

    @property
    def output_shape(self) -> Any:
        """Shape of one row of the output; a tuple of them for several."""
        return _alone(self.output_shapes)

    @property
    def layer_input_shapes(self) -> tuple[Any, ...]:
        shapes = self.shapes
        first = {call.layer: call for call in reversed(self.calls)}
        return tuple(
            _packed(layer, [shapes[ref.value][ref.output] for ref in first[index].inputs])
            for index, layer in enumerate(self.layers)
        )

    def inputs_of(self, x: Any) -> tuple[Any, ...]:
        if isinstance(x, Mapping):
            if set(x) != set(self.input_names):
                raise ValueError(
                    f"x: expected the inputs {list(self.input_names)}, got {sorted(x, key=str)}."
                )
            return tuple(x[name] for name in self.input_names)
        is_list = isinstance(x, list | tuple) and (len(self.inputs) > 1 or hasattr(x[0], "shape"))
        given = tuple(x) if is_list else (x,)
        if len(given) != len(self.inputs):
            got = f"a list of {len(given)}" if is_list else "one array"
            raise ValueError(
                f"x: expected a list or a dict of the inputs {list(self.input_names)}, got {got}."
            )
        return given

    def like_outputs(self, y: Sequence[Any]) -> Any:
        if self.output_form == "dict":
            return dict(zip(self.output_names, y, strict=True))
        return y[0] if self.output_form == "one" else list(y)

    def checked_inputs(self, x: Any) -> list[Array]:
        """The inputs in the compute dtype. Raises ValueError for a shape other than [batch, *the input's]."""
        arrays = [jnp.asarray(each) for each in self.inputs_of(x)]
        for (name, shape), array in zip(self.inputs, arrays, strict=True):
            if array.ndim == 0 or array.shape[1:] != shape:
                expected = ", ".join(("batch", *map(str, shape)))
                raise ValueError(f"x[{name!r}]: expected shape [{expected}], got {list(array.shape)}.")
        if len({len(array) for array in arrays}) > 1:
            raise ValueError(f"x: expected equally many rows, got {[len(array) for array in arrays]}.")
        return [array.astype(self.policy.compute) for array in arrays]

    def run(
        self,
        params: Params,
        x: Any,
        *,
        training: bool = False,
        key: Any = None,
        row_mask: Array | None = None,
    ) -> Forward:
        """The forward pass with all that a training step wants to know; see `Forward`."""
        self.check_params(params)
        values, statistics, activity = self._start(x), {}, 0.0
        for visit in self.visits(params, x, training=training, key=key, row_mask=row_mask):
            values[visit.value] = visit.given
            if visit.output.statistics:
                statistics[visit.name] = visit.output.statistics
            activity = activity + activity_of(visit.layer, visit.output, row_mask)
        found = [values[result.ref.value][result.ref.output] for result in self.results]
        if len(found) == 1:
            return Forward(found[0].y, found[0].logits, statistics, activity)
        return Forward(tuple(v.y for v in found), tuple(v.logits for v in found), statistics, activity)

    def visits(
        self, params: Params, x: Any, *, training: bool, key: Any, row_mask: Array | None = None
    ) -> Iterator[Visit]:
        """The way forward, call by call in Keras's order."""
        values, now = self._start(x), dict(params)
        for value, name, layer, context in self.steps(training=training, key=key, row_mask=row_mask):
            arguments, leaves = self._arguments(values, value), now.get(name, {})
            given = _packed(layer, [each.y for each in arguments])
            output = layer.forward(leaves, given, context)
            values[value] = _values(layer, arguments, output)
            if output.statistics:  # the next call of a shared layer goes on from them, as in Keras
                now = merge_statistics(now, {name: output.statistics})
            yield Visit(value, name, layer, context, leaves, given, output, values[value])

    def steps(
        self, *, training: bool, key: Any, row_mask: Array | None = None
    ) -> Iterator[tuple[int, str, Layer, Context]]:
        """Each call in Keras's order: number of its value, name of its layer, the layer, what it is told."""
        names, done = self.names, [0] * len(self.layers)
        total = Counter(call.layer for call in self.calls)
        for number in self.order.calls:
            index = self.calls[number].layer
            context = self.context(
                index, training=training, key=key, row_mask=row_mask, call=done[index], calls=total[index]
            )
            done[index] += 1
            yield len(self.inputs) + number, names[index], self.layers[index], context

    def outputs(
        self, params: Params, x: Any, *, training: bool, key: Any, row_mask: Array | None = None
    ) -> Iterator[tuple[str, Any]]:
        """Each call's layer and output, in the order in which they run."""
        for visit in self.visits(params, x, training=training, key=key, row_mask=row_mask):
            yield visit.name, visit.output.y

    def adapt(self, params: Params, x: Any) -> Params:
        """`params` in which every normalization layer standardises what `x` gives it (at its first call)."""
        adapted, values, seen = dict(params), self._start(x), set()
        for value, name, layer, context in self.steps(training=False, key=None):
            arguments = self._arguments(values, value)
            y = _packed(layer, [each.y for each in arguments])
            if name not in seen and isinstance(layer, layers.Normalization) and layer.mean is None:
                adapted[name] = layer.measure(y, self.policy.params)
            if name not in seen and isinstance(layer, layers.Nested) and name in params:
                adapted[name] = layer.model.adapt(params[name], y)
            seen.add(name)
            values[value] = _values(layer, arguments, layer.forward(adapted.get(name, {}), y, context))
        return adapted

    def _start(self, x: Any) -> _Values:
        return {number: (Value(array),) for number, array in enumerate(self.checked_inputs(x))}

    def _arguments(self, values: _Values, value: int) -> list[Value]:
        """What the call behind a value takes."""
        return [values[ref.value][ref.output] for ref in self.calls[value - len(self.inputs)].inputs]

    def reference(self, ref: Ref) -> str:
        """How `graph` names a tensor."""
        if ref.value < len(self.inputs):
            return self.inputs[ref.value].name
        call = self.calls[ref.value - len(self.inputs)]
        layer = self.layers[call.layer]
        if not isinstance(layer, layers.Nested) or layer.num_outputs == 1:
            return call.name
        return f"{call.name}/{layer.model.output_names[ref.output]}"

    def summary(self) -> str:
        """A table like Keras's: layer, output shape, parameters, and where its inputs come from."""
        shapes, first = self.shapes[len(self.inputs) :], [call.layer for call in self.calls]
        of_layers = [shapes[first.index(index)] for index in range(len(self.layers))]
        origins = [
            "; ".join(self._shown_inputs(call) for call in self.calls if call.layer == index)
            for index in range(len(self.layers))
        ]
        return summary_of(self, list(map(_alone, of_layers)), origins)

    def _shown_inputs(self, call: Call) -> str:
        return ", ".join(map(self.reference, call.inputs))

    def __repr__(self) -> str:
        inputs = {name: shape[0] if len(shape) == 1 else shape for name, shape in self.inputs}
        nodes, seen = [], set()
        for call in self.calls:
            own = self.layers[call.layer]
            layer = own.name if call.layer in seen else replace(own, name=None)
            seen.add(call.layer)
            names: Any = [self.reference(ref) for ref in call.inputs]
            nodes.append(f"{call.name!r}: ({layer!r}, {names if len(names) > 1 else names[0]!r})")
        outputs: Any = [self.reference(result.ref) for result in self.results]
        if self.output_form == "dict":
            outputs = dict(zip(self.output_names, outputs, strict=True))
        elif self.output_form == "one":
            outputs = outputs[0]
        settings = "" if self.dtype == "float32" else f", dtype={self.dtype!r}"
        settings += "" if self.precision == "highest" else f", precision={self.precision!r}"
        return f"graph({inputs!r}, {{{', '.join(nodes)}}}, {outputs!r}{settings})"


jax.tree_util.register_dataclass(
    Graph,
    data_fields=["layers"],
    meta_fields=[
        "inputs",
        "calls",
        "results",
        "input_form",
        "output_form",
        "dtype",
        "precision",
    ],
)


def _alone(shapes: Sequence[Shape]) -> Any:
    """The one shape, or all of several."""
    return tuple(shapes) if len(shapes) > 1 else shapes[0]


def _packed(layer: Layer, each: Sequence[Any]) -> Any:
    """Arguments in the form that a layer takes: a tuple for one of several inputs."""
    return tuple(each) if layer.several_inputs else each[0]


def _values(layer: Layer, arguments: Sequence[Value], output: Output) -> tuple[Value, ...]:
    """What a call gives, with the logits of each of its outputs."""
    if layer.num_outputs > 1:
        logits: Any = output.logits
        return tuple(Value(y, logit) for y, logit in zip(output.y, logits, strict=True))
    passed_on = layer.keeps_values and output.y is arguments[0].y
    return (Value(output.y, arguments[0].logits if passed_on else output.logits),)
