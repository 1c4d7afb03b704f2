"""Keras's `compile_config` of a whole model: losses, their weights and metrics of one output or several."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from jaxgd.graphs import Graph
from jaxgd.keras_files.compiling import LOST, read_loss, read_metrics, write_loss, write_metrics
from jaxgd.keras_files.errors import KerasFileError, check_number, shown
from jaxgd.keras_files.training import KerasTraining
from jaxgd.model_base import Model
from jaxgd.training.per_output import per_output


def read_compiled(compiled: Mapping[str, Any], model: Model) -> dict[str, Any]:
    """What a file was compiled with: loss, loss_weights, metrics, weighted_metrics, as in `KerasTraining`.

    Of several outputs each is a dict by the outputs' names, or one loss for all.
    """
    outputs = model.output_names
    if len(outputs) == 1:
        weights = _only(compiled.get("loss_weights"))
        return {
            "loss": read_loss(_only(compiled.get("loss")), "loss"),
            "loss_weights": None if weights is None else check_number(weights, "loss_weights"),
            "metrics": read_metrics(_flat(compiled.get("metrics")), "metrics"),
            "weighted_metrics": read_metrics(_flat(compiled.get("weighted_metrics")), "weighted_metrics"),
        }
    return {
        "loss": _read_each(compiled.get("loss"), outputs, "loss", read_loss, shared=True),
        "loss_weights": _read_each(compiled.get("loss_weights"), outputs, "loss_weights", _read_weight),
        "metrics": _read_each(compiled.get("metrics"), outputs, "metrics", _read_group) or (),
        "weighted_metrics": _read_each(
            compiled.get("weighted_metrics"), outputs, "weighted_metrics", _read_group
        )
        or (),
    }


def _only(value: Any) -> Any:
    """What belongs to the one output: alone, in a list, or under its name."""
    if isinstance(value, dict) and not _is_thing(value) and len(value) == 1:
        (value,) = value.values()
    return value[0] if isinstance(value, list) and len(value) == 1 else value


def _flat(value: Any) -> Any:
    """Metrics of the one output as one list, however they are nested."""
    if value is None or isinstance(value, str) or _is_thing(value):
        return value if value is None else [value]
    found: list[Any] = []
    for each in value.values() if isinstance(value, dict) else value if isinstance(value, list) else [value]:
        found += each if isinstance(each, list) else [] if each is None else [each]
    return found


def _is_thing(value: Any) -> bool:
    """Whether an object stands for one thing, not for several by name."""
    return isinstance(value, dict) and "class_name" in value


def _read_each(
    value: Any, outputs: Sequence[str], where: str, read: Callable[[Any, str], Any], *, shared: bool = False
) -> Any:
    """{output: what is read for it}, without those that have nothing; None for nothing at all."""
    if value is None:
        return None
    if shared and (isinstance(value, str) or _is_thing(value)):
        return read(value, where)
    try:
        each = per_output(where, value, outputs, lambda one: False)
    except ValueError as error:
        raise KerasFileError(f"{error} load(path, training=False) leaves it out.") from error
    pairs = zip(outputs, each, strict=True)
    return {name: read(one, f"{where}[{name!r}]") for name, one in pairs if one is not None}


def _read_weight(value: Any, where: str) -> float:
    return check_number(value, where)


def _read_group(value: Any, where: str) -> tuple[Any, ...]:
    return read_metrics([value] if _is_thing(value) else value, where)


def write_compiled(training: KerasTraining, model: Model) -> dict[str, Any]:
    """Keras's configuration of loss, loss weights and metrics."""
    outputs = model.output_names
    if len(outputs) == 1:
        return {
            "loss": write_loss(training.loss),
            "loss_weights": training.loss_weights,
            "metrics": write_metrics(training.metrics) or None,
            "weighted_metrics": write_metrics(training.weighted_metrics) or None,
        }
    form = dict if isinstance(model, Graph) and model.output_form == "dict" else list
    loss: Any = training.loss
    if isinstance(loss, Mapping | list | tuple):
        loss = _formed([write_loss(each) for each in _each("loss", loss, outputs)], outputs, form)
    else:
        loss = write_loss(loss)
    weights: Any = None
    if training.loss_weights is not None:
        given = _each("loss_weights", training.loss_weights, outputs)
        weights = _formed([1.0 if one is None else float(one) for one in given], outputs, form)
        if not isinstance(loss, list | dict):  # Keras wants as many losses as weights
            loss = _formed([loss] * len(outputs), outputs, form)
    metrics = {
        name: _written_groups(name, getattr(training, name), outputs, form)
        for name in ("metrics", "weighted_metrics")
    }
    return {"loss": loss, "loss_weights": weights, **metrics}


def _written_groups(name: str, value: Any, outputs: Sequence[str], form: type) -> Any:
    groups = [
        write_metrics([] if each is None else each if isinstance(each, list | tuple) else [each])
        for each in _each(name, value or None, outputs)
    ]
    if form is dict:
        return {output: group for output, group in zip(outputs, groups, strict=True) if group} or None
    return [group or None for group in groups] if any(groups) else None


def _each(name: str, value: Any, outputs: Sequence[str]) -> tuple[Any, ...]:
    return per_output(name, value, outputs, lambda one: False)


def _formed(each: list[Any], outputs: Sequence[str], form: type) -> Any:
    return dict(zip(outputs, each, strict=True)) if form is dict else each


def lost_arguments(config: Any) -> list[str]:
    """What Keras leaves out of a file although it may have been set, one sentence each.

    Args:
      config: a part of the file's configuration, searched at every depth.
    """
    found: dict[str, None] = {}
    pending = [config]
    while pending:
        value = pending.pop()
        if isinstance(value, dict):
            pending += value.values()
            name = value.get("class_name")
            of_class = LOST.get(name, {}) if isinstance(name, str) else {}
            own = value.get("config")
            for argument, default in of_class.items():
                if isinstance(own, dict) and argument not in own:
                    found[
                        f"Keras does not write the {argument} of {shown(name)[1:-1]}; {default!r} is taken."
                    ] = None
        elif isinstance(value, list):
            pending += value
    return sorted(found)
