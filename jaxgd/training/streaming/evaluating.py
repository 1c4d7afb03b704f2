"""Evaluation and prediction of a source, window by window: the same sums and outputs as in one pass."""

from collections.abc import Iterator, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxgd._programs import compiled
from jaxgd._types import Array, Params, PyTree
from jaxgd.model_base import Model
from jaxgd.training.evaluation import (
    EvaluationSpec,
    add_batch,
    close,
    evaluation_spec,
    fetch,
    model_scalars,
    predicted,
)
from jaxgd.training.objective import Objective, make_objective
from jaxgd.training.run import zero_sums
from jaxgd.training.streaming.feed import Feed
from jaxgd.training.streaming.order import StreamOrder
from jaxgd.training.streaming.source import RowSource
from jaxgd.training.streaming.windows import (
    ReadyFn,
    Window,
    WindowReader,
    on_host,
    ready_for,
    ready_input,
    ready_rows,
    window_rows,
)


class StreamSums:
    """The sums of an objective over all rows of a source.

    Args:
      objective: at inference.
      source: of the rows.
      batch_size: rows of a step.
    """

    def __init__(self, objective: Objective, source: RowSource, batch_size: int) -> None:
        self.objective = objective
        self.source = source
        self.batch_size = min(batch_size, source.num_rows)
        self.ready = ready_for(objective)
        self.template = first_row(source, self.ready)

    def zeros(self, params: Params) -> PyTree:
        """Before the first batch."""
        return zero_sums(self.objective, params, self.template, self.batch_size)

    def sums(self, params: Params) -> PyTree:
        """Over all rows. Raises what the source raises."""
        spec = evaluation_spec(self.objective, self.batch_size)
        padded = self.source.num_rows % self.batch_size != 0
        sums, scalars = self.zeros(params), model_scalars(self.objective.model)
        size = window_rows(self.source.window_rows, self.batch_size, self.source.num_rows, self.template)
        for window in _windows(self.source, self.ready, self.batch_size, size):
            count = jnp.int32(window.stop - window.first)
            arguments = (scalars, params, sums, window.data, window.schedule, count)
            sums = compiled(_add_window, (spec, padded), arguments).call(*arguments)
        return sums


def evaluate_stream(
    model: Model, params: Params, source: RowSource, batch_size: int, **of_objective: Any
) -> dict[str, Any]:
    """`evaluate` of a source; `of_objective` are the losses and metrics."""
    targets = first_row(source, ready_rows(model, None))["y"]
    objective = make_objective(model, training=False, targets=targets, **of_objective)
    sums = StreamSums(objective, source, batch_size).sums(params)
    values = jax.jit(lambda sums: close(objective, sums))(sums)
    return {name: float(value) if value.ndim == 0 else np.asarray(value) for name, value in values.items()}


def predict_stream(model: Model, params: Params, source: RowSource, batch_size: int) -> Iterator[Any]:
    """The outputs of the rows in their order, some rows at a time: [rows, outputs] each, as `predict`."""
    ready = ready_input(model)
    size = min(batch_size, source.num_rows)
    rows = window_rows(source.window_rows, size, source.num_rows, first_row(source, ready))
    static, scalars = (jax.tree.structure(model), size), model_scalars(model)
    for each in _windows(source, ready, size, rows):
        arguments = (scalars, params, each.data["x"])
        outputs = compiled(predicted, static, arguments).call(*arguments)
        last = each.segments[-1]
        count = last.place + last.stop - last.start
        yield jax.tree.map(lambda array, count=count: np.asarray(array)[:count], outputs)


def first_row(source: RowSource, ready: ReadyFn) -> dict[str, PyTree]:
    """The first row of a source, for names, dtypes and shapes. Raises ValueError for what does not fit."""
    if not source.num_rows:
        raise ValueError("x: expected a source with rows, got one with none.")
    try:
        return on_host(ready, source.sample())
    except ValueError:
        on_host(ready, source.read(0))  # says the same of the shape that its user knows
        raise


def _windows(source: RowSource, ready: ReadyFn, batch_size: int, size: int) -> Iterator[Window]:
    """All rows in order, once."""
    order = StreamOrder(source.block_rows, batch_size, size)
    with Feed(WindowReader(source, order, ready), epochs=1) as feed:
        for number in range(order.num_windows):
            yield feed.get(0, number)


def _add_window(
    static: tuple[EvaluationSpec, bool],
    scalars: list[Array],
    params: Params,
    sums: PyTree,
    data: Mapping[str, Array],
    schedule: Array,
    count: Array,
) -> PyTree:
    """The sums with the first `count` batches of a window."""
    spec, padded = static
    model = jax.tree.unflatten(spec.model, scalars)
    objective = Objective(model, spec.loss, spec.metrics, spec.weighted_metrics, training=False)

    def one(place: Array, sums: PyTree) -> PyTree:
        batch = fetch(data, schedule[place], padded)
        loss, aux = objective(params, batch)
        return add_batch(sums, loss, objective.rows(batch), aux.record)

    return jax.lax.fori_loop(0, count, one, sums)
