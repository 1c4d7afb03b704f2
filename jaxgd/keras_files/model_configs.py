"""Models and Keras's configurations of them: `config.json` without its part about training."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from jaxgd._types import Shape
from jaxgd.keras_files.errors import (
    KerasFileError,
    check_keys,
    check_list,
    check_mapping,
    check_shape,
    check_string,
    failing_in,
    shown,
)
from jaxgd.keras_files.layer_configs import read_layer, write_layer
from jaxgd.keras_files.objects import Entry, make_entry, parse_entry
from jaxgd.layers import Layer
from jaxgd.model import Sequential, sequential

MAX_LAYERS = 1000
_INPUT = "InputLayer"
_INPUT_KEYS = ("batch_shape", "batch_input_shape", "dtype", "sparse", "ragged", "name", "optional")


def write_model(model: Sequential, name: str = "sequential") -> dict[str, Any]:
    """Keras's configuration of a model."""
    policy = make_entry("keras", "DTypePolicy", {"name": model.dtype})
    shape = [None, *model.input_shape]
    first = make_entry(
        "keras.layers",
        _INPUT,
        {
            "batch_shape": shape,
            "dtype": model.policy.params.name,
            "sparse": False,
            "ragged": False,
            "name": _free_name("input_layer", model.names),
            "optional": False,
        },
    )
    stack = [
        write_layer(layer, layer_name, input_shape, policy)
        for layer, layer_name, input_shape in zip(model.layers, model.names, model.shapes, strict=False)
    ]
    config = {
        "name": name,
        "trainable": True,
        "dtype": policy,
        "layers": [first, *stack],
        "build_input_shape": shape,
    }
    return make_entry("keras", "Sequential", config, build_config={"input_shape": shape})


def _free_name(name: str, taken: tuple[str, ...]) -> str:
    while name in taken:
        name += "_"
    return name


def read_model(value: Mapping[str, Any], precision: str) -> Sequential:
    """The model behind Keras's configuration.

    Raises:
      KerasFileError: it is not a Sequential model of layers that jaxgd has.
    """
    root = dict(value)
    root.pop("compile_config", None)
    entry = _root_entry(root)
    check_keys(entry.config, ("name", "trainable", "dtype", "layers", "build_input_shape"), "the model")
    entries = _layer_entries(entry.config.get("layers"))
    shape, entries = _input_shape(entry.config, entries)
    stack, policies, current = [], [], shape
    for index, each in enumerate(entries):
        where = f"layer {index} ({shown(each.config.get('name'))})"
        layer = read_layer(each, current, where)
        with failing_in(where):
            current = layer.output_shape(current)
        stack.append(layer)
        policies += [_policy(value, where) for value in _dtypes(each, entry.config.get("dtype"))]
    if len(set(policies)) > 1:
        raise KerasFileError(f"the layers' dtypes differ: {', '.join(sorted(set(policies)))}.")
    with failing_in("the model"):
        return sequential(_without_numbers(stack), shape, dtype=policies[0], precision=precision)


def _root_entry(root: dict[str, Any]) -> Entry:
    if root.get("class_name") != "Sequential":
        raise KerasFileError(
            f"the model is of class {shown(root.get('class_name'))}; only Sequential models are read."
        )
    return parse_entry(root, "keras", "the model")


def _layer_entries(value: Any) -> list[Entry]:
    entries = check_list(value, "layers")
    if not entries or len(entries) > MAX_LAYERS:
        raise KerasFileError(f"layers: expected 1 to {MAX_LAYERS} layers, got {len(entries)}.")
    return [_layer_entry(each, f"layer {index}") for index, each in enumerate(entries)]


def _layer_entry(value: Any, where: str) -> Entry:
    if isinstance(value, dict) and value.get("class_name") in ("Sequential", "Functional", "Model"):
        raise KerasFileError(f"{where}: a model inside the model is not read; put its layers in its place.")
    return parse_entry(value, "keras.layers", where)


def _input_shape(config: Mapping[str, Any], entries: list[Entry]) -> tuple[Shape, list[Entry]]:
    """The shape of one row, and the entries without the one that only says it."""
    if entries[0].class_name != _INPUT:
        return check_shape(config.get("build_input_shape"), "build_input_shape"), entries
    first, where = entries[0].config, "the input layer"
    check_keys(first, _INPUT_KEYS, where)
    for flag in ("sparse", "ragged", "optional"):
        if first.get(flag, False) is not False:
            raise KerasFileError(f"{where}: {flag} inputs are not supported.")
    shape = check_shape(first.get("batch_shape", first.get("batch_input_shape")), f"{where}: batch_shape")
    if len(entries) == 1:
        raise KerasFileError("layers: expected a layer besides the input.")
    return shape, entries[1:]


def _policy(value: Any, where: str) -> str:
    """The name of a policy of dtypes: a name, or Keras's configuration of one."""
    if value is None or isinstance(value, str):
        return value or "float32"
    entry = parse_entry(check_mapping(value, f"{where}: dtype"), "keras", f"{where}: dtype")
    if entry.class_name not in ("DTypePolicy", "FloatDTypePolicy"):
        raise KerasFileError(f"{where}: dtype policy {shown(entry.class_name)} is not supported.")
    return check_string(entry.config.get("name"), f"{where}: dtype")


def _dtypes(entry: Entry, default: Any) -> list[Any]:
    """The dtype policy of a layer, and that of the layer that is its activation."""
    own = entry.config.get("dtype", default)
    activation = entry.config.get("activation")
    inner = activation.get("config") if isinstance(activation, dict) else None
    return [own, inner.get("dtype", own)] if isinstance(inner, dict) else [own]


def _without_numbers(stack: list[Layer]) -> list[Layer]:
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
