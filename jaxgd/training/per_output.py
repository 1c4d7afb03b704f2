"""Loss and metrics of a model with several outputs: one of each an output, named as Keras names them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp

from jaxgd import losses, metrics
from jaxgd._checks import check_real, unknown_name
from jaxgd._types import Array, PyTree
from jaxgd.layers.base import count_rows


@dataclass(frozen=True)
class OutputLoss:
    """The loss of one output, and how much of it the total has."""

    output: int
    name: str
    """The output's."""
    loss: losses.Loss
    weight: float = 1.0


@dataclass(frozen=True)
class Losses:
    """total = sum over the outputs of weight * loss of the output. Outputs without a loss are left out."""

    each: tuple[OutputLoss, ...]

    @property
    def name(self) -> str:
        """For messages."""
        return ", ".join(f"{one.name}: {one.loss.name}" for one in self.each)

    def of_output(self, output: int) -> losses.Loss | None:
        """The loss of an output, or None."""
        return next((one.loss for one in self.each if one.output == output), None)


@dataclass(frozen=True)
class OutputMetric:
    """A metric of one output; sums and results are the metric's own."""

    output: int
    name: str
    """Of the output."""
    metric: metrics.Metric

    @property
    def direction(self) -> Any:
        """Which way is better."""
        return self.metric.direction

    def sums(self, y: Any, y_pred: Any, **more: Any) -> PyTree:
        """What a batch adds."""
        return self.metric.sums(y, y_pred, **more)

    def result(self, sums: PyTree) -> Array:
        """The metric of all that was summed."""
        return self.metric.result(sums)


@dataclass(frozen=True)
class LossColumn:
    """The history's column of one output's loss, without its weight: the mean over rows.

    Keras: equal where it runs eagerly. Its compiled steps do not know how many rows a batch has if the last
    one is short, and weigh that batch as much as the others; the total is the mean over rows there too.
    """

    output: int
    loss: losses.Loss

    direction = "min"

    def sums(self, y: Any, y_pred: Any, *, weights: Any, row_mask: Any, logits: Any) -> PyTree:
        """What a batch adds."""
        value = self.loss(y, y_pred, sample_weight=weights, logits=logits, row_mask=row_mask)
        rows = jnp.asarray(count_rows(y_pred.shape[0], row_mask, y_pred.dtype), y_pred.dtype)
        return {"total": value * rows, "rows": rows}

    def result(self, sums: PyTree) -> Array:
        """The mean."""
        return sums["total"] / sums["rows"]


def per_output(
    name: str, value: Any, outputs: Sequence[str], is_one: Callable[[Any], bool]
) -> tuple[Any, ...]:
    """One entry for each output.

    Args:
      name: of the argument, for messages.
      value: a dict by the outputs' names, in which some may be missing; a list, one entry an output; None;
        or, if `is_one` says so, one thing for all of them.
      outputs: their names.
    """
    if value is None:
        return (None,) * len(outputs)
    if is_one(value):
        return (value,) * len(outputs)
    if isinstance(value, Mapping):
        for each in value:
            if each not in outputs:
                raise unknown_name(f"output in {name}", each, outputs)
        return tuple(value.get(each) for each in outputs)
    if not isinstance(value, list | tuple) or len(value) != len(outputs):
        raise ValueError(
            f"{name}: the model has the outputs {list(outputs)}; expected a dict by their names or a list of "
            f"{len(outputs)}, got {_shown(value)}."
        )
    return tuple(value)


def _shown(value: Any) -> str:
    """A value of the caller's, short enough for a message."""
    if isinstance(value, list | tuple):
        return f"a list of {len(value)}"
    return f"an array of shape {list(value.shape)}" if hasattr(value, "shape") else repr(value)


def make_losses(
    loss: Any, loss_weights: Any, outputs: Sequence[str], resolve: Callable[[Any, int], losses.Loss]
) -> Losses:
    """The losses of several outputs; one loss alone is that of each.

    Args:
      loss: as `per_output` takes it; None for an output without a loss.
      loss_weights: numbers, likewise; None weighs each 1.
      outputs: their names.
      resolve: resolve(identifier, number of the output) -> loss.
    """
    each = per_output("loss", loss, outputs, lambda value: not isinstance(value, list | tuple | Mapping))
    weights = per_output("loss_weights", loss_weights, outputs, lambda value: False)
    found = tuple(
        OutputLoss(
            index, name, resolve(one, index), 1.0 if weight is None else check_real("loss_weights", weight)
        )
        for index, (name, one, weight) in enumerate(zip(outputs, each, weights, strict=True))
        if one is not None
    )
    if not found:
        raise ValueError(f"loss: expected one for at least one of the outputs {list(outputs)}, got none.")
    return Losses(found)


def make_metrics(
    name: str, value: Any, outputs: Sequence[str], resolve: Callable[[Any, int], metrics.Metric]
) -> tuple[OutputMetric, ...]:
    """The metrics of several outputs: a dict by name, or a list with an entry (one or a list) for each."""
    each = per_output(name, value or None, outputs, lambda value: False)
    return tuple(
        OutputMetric(index, output, resolve(one, index))
        for index, (output, of_output) in enumerate(zip(outputs, each, strict=True))
        for one in (
            () if of_output is None else of_output if isinstance(of_output, list | tuple) else (of_output,)
        )
    )


def columns(
    of_losses: Losses, plain: Sequence[OutputMetric], weighted: Sequence[OutputMetric]
) -> dict[str, OutputMetric | LossColumn]:
    """{column of the history: what it records}, as Keras names them."""
    found: dict[str, OutputMetric | LossColumn] = {}
    if len(of_losses.each) > 1:
        found |= {f"{one.name}_loss": LossColumn(one.output, one.loss) for one in of_losses.each}
    return found | metric_columns(plain, weighted)


def metric_columns(plain: Sequence[Any], weighted: Sequence[Any]) -> dict[str, Any]:
    """{column of the history: metric}; a repeated name gets a number, a weighted one first "weighted_"."""
    found: dict[str, Any] = {}
    for metric in plain:
        found[_free(_column(metric), found)] = metric
    for metric in weighted:
        name = _column(metric)
        found[_free(name if name not in found else _column(metric, "weighted_"), found)] = metric
    return found


def _column(metric: Any, prefix: str = "") -> str:
    if isinstance(metric, OutputMetric):
        return f"{metric.name}_{prefix}{metric.metric.name}"
    return f"{prefix}{metric.name}"


def _free(name: str, taken: Mapping[str, Any]) -> str:
    """The name, with the first number that is free if it is taken."""
    number, free = 0, name
    while free in taken:
        number += 1
        free = f"{name}_{number}"
    return free
