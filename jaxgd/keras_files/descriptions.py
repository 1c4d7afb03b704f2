"""Initializers, regularizers, constraints, activations: jaxgd's descriptions and Keras's configurations."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from jaxgd import activations, constraints, initializers, regularizers
from jaxgd._described import Described
from jaxgd.keras_files.errors import KerasFileError, check_keys, check_string, failing_in, shown
from jaxgd.keras_files.objects import Entry, make_entry, parse_entry

_REGISTRIES: dict[str, Any] = {
    "keras.initializers": initializers,
    "keras.regularizers": regularizers,
    "keras.constraints": constraints,
}
_ACTIVATION_LAYERS: dict[str, tuple[str, dict[str, Any]]] = {
    "ELU": ("elu", {"alpha": 1.0}),
    "LeakyReLU": ("leaky_relu", {"negative_slope": 0.3}),
    "ReLU": ("relu", {"max_value": None, "negative_slope": 0.0, "threshold": 0.0}),
    "Softmax": ("softmax", {"axis": -1}),
}
"""Keras's layers that are an activation with options: class, our name, options with the layer's defaults."""

_KERAS_FORM: dict[str, dict[str, Any]] = {"sparsemax": {"form": "keras"}}
"""The options with which our function of a name is Keras's, where that is not the default."""

ACTIVATION_CLASSES = frozenset(_ACTIVATION_LAYERS)
_LAYER_KEYS = ("name", "trainable", "dtype")


def plain(value: Any, where: str) -> Any:
    """A setting as a JSON value: arrays of no dimension are numbers, tuples are lists."""
    if isinstance(value, tuple | list):
        return [plain(each, where) for each in value]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    array = np.asarray(value)
    if array.ndim or array.dtype.kind not in "fiub":
        raise KerasFileError(f"{where}: {shown(value)} cannot be written in Keras's format.")
    return array.item()


def write_described(module: str, identifier: Any, where: str) -> dict[str, Any] | None:
    """Keras's configuration of an initializer, a regularizer or a constraint."""
    if identifier is None:
        return None
    described = _REGISTRIES[module].get(identifier)
    if not isinstance(described, Described):
        known = ", ".join(_REGISTRIES[module].names())
        raise KerasFileError(f"{where}: {shown(identifier)} cannot be written; use one of {known}.")
    config = {name: plain(value, f"{where}: {name}") for name, value in described.config().items()}
    return make_entry(module, type(described).__name__, config)


def read_described(module: str, value: Any, where: str) -> Any:
    """The description behind Keras's configuration: a name where nothing but defaults was set."""
    if value is None:
        return None
    entry = Entry(value, {}) if isinstance(value, str) else parse_entry(value, module, where)
    registry = _REGISTRIES[module]
    config = {name: tuple(each) if isinstance(each, list) else each for name, each in entry.config.items()}
    for name, each in config.items():
        _check_plain(each, f"{where}: {name}")
    with failing_in(where):
        described = registry.get(entry.class_name, **config)
        hash(described)
        return next((name for name in registry.names() if registry.get(name) == described), described)


def _check_plain(value: Any, where: str) -> None:
    values = value if isinstance(value, tuple) else (value,)
    if not all(each is None or isinstance(each, bool | int | float | str) for each in values):
        raise KerasFileError(f"{where}: expected a plain value, got {shown(value)}.")


def write_activation(identifier: Any, where: str) -> Any:
    """Keras's configuration of a layer's activation: a name, or a layer where options were set."""
    activation = _registered(identifier, where)
    if has_name(activation):
        return activation.name
    class_name, options = activation_layer(activation, where)
    return make_entry("keras.layers", class_name, options)


def has_name(activation: activations.Activation) -> bool:
    """Whether Keras's name alone means this activation."""
    return dict(activation.options) == _KERAS_FORM.get(activation.name, {})


def activation_layer(activation: activations.Activation, where: str) -> tuple[str, dict[str, Any]]:
    """Keras's layer class for an activation with options, and all its options."""
    given = {name: plain(value, f"{where}: {name}") for name, value in activation.options}
    for class_name, (name, defaults) in _ACTIVATION_LAYERS.items():
        if name == activation.name and given.keys() <= defaults.keys():
            return class_name, {**defaults, **given}
    needed = _KERAS_FORM.get(activation.name)
    hint = f" Keras's {activation.name} is the one with {needed}." if needed else ""
    raise KerasFileError(f"{where}: Keras's format has no place for {activation!r}.{hint}")


def read_activation(value: Any, where: str) -> Any:
    """The activation behind Keras's configuration: None if linear, else a name, or an `Activation`."""
    if value is None or value == "linear":
        return None
    if isinstance(value, str):
        return _known_name(value, where)
    if isinstance(value, Mapping) and value.get("class_name") == "function":
        name = check_string(value.get("config"), f"{where}: config")
        return _known_name(name, where)
    entry = parse_entry(value, "keras.layers", where)
    if entry.class_name not in _ACTIVATION_LAYERS:
        raise KerasFileError(f"{where}: {shown(entry.class_name)} is not an activation that jaxgd knows.")
    return read_activation_layer(entry, where)


def read_activation_layer(entry: Entry, where: str) -> Any:
    """The activation that a layer such as LeakyReLU stands for: a name if its options are the defaults."""
    name, defaults = _ACTIVATION_LAYERS[entry.class_name]
    check_keys(entry.config, (*defaults, *_LAYER_KEYS), where)
    options = {each: entry.config.get(each, default) for each, default in defaults.items()}
    for each, option in options.items():
        _check_option(option, defaults[each], f"{where}: {each}")
    with failing_in(where):
        activation = activations.get(name, **options)
    return activation if activation.options else name


def _check_option(value: Any, default: Any, where: str) -> None:
    kinds = int if isinstance(default, int) else (int, float)
    if value != default and (isinstance(value, bool) or not isinstance(value, kinds)):
        raise KerasFileError(f"{where}: expected a number, got {shown(value)}.")


def _known_name(name: str, where: str) -> Any:
    if name not in activations.names(aliases=True):
        raise KerasFileError(f"{where}: {shown(name)} is not an activation of Keras.")
    return activations.get(name, **_KERAS_FORM[name]) if name in _KERAS_FORM else name


def _registered(identifier: Any, where: str) -> activations.Activation:
    """An activation of this package."""
    activation = activations.get(identifier)
    if getattr(activations, activation.name, None) is not activation.function:
        raise KerasFileError(
            f"{where}: {activation!r} cannot be written; use one of {', '.join(activations.names())}."
        )
    return activation
