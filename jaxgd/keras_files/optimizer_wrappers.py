"""Optimizers around optimizers, and the one way in: `read_optimizer` and `write_optimizer` of any kind."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from jaxgd import optimizers
from jaxgd.keras_files.errors import (
    KerasFileError,
    check_count,
    check_keys,
    check_list,
    check_mapping,
    check_number,
    check_string,
    failing_in,
    shown,
)
from jaxgd.keras_files.hdf5 import check_paths
from jaxgd.keras_files.objects import Entry, make_entry, parse_entry
from jaxgd.keras_files.optimizer_configs import checked_pattern, plain_ours, read_plain, write_plain
from jaxgd.optimizers import Optimizer, OptimizerState
from jaxgd.optimizers.loss_scale import LossScaleOptimizer
from jaxgd.optimizers.multi import MultiOptimizer
from jaxgd.optimizers.schedule_free_adamw import ScheduleFreeAdamWRule

INNER = "optimizer/inner_optimizer/"
"""Where the state of the optimizer inside a LossScaleOptimizer stands."""
_MAX_ROUTES = 100
_STARTS_AT_ZERO = (
    "ScheduleFreeAdamW: where the file does not hold z, it starts at the parameters. Keras's fit of a model "
    "that was just compiled starts it at zero, as schedule_free_adamw(starts_at_zero=True) does; Keras's "
    "load_model at other random weights."
)
_DECAYS_ALL = (
    "Keras does not write what exclude_from_weight_decay was called with; the weight decay is taken to be "
    "that of all parameters."
)


def write_optimizer(optimizer: Optimizer, state: OptimizerState) -> dict[str, Any]:
    """Keras's configuration of an optimizer, with the learning rates that the state has by now.

    Keras's paths of variables are then jaxgd's: a model that Keras read from a file puts no name before them.
    """
    class_name = optimizer.rule.class_name
    if isinstance(optimizer, MultiOptimizer):
        return make_entry("keras.optimizers", class_name, _multi_config(optimizer, state))
    if isinstance(optimizer, LossScaleOptimizer):
        config = dict(optimizer.config())
        config["inner_optimizer"] = write_plain(optimizer.settings["inner"], state)
        config["initial_scale"] = float(config["initial_scale"])
        return make_entry("keras.optimizers", class_name, config)
    return write_plain(optimizer, state)


def _multi_config(optimizer: MultiOptimizer, state: OptimizerState) -> dict[str, Any]:
    routes, default = optimizer.settings["optimizers"], optimizer.settings["default"]
    distinct = list({id(each): each for each in (*routes.values(), default)}.values())
    if len(distinct) < len(routes) + 1:
        raise KerasFileError(
            "optimizer: one optimizer stands for several keys, and Keras's format makes one of each; join "
            "the keys in one pattern."
        )
    states = dict(zip(map(id, distinct), state.shared["optimizers"], strict=True))
    written = {key: write_plain(inner, states[id(inner)]) for key, inner in routes.items()}
    inside = {"default_optimizer": write_plain(default, states[id(default)]), "optimizer_map": written}
    factor = optimizer.settings["loss_scale_factor"]
    return {
        "optimizer_map": make_entry("keras.optimizers", "OptimizerMap", inside),
        "loss_scale_factor": None if factor is None else float(factor),
        "name": optimizer.name,
    }


def read_optimizer(
    value: Any, ours: Mapping[str, Any], where: str, prefix: str = "", paths: Iterable[str] = ()
) -> Optimizer:
    """The optimizer behind Keras's configuration.

    Args:
      value: the configuration, or a name.
      ours: the settings that only jaxgd has, from the file's metadata.
      where: for messages.
      prefix: what Keras's paths of variables have before jaxgd's "layer/leaf" in a model that was not read
        from a file.
      paths: "layer/leaf" of what is trained.
    """
    entry = Entry(value, {}) if isinstance(value, str) else parse_entry(value, "keras.optimizers", where)
    if entry.class_name == "MultiOptimizer":
        return _read_multi(entry.config, ours, where, prefix, tuple(paths))
    if entry.class_name == "LossScaleOptimizer":
        return _read_loss_scale(entry.config, ours, where)
    return read_plain(entry, ours, where)


def _read_inner(value: Any, ours: Mapping[str, Any], where: str) -> Optimizer:
    return read_plain(parse_entry(value, "keras.optimizers", where), ours, where)


def _read_loss_scale(config: Mapping[str, Any], ours: Mapping[str, Any], where: str) -> Optimizer:
    inner = _read_inner(config.get("inner_optimizer"), ours, f"{where}: inner_optimizer")
    scale = check_number(config.get("initial_scale", 2.0**15), f"{where}: initial_scale")
    steps = check_count(config.get("dynamic_growth_steps", 2000), f"{where}: dynamic_growth_steps")
    name = check_string(config.get("name", "loss_scale"), f"{where}: name")
    with failing_in(where):
        return optimizers.loss_scale(inner, scale, steps, name=name)


def with_loss_scale(optimizer: Optimizer, dtype: str, paths: Iterable[str]) -> Optimizer:
    """The LossScaleOptimizer that Keras's `compile` puts around the optimizer of a mixed_float16 model.

    The file describes the optimizer inside alone; only the paths of its state tell of the other.
    """
    if isinstance(optimizer, LossScaleOptimizer) or dtype != "mixed_float16":
        return optimizer
    if not any(path.startswith(INNER) for path in paths):
        return optimizer
    return optimizers.loss_scale(optimizer, name="loss_scale_optimizer")


def _read_multi(
    config: Mapping[str, Any], ours: Mapping[str, Any], where: str, prefix: str, paths: tuple[str, ...]
) -> Optimizer:
    inside = parse_entry(config.get("optimizer_map"), "keras.optimizers", f"{where}: optimizer_map").config
    routes = check_mapping(inside.get("optimizer_map"), f"{where}: optimizer_map")
    if len(routes) > _MAX_ROUTES:
        raise KerasFileError(f"{where}: {len(routes)} keys, more than {_MAX_ROUTES}.")
    check_keys(ours, ("optimizers",), where)
    of_each = [check_mapping(each, where) for each in check_list(ours.get("optimizers", []), where)]
    of_each += [{}] * (len(routes) + 1 - len(of_each))
    if not any(key.startswith(prefix) for key in routes):
        prefix = ""
    keys = [_own_key(key, prefix, where, paths) for key in routes]
    each = zip(keys, routes.values(), of_each, strict=False)
    inner = {key: _read_inner(value, own, f"{where}: {shown(key)}") for key, value, own in each}
    default = _read_inner(
        inside.get("default_optimizer"), of_each[len(routes)], f"{where}: default_optimizer"
    )
    factor, name = config.get("loss_scale_factor"), config.get("name")
    with failing_in(where):
        return optimizers.multi(
            inner,
            default,
            None if factor is None else check_number(factor, f"{where}: loss_scale_factor"),
            None if name is None else check_string(name, f"{where}: name"),
        )


def _own_key(key: str, prefix: str, where: str, paths: tuple[str, ...]) -> str:
    """Keras's key without what its paths have before ours; it must mean the same of all that is trained."""
    inner = key.removeprefix(prefix)
    pattern = re.compile(checked_pattern(inner, where))
    if not key.startswith(prefix) and any(
        bool(pattern.fullmatch(path)) != bool(pattern.fullmatch(prefix + path)) for path in paths
    ):
        raise KerasFileError(f"{where}: {shown(key)} means other parameters without {prefix!r} before them.")
    return inner


def written_ours(optimizer: Optimizer) -> dict[str, Any]:
    """The settings that only jaxgd has, for the metadata."""
    each = [plain_ours(inner) for inner in _plain_ones(optimizer)]
    return {"optimizers": each} if isinstance(optimizer, MultiOptimizer) else each[0]


def _plain_ones(optimizer: Optimizer) -> tuple[Optimizer, ...]:
    """The optimizers that are no wrappers, the default one last."""
    if isinstance(optimizer, MultiOptimizer):
        return (*optimizer.settings["optimizers"].values(), optimizer.settings["default"])
    return (optimizer.settings["inner"] if isinstance(optimizer, LossScaleOptimizer) else optimizer,)


def notes_on(optimizer: Optimizer, written_by_keras: bool) -> tuple[str, ...]:
    """Where the optimizer that Keras had may be another than what was read."""
    plain_ones = _plain_ones(optimizer)
    rules = [each.rule for each in plain_ones]
    notes = []
    if any(isinstance(rule, ScheduleFreeAdamWRule) and not rule.starts_at_zero for rule in rules):
        notes.append(_STARTS_AT_ZERO)
    if written_by_keras and any(each.settings.get("weight_decay") is not None for each in plain_ones):
        notes.append(_DECAYS_ALL)
    return tuple(notes)


def check_divided(optimizer: Optimizer, expected: Iterable[str], found: Iterable[str]) -> None:
    """Raises if a file's state is of other parameters than the model trains, or divided in another way.

    Args:
      optimizer: as it was read.
      expected, found: the paths of its state, and those in the file.
    """
    expected, found = set(expected), set(found)
    if expected == found:
        return
    if isinstance(optimizer, MultiOptimizer):
        keys = ", ".join(shown(key) for key in optimizer.settings["optimizers"])
        raise KerasFileError(
            f"optimizer: the state in the file is not that of the parameters which the keys {keys} match "
            "in a loaded model, where no model's name stands before a path; Keras drops such a state with a "
            "warning. load(path, training=False) leaves it out."
        )
    try:
        check_paths(dict.fromkeys(found), expected)
    except KerasFileError as error:
        raise KerasFileError(
            f"optimizer: {error} Was a layer frozen, or set free, after compile? Keras drops such a state, "
            "with a warning. Compile again in Keras and save; load(path, training=False) leaves it out."
        ) from error
