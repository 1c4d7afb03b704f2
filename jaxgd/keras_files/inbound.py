"""The calls of a layer in a Functional model's configuration: which tensors each call took.

Keras 3 writes {"args": [...], "kwargs": {...}} with tensors as objects; tf.keras 2 a list of
[layer, node, tensor, {}] for each call.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from jaxgd._types import Shape
from jaxgd.keras_files.errors import (
    KerasFileError,
    check_count,
    check_keys,
    check_list,
    check_mapping,
    check_string,
    shown,
)

_TENSOR = "__keras_tensor__"
_IGNORED = ("training", "mask")
"""Arguments of a call that say nothing: `fit`, `evaluate` and `predict` give `training` themselves."""


class Tensor(NamedTuple):
    """An output of a call: of which layer, of which of its calls, which of its outputs."""

    layer: str
    node: int
    output: int


class Node(NamedTuple):
    """One call."""

    tensors: list[Tensor]
    keys: list[str] | None = None
    """The names that the tensors were given by, if by names."""
    is_list: bool = False
    """Whether it is written as tf.keras 2 does."""


def write_node(
    tensors: Sequence[Tensor], shapes: Sequence[Shape], dtype: str, form: str, names: Sequence[str]
) -> dict[str, Any]:
    """One call as Keras 3 writes it.

    Args:
      tensors, shapes: what the layer took.
      dtype: of the tensors.
      form: "one", "list" or "dict": what the layer takes.
      names: of a model's inputs, for a dict.
    """
    written = [
        {
            "class_name": _TENSOR,
            "config": {"shape": [None, *shape], "dtype": dtype, "keras_history": list(tensor)},
        }
        for tensor, shape in zip(tensors, shapes, strict=True)
    ]
    if form == "dict":
        return {"args": [dict(zip(names, written, strict=True))], "kwargs": {}}
    return {"args": [written] if form == "list" else written, "kwargs": {}}


def read_nodes(value: Any, where: str) -> list[Node]:
    """The calls of a layer."""
    return [_read_node(each, where) for each in check_list([] if value is None else value, where)]


def _read_node(value: Any, where: str) -> Node:
    if isinstance(value, list):
        return _read_listed(value, where)
    call = check_mapping(value, where)
    check_keys(call, ("args", "kwargs"), where)
    arguments = check_list(call.get("args", []), where)
    named = dict(check_mapping(call.get("kwargs", {}), where))
    if not arguments and "inputs" in named:
        arguments = [named.pop("inputs")]
    for name in _IGNORED:
        if not _says_nothing(named.pop(name, None)):
            raise KerasFileError(f"{where}: {name}: masks and computed modes are not supported.")
    if named or len(arguments) != 1:
        raise KerasFileError(f"{where}: expected the inputs alone, got {shown(named or arguments)}.")
    return _read_argument(arguments[0], where)


def _says_nothing(value: Any) -> bool:
    """Whether there is no mask for any input, or a mode that `fit` and `predict` override."""
    each = value.values() if isinstance(value, dict) else value if isinstance(value, list) else [value]
    return all(one is None or isinstance(one, bool) for one in each)


def _read_argument(value: Any, where: str) -> Node:
    """The one argument of a call: a tensor, a list, or an object of them."""
    if isinstance(value, list):
        return _with_inputs(Node([_read_object(each, where) for each in value]), where)
    entry = check_mapping(value, where)
    if entry.get("class_name") == _TENSOR:
        return Node([_read_object(entry, where)])
    names = sorted(entry)
    return _with_inputs(Node([_read_object(entry[name], where) for name in names], names), where)


def _with_inputs(node: Node, where: str) -> Node:
    if not node.tensors:
        raise KerasFileError(f"{where}: expected at least one input.")
    return node


def _read_object(value: Any, where: str) -> Tensor:
    entry = check_mapping(value, where)
    if entry.get("class_name") != _TENSOR:
        raise KerasFileError(f"{where}: expected a tensor of the model, got {shown(value)}.")
    return read_tensor(check_mapping(entry.get("config"), where).get("keras_history"), where)


def _read_listed(value: list[Any], where: str) -> Node:
    tensors = []
    for each in value if value and isinstance(value[0], list) else [value]:
        entry = check_list(each, where)
        if len(entry) == 4 and entry[3] not in ({}, {"training": None}, {"mask": None}):
            raise KerasFileError(f"{where}: expected the inputs alone, got {shown(entry[3])}.")
        tensors.append(read_tensor(entry[:3], where))
    return _with_inputs(Node(tensors, None, True), where)


def is_tensor(value: Any) -> bool:
    """Whether a value is one [layer, node, tensor]."""
    return isinstance(value, list) and len(value) == 3 and isinstance(value[0], str)


def read_tensor(value: Any, where: str) -> Tensor:
    """[layer, node, tensor]."""
    if not is_tensor(value):
        raise KerasFileError(f"{where}: expected [layer, call, output], got {shown(value)}.")
    layer, node, output = value
    return Tensor(check_string(layer, where), check_count(node, where, 0), check_count(output, where, 0))
