"""Plain optimizers and learning-rate schedules: jaxgd's and Keras's configurations of them."""

import inspect
import re
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

from jaxgd import optimizers, schedules
from jaxgd.keras_files.descriptions import plain
from jaxgd.keras_files.errors import (
    KerasFileError,
    check_flag,
    check_keys,
    check_list,
    check_mapping,
    check_string,
    failing_in,
    shown,
)
from jaxgd.keras_files.objects import Entry, make_entry, parse_entry
from jaxgd.optimizers import Optimizer, OptimizerState
from jaxgd.schedules import Schedule

_INTEGERS = frozenset(
    {
        "ema_overwrite_frequency",
        "gradient_accumulation_steps",
        "dynamic_growth_steps",
        "ns_steps",
        "warmup_steps",
    }
)
_FORMS = ("documented", "starts_at_zero")
_OURS = ("constants", "exclude_from_weight_decay", *_FORMS)
"""Settings that Keras's configurations do not have; they stand in the file's metadata."""

_PATTERN = re.compile(r"[\w./:^$|*-]{0,100}")


def write_plain(optimizer: Optimizer, state: OptimizerState) -> dict[str, Any]:
    """Keras's configuration of an optimizer, with the learning rate that the state has by now."""
    class_name = optimizer.rule.class_name
    if class_name not in optimizers.class_names():
        raise KerasFileError(f"optimizer: {class_name} has no configuration in Keras's format.")
    rate = _exact(optimizer.settings["learning_rate"], state.hyperparameters.get("learning_rate"))
    config = {
        name: _setting(name, value) for name, value in optimizer.config().items() if name != "learning_rate"
    }
    return make_entry("keras.optimizers", class_name, {**config, "learning_rate": _written_rate(rate)})


def _setting(name: str, value: Any) -> Any:
    value = plain(value, f"optimizer: {name}")
    is_integer = isinstance(value, int) and not isinstance(value, bool)
    return float(value) if is_integer and name not in _INTEGERS else value


def _exact(given: Any, current: Any) -> Any:
    """The schedule as it was given, if the state's is the same in float32; else the rate of the state."""
    same_kind = isinstance(given, Schedule) and type(given) is type(current)
    if not same_kind or jax.tree.structure(given) != jax.tree.structure(current):
        return current
    pairs = zip(jax.tree.leaves(given), jax.tree.leaves(current), strict=True)
    return given if all(np.float32(one) == np.float32(other) for one, other in pairs) else current


def _written_rate(rate: Any) -> Any:
    if isinstance(rate, Schedule) and rate.class_name in schedules.names():
        return make_entry("keras.optimizers.schedules", rate.class_name, rate.config())
    if rate is None or callable(rate) or np.ndim(rate):
        raise KerasFileError(
            "optimizer: learning_rate: only a number or one of Keras's schedules "
            f"({', '.join(schedules.names())}) can be written."
        )
    return float(rate)


def read_plain(entry: Entry, ours: Mapping[str, Any], where: str) -> Optimizer:
    """The optimizer behind Keras's configuration.

    Args:
      entry: the configuration.
      ours: the settings that only jaxgd has, from the file's metadata.
      where: for messages.
    """
    by_name = {name.lower(): name for name in optimizers.class_names()}
    class_name = by_name.get(entry.class_name.lower())
    if class_name is None:
        raise KerasFileError(
            f"{where}: {shown(entry.class_name)} is not an optimizer that jaxgd reads. "
            f"Known: {', '.join(optimizers.class_names())}. load(path, training=False) leaves it out."
        )
    parameters = inspect.signature(optimizers.factory(class_name)).parameters
    settings = {
        name: _read_setting(name, each, parameters, f"{where}: {name}") for name, each in entry.config.items()
    }
    with failing_in(where):
        return optimizers.from_config(class_name, {**settings, **_read_ours(ours, where)})


def _read_setting(name: str, value: Any, parameters: Mapping[str, inspect.Parameter], where: str) -> Any:
    """One setting, of the type that its default has."""
    if name not in parameters or name in _OURS:
        raise KerasFileError(f"{where}: unknown setting, = {shown(value)}.")
    if name == "learning_rate" and isinstance(value, dict):
        return _read_schedule(value, where)
    if isinstance(value, list):
        return tuple(checked_pattern(each, where) for each in value)
    default = parameters[name].default
    if isinstance(value, dict) or isinstance(default, bool) != isinstance(value, bool):
        raise KerasFileError(f"{where}: expected a value like {default!r}, got {shown(value)}.")
    return value


def _read_schedule(value: dict[str, Any], where: str) -> Schedule:
    entry = parse_entry(value, "keras.optimizers.schedules", where)
    if entry.class_name not in schedules.names():
        raise KerasFileError(f"{where}: {shown(entry.class_name)} is not one of Keras's schedules.")
    with failing_in(where):
        return schedules.get({"class_name": entry.class_name, "config": entry.config})


def checked_pattern(value: Any, where: str) -> str:
    """A regular expression that cannot be made to run for long."""
    pattern = check_string(value, where)
    if not _PATTERN.fullmatch(pattern) or pattern.count("*") > 2:
        raise KerasFileError(f"{where}: {shown(pattern)} is more of a pattern than is read from a file.")
    with failing_in(where):
        re.compile(pattern)
    return pattern


def plain_ours(optimizer: Optimizer) -> dict[str, Any]:
    """The settings of a plain optimizer for the metadata."""
    return {name: plain(optimizer.settings[name], name) for name in _OURS if name in optimizer.settings}


def _read_ours(ours: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Those of the settings that are in the metadata, checked."""
    check_keys(check_mapping(ours, where), _OURS, where)
    settings: dict[str, Any] = {}
    if "constants" in ours:
        settings["constants"] = check_string(ours["constants"], where)
    settings |= {name: check_flag(ours[name], where) for name in _FORMS if name in ours}
    if "exclude_from_weight_decay" in ours:
        patterns = check_list(ours["exclude_from_weight_decay"], where)
        settings["exclude_from_weight_decay"] = tuple(checked_pattern(each, where) for each in patterns)
    return settings
