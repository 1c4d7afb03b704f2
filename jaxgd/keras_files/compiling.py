"""Keras's `compile_config`: the loss and the metrics in it, from and to jaxgd's."""

from collections.abc import Callable
from typing import Any

from jaxgd import losses, metrics
from jaxgd.keras_files.descriptions import plain
from jaxgd.keras_files.errors import KerasFileError, check_list, check_string, failing_in, shown
from jaxgd.keras_files.objects import Entry, make_entry, parse_entry
from jaxgd.losses import Loss
from jaxgd.metrics import Metric

_BY_SHAPE_LOSSES = ("crossentropy", "ce")
_BY_SHAPE_METRICS = ("accuracy", "acc")
_LOSSES_THAT_ARE_METRICS = (
    "BinaryCrossentropy", "CategoricalCrossentropy", "CategoricalHinge", "CosineSimilarity", "Hinge",
    "KLDivergence", "LogCosh", "MeanAbsoluteError", "MeanAbsolutePercentageError", "MeanSquaredError",
    "MeanSquaredLogarithmicError", "Poisson", "SparseCategoricalCrossentropy", "SquaredHinge",
)  # fmt: skip
_METRIC_CLASS = {"LogCosh": "LogCoshError"}
_LOSS_CLASS = {ours: theirs for theirs, ours in _METRIC_CLASS.items()}
_NOT_OPTIONS = ("name", "dtype", "reduction")
_ONLY = {("SparseCategoricalCrossentropy", "axis"): -1}
"""Settings that jaxgd does not have, with the one value that is read."""

LOST = {
    "Huber": {"delta": 1.0},
    "CosineSimilarity": {"axis": -1},
    "SparseCategoricalCrossentropy": {"axis": -1},
    "SparseTopKCategoricalAccuracy": {"from_sorted_ids": False},
    "Identity": {"gain": 1.0},
}
"""Arguments that Keras 3 does not write, and what it takes itself when it reads the file."""


def write_loss(identifier: Any) -> Any:
    """Keras's configuration of a loss; a name that the shapes decide stays a name."""
    if identifier is None or _is_one_of(identifier, _BY_SHAPE_LOSSES):
        return identifier
    with failing_in("loss"):
        loss = losses.get(identifier)
    if not loss.explicit:
        raise KerasFileError(
            f"loss: {loss!r} is no loss of Keras and cannot be written; leave `training` out."
        )
    class_name = losses.class_name(loss.name)
    settings = {**LOST.get(class_name, {}), **_options(loss, "loss")}
    return make_entry(
        "keras.losses", class_name, {"name": loss.name, "reduction": loss.reduction, **settings}
    )


def read_loss(value: Any, where: str) -> Any:
    """The `Loss` behind Keras's configuration; None; or a name that the shapes decide."""
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if value is None or _is_one_of(value, _BY_SHAPE_LOSSES):
        return value
    if isinstance(value, str) or _is_function(value):
        name = _name_of(value, where)
        with failing_in(where):
            return losses.get(name)
    entry = parse_entry(value, "keras.losses", where)
    options = _read_options(entry, where)
    with failing_in(where):
        return losses.get(entry.class_name, entry.config.get("reduction", "sum_over_batch_size"), **options)


def write_metrics(identifiers: Any) -> list[Any]:
    """Keras's configurations of metrics; names that the shapes decide stay names."""
    return [_write_metric(each) for each in identifiers]


def _write_metric(identifier: Any) -> Any:
    if _is_one_of(identifier, _BY_SHAPE_METRICS):
        return identifier
    with failing_in("metrics"):
        metric = metrics.get(identifier)
    where = f"metrics: {metric.name!r}"
    config = {"name": metric.name}
    if (loss := metrics.loss_of(metric)) is not None:
        class_name = losses.class_name(loss.name)
        if class_name in _LOSSES_THAT_ARE_METRICS:
            config |= _options(loss, where)
            return make_entry("keras.metrics", _METRIC_CLASS.get(class_name, class_name), config)
    class_name = metrics.class_of(metric)
    if class_name is None:
        raise KerasFileError(f"{where}: it is no metric of Keras and cannot be written.")
    return make_entry("keras.metrics", class_name, config | _options(metric, where))


def read_metrics(value: Any, where: str) -> tuple[Any, ...]:
    """The metrics behind Keras's configurations."""
    if value is None:
        return ()
    each = [value] if isinstance(value, str) else check_list(value, where)
    return tuple(_read_metric(one, f"{where}[{index}]") for index, one in enumerate(each))


def _read_metric(value: Any, where: str) -> Any:
    if _is_one_of(value, _BY_SHAPE_METRICS):
        return value
    if isinstance(value, str) or _is_function(value):
        name = _name_of(value, where)
        with failing_in(where):
            return metrics.get(name)
    entry = parse_entry(value, "keras.metrics", where)
    name = check_string(entry.config.get("name", entry.class_name), f"{where}: name")
    options = _read_options(entry, where)
    class_name = _LOSS_CLASS.get(entry.class_name, entry.class_name)
    with failing_in(where):
        if class_name in _LOSSES_THAT_ARE_METRICS and entry.class_name not in metrics.class_names():
            return metrics.get(losses.get(class_name, **options), name=name)
        return metrics.get(entry.class_name, name=name, **options)


def _is_one_of(value: Any, names: tuple[str, ...]) -> bool:
    return isinstance(value, str) and value.lower() in names


def _is_function(value: Any) -> bool:
    return isinstance(value, dict) and value.get("class_name") == "function"


def _name_of(value: Any, where: str) -> str:
    return check_string(value if isinstance(value, str) else value.get("config"), where)


def _options(thing: Loss | Metric, where: str) -> dict[str, Any]:
    return {name: plain(value, f"{where}: {name}") for name, value in thing.options}


def _read_options(entry: Entry, where: str) -> dict[str, Any]:
    """A class's own settings, lists as tuples."""
    return {
        name: _plain_option(value, f"{where}: {name}")
        for name, value in entry.config.items()
        if name not in _NOT_OPTIONS and not _says_nothing(entry.class_name, name, value)
    }


def _says_nothing(class_name: str, name: str, value: Any) -> bool:
    return (class_name, name) in _ONLY and value == _ONLY[class_name, name]


def _plain_option(value: Any, where: str) -> Any:
    convert: Callable[[Any], Any] = tuple if isinstance(value, list) else lambda single: single
    values = value if isinstance(value, list) else [value]
    if not all(each is None or isinstance(each, bool | int | float | str) for each in values):
        raise KerasFileError(f"{where}: expected a plain value, got {shown(value)}.")
    return convert(value)
