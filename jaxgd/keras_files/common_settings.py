"""What all layers of a model share, at whatever depth they stand: one dtype, and one model each."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from jaxgd.keras_files.errors import KerasFileError, check_mapping, check_string, shown
from jaxgd.keras_files.objects import Entry, parse_entry

MODELS = {"Sequential": "keras", "Functional": "keras.src.models.functional"}
"""Keras's classes of models that are read, and where they are imported from."""

_EntriesOf = Callable[[Mapping[str, Any], str], list[Entry]]


def common_dtype(root: Entry, entries_of: _EntriesOf) -> str:
    """The name of the policy that all layers have.

    Args:
      root: the model.
      entries_of: entries_of(config of a model, where) -> its layers.
    """
    policies = {_policy(each, where) for each, where in _dtypes(root, None, "", entries_of)}
    if len(policies) > 1:
        raise KerasFileError(
            f"the layers' dtypes differ: {', '.join(sorted(policies))}. Build the model again in Keras with "
            "one of them for all layers, give it the weights by set_weights, and save that."
        )
    return policies.pop() if policies else "float32"


def _policy(value: Any, where: str) -> str:
    """The name of a policy of dtypes: a name, or Keras's configuration of one."""
    if value is None or isinstance(value, str):
        return value or "float32"
    entry = parse_entry(check_mapping(value, f"{where}: dtype"), "keras", f"{where}: dtype")
    if entry.class_name not in ("DTypePolicy", "FloatDTypePolicy"):
        raise KerasFileError(f"{where}: dtype policy {shown(entry.class_name)} is not supported.")
    return check_string(entry.config.get("name"), f"{where}: dtype")


def _dtypes(entry: Entry, default: Any, where: str, entries_of: _EntriesOf) -> Iterator[tuple[Any, str]]:
    """The dtype policies of all layers of a model, at any depth, and where they stand."""
    default = entry.config.get("dtype", default)
    for each in entries_of(entry.config, where):
        place = f"layer {shown(each.config.get('name'))}"
        if each.class_name in MODELS:
            yield from _dtypes(each, default, f"{place}: ", entries_of)
        elif each.class_name != "InputLayer":
            own = each.config.get("dtype", default)
            yield own, place
            activation = each.config.get("activation")  # a layer too, where options were set
            inner = activation.get("config") if isinstance(activation, dict) else None
            if isinstance(inner, dict):
                yield inner.get("dtype", own), place


def check_not_shared(config: dict[str, Any]) -> None:
    """Raises for a layer that stands in two models: Keras marks it, and writes its weights only once."""
    pending = [config]
    while pending:
        layers = pending.pop().get("layers")
        for each in layers if isinstance(layers, list) else []:
            if not isinstance(each, dict) or not isinstance(each.get("config"), dict):
                continue
            pending.append(each["config"])
            if each.get("shared_object_id") is not None:
                name = shown(each["config"].get("name"))
                raise KerasFileError(
                    f"layer {name} belongs to two models, which Keras cannot load either; give each its own."
                )
