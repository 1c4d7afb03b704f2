"""Models and Keras's configurations of them: `config.json` without its part about training."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from jaxgd._types import Shape
from jaxgd.graphs import Graph
from jaxgd.keras_files.common_settings import MODELS, check_not_shared, common_dtype
from jaxgd.keras_files.errors import (
    KerasFileError,
    check_flag,
    check_keys,
    check_list,
    check_mapping,
    check_shape,
    check_string,
    failing_in,
    shown,
)
from jaxgd.keras_files.graph_configs import write_graph
from jaxgd.keras_files.graph_reader import read_graph
from jaxgd.keras_files.layer_configs import read_layer, write_layer
from jaxgd.keras_files.objects import Entry, make_entry, parse_entry
from jaxgd.layers import Layer, Nested
from jaxgd.model import Sequential, sequential
from jaxgd.model_base import Model

MAX_LAYERS = 1000
_INPUT = "InputLayer"
_INPUT_KEYS = ("batch_shape", "batch_input_shape", "dtype", "sparse", "ragged", "name", "optional")


def write_model(model: Model, name: str, *, trainable: bool = True) -> dict[str, Any]:
    """Keras's configuration of a model."""
    policy = make_entry("keras", "DTypePolicy", {"name": model.dtype})

    def write(layer: Layer, layer_name: str, shape: Any) -> dict[str, Any]:
        if isinstance(layer, Nested):
            return write_model(layer.model, layer_name, trainable=layer.trainable)
        return write_layer(layer, layer_name, shape, policy)

    if isinstance(model, Graph):
        config = {
            "name": name,
            "trainable": trainable,
            **write_graph(model, write, _write_input),
        }
        return make_entry(
            MODELS["Functional"],
            "Functional",
            config,
            registered_name="Functional",
            build_config={"input_shape": None},
        )
    (shape,) = model.input_shapes
    first = _write_input(_free_name("input_layer", model.names), shape, model)
    stack = map(write, model.layers, model.names, model.layer_input_shapes)
    config = {
        "name": name,
        "trainable": trainable,
        "dtype": policy,
        "layers": [first, *stack],
        "build_input_shape": [None, *shape],
    }
    return make_entry("keras", "Sequential", config, build_config={"input_shape": [None, *shape]})


def _write_input(name: str, shape: Shape, model: Model) -> dict[str, Any]:
    config = {
        "batch_shape": [None, *shape],
        "dtype": model.policy.params.name,
        "sparse": False,
        "ragged": False,
        "name": name,
        "optional": False,
    }
    return make_entry("keras.layers", _INPUT, config)


def _free_name(name: str, taken: tuple[str, ...]) -> str:
    while name in taken:
        name += "_"
    return name


def read_model(value: Mapping[str, Any], precision: str) -> Sequential | Graph:
    """The model behind Keras's configuration.

    Raises:
      KerasFileError: it is not a Sequential or Functional model of layers that jaxgd has.
    """
    root = _model_entry({key: part for key, part in value.items() if key != "compile_config"}, "the model")
    check_not_shared(root.config)
    dtype = common_dtype(root, _layer_entries)
    options = {"dtype": dtype, "precision": precision}
    with failing_in("the model"):
        return _read_model(root, options, "")


def _read_model(entry: Entry, options: dict[str, str], where: str) -> Sequential | Graph:
    """A model, at any depth; `where` is that of the model around it, for messages."""
    model = (
        _read_graph(entry, options, where)
        if entry.class_name != "Sequential"
        else _read_stack(entry, options, where)
    )
    if not check_flag(entry.config.get("trainable", True), f"{where}the model: trainable"):
        model = replace(model, layers=tuple(replace(layer, trainable=False) for layer in model.layers))
    return model


def _read_stack(entry: Entry, options: dict[str, str], where: str) -> Sequential:
    check_keys(
        entry.config, ("name", "trainable", "dtype", "layers", "build_input_shape"), f"{where}the model"
    )
    entries = _layer_entries(entry.config, where)
    shape, entries = _stack_input(entry.config, entries, where)
    stack, current = [], shape
    for index, each in enumerate(entries):
        place = f"{where}layer {index} ({shown(each.config.get('name'))})"
        layer = _read_layer(each, current, options, place)
        with failing_in(place):
            current = layer.output_shape(current)
        stack.append(layer)
    return sequential(_without_numbers(stack), shape, dtype=options["dtype"], precision=options["precision"])


def _read_graph(entry: Entry, options: dict[str, str], where: str) -> Graph:
    check_keys(
        entry.config,
        ("name", "trainable", "dtype", "layers", "input_layers", "output_layers"),
        f"{where}the model",
    )
    values = [check_mapping(each, f"{where}layers") for each in _layers(entry.config, where)]
    return read_graph(
        [(_layer_entry(each, f"{where}layer {index}"), each) for index, each in enumerate(values)],
        entry.config,
        lambda each, shape, place: _read_layer(each, shape, options, place),
        _read_input,
        options,
        where,
    )


def _read_layer(entry: Entry, shape: Any, options: dict[str, str], where: str) -> Layer:
    if entry.class_name not in MODELS:
        return read_layer(entry, shape, where)
    model = _read_model(entry, options, f"{where}: ")
    return Nested(
        model,
        name=check_string(entry.config.get("name"), f"{where}: name"),
        trainable=bool(entry.config.get("trainable", True)),
    )


def _model_entry(value: Any, where: str) -> Entry:
    entry = check_mapping(value, where)
    name = entry.get("class_name")
    if name == "Model":  # Keras's older word
        entry, name = {**entry, "class_name": "Functional"}, "Functional"
    if name not in MODELS:
        raise KerasFileError(
            f"{where} is of class {shown(name)}; only Sequential and Functional models are read. "
            "Build a Functional model of the same layers in Keras, take its weights over and save that."
        )
    if entry.get("module") in ("keras", "keras.models"):  # where both classes can be imported from
        entry = {**entry, "module": MODELS[name]}
    return parse_entry(entry, MODELS[name], where)


def _layers(config: Mapping[str, Any], where: str) -> list[Any]:
    entries = check_list(config.get("layers"), f"{where}layers")
    if not entries or len(entries) > MAX_LAYERS:
        raise KerasFileError(f"{where}layers: expected 1 to {MAX_LAYERS} layers, got {len(entries)}.")
    return entries


def _layer_entries(config: Mapping[str, Any], where: str) -> list[Entry]:
    return [_layer_entry(each, f"{where}layer {index}") for index, each in enumerate(_layers(config, where))]


def _layer_entry(value: Any, where: str) -> Entry:
    if isinstance(value, dict) and value.get("class_name") in (*MODELS, "Model"):
        return _model_entry(value, where)
    if isinstance(value, dict) and str(value.get("module")).startswith("keras.src.ops"):
        raise KerasFileError(
            f"{where}: {shown(value.get('class_name'))} is an operation on tensors, not a layer. Write it "
            "with a layer in Keras (Add, Multiply, Rescaling, Activation, ...) and save again."
        )
    return parse_entry(value, "keras.layers", where)


def _stack_input(config: Mapping[str, Any], entries: list[Entry], where: str) -> tuple[Shape, list[Entry]]:
    """The shape of one row, and the entries without the one that only says it."""
    if entries[0].class_name != _INPUT:
        return check_shape(config.get("build_input_shape"), f"{where}build_input_shape"), entries
    if len(entries) == 1:
        raise KerasFileError(f"{where}layers: expected a layer besides the input.")
    return _read_input(entries[0], f"{where}the input layer"), entries[1:]


def _read_input(entry: Entry, where: str) -> Shape:
    """The shape of one row of an input."""
    check_keys(entry.config, _INPUT_KEYS, where)
    for flag in ("sparse", "ragged", "optional"):
        if entry.config.get(flag, False) not in (False, None):
            raise KerasFileError(f"{where}: {flag} inputs are not supported.")
    dtype = entry.config.get("dtype")
    if isinstance(dtype, str) and not dtype.startswith(("float", "bfloat", "mixed")):
        raise KerasFileError(f"{where}: inputs of dtype {shown(dtype)} are not supported, only floats.")
    return check_shape(
        entry.config.get("batch_shape", entry.config.get("batch_input_shape")), f"{where}: batch_shape"
    )


def _without_numbers(stack: Sequence[Layer]) -> list[Layer]:
    """The layers without the names that they would get anyway, so that equal models are equal."""
    counts: dict[str, int] = {}
    renamed = []
    for layer in stack:
        count = counts.get(layer.kind, 0)
        automatic = f"{layer.kind}_{count}" if count else layer.kind
        if layer.name == automatic:
            counts[layer.kind] = count + 1
            layer = replace(layer, name=None)
        renamed.append(layer)
    return renamed
