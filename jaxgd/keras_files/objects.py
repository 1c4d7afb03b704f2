"""Keras's way to write a thing of a class: {module, class_name, config, registered_name}.

A class is known by its name in a fixed table, and only if the file says that it is Keras's own: a class of
the user's may have the same name. No name from a file is ever looked up anywhere else.
"""

from typing import Any, NamedTuple

from jaxgd.keras_files.errors import KerasFileError, check_keys, check_mapping, check_string, shown

_KEYS = ("module", "class_name", "config", "registered_name", "build_config", "shared_object_id", "name",
         "inbound_nodes", "compile_config")  # fmt: skip


class Entry(NamedTuple):
    """One thing of a class, as the file has it."""

    class_name: str
    config: dict[str, Any]


def make_entry(module: str, class_name: str, config: dict[str, Any], **more: Any) -> dict[str, Any]:
    """What the file holds for a thing of one of Keras's classes."""
    return {
        "module": module,
        "class_name": class_name,
        "config": config,
        "registered_name": None,
        **more,
    }


def parse_entry(value: Any, module: str, where: str) -> Entry:
    """The class and the settings of a thing of `module`.

    Raises:
      KerasFileError: it is no such thing, or of a class that is not Keras's.
    """
    entry = check_mapping(value, where)
    check_keys(entry, _KEYS, where)
    class_name = check_string(entry.get("class_name"), f"{where}: class_name")
    found = entry.get("module", module)
    registered = entry.get("registered_name")
    if not _is_keras(found, module) or registered not in (None, class_name):
        origin = registered if registered not in (None, class_name) else f"{found}.{class_name}"
        raise KerasFileError(
            f"{where}: {shown(origin)} is not one of Keras's own; jaxgd runs no code that a file names. "
            "Build the model with jaxgd.layers and take the weights over by hand."
        )
    config = entry.get("config")
    return Entry(class_name, check_mapping({} if config is None else config, f"{where}: config"))


def _is_keras(found: Any, module: str) -> bool:
    if not isinstance(found, str):
        return found is None
    return found == module or found.startswith(f"keras.src.{module.removeprefix('keras').lstrip('.')}")
