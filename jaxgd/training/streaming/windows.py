"""A window of rows in memory: read, checked, put together on the host and sent to the device."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np

from jaxgd._aligned import aligned_empty
from jaxgd._types import PyTree
from jaxgd.model_base import Model
from jaxgd.training.inputs import check_targets, model_input
from jaxgd.training.objective import Objective
from jaxgd.training.preparing import split_data
from jaxgd.training.streaming.order import Segment, StreamOrder
from jaxgd.training.streaming.source import RowSource

ReadyFn = Callable[[Mapping[str, Any]], dict[str, Any]]
"""From the rows of a block, as its source gives them, to arrays that a program takes."""

WINDOW_BYTES = 64 * 2**20
"""About how many bytes a window has, unless the caller says how many rows."""


@dataclass(frozen=True)
class Window:
    """Rows that are in memory, and how the batches take them.

    Attributes:
      epoch, number: which window of which epoch.
      data: {name: [window_rows, ...]} on the device; rows beyond the last are zero.
      schedule: int32[steps, batch_size] on the device.
      segments: where the rows are from.
      first, stop: the numbers of its first batch within the epoch, and of the first one after it.
    """

    epoch: int
    number: int
    data: dict[str, PyTree]
    schedule: Any
    segments: tuple[Segment, ...]
    first: int
    stop: int

    def origins(self, places: np.ndarray) -> list[tuple[int, int]]:
        """The block of each row of the window, and its place there."""
        starts = np.asarray([each.place for each in self.segments])
        found = [self.segments[which] for which in np.searchsorted(starts, places, side="right") - 1]
        return [
            (each.block, each.start + int(row) - each.place) for each, row in zip(found, places, strict=True)
        ]


class WindowReader:
    """Makes the windows of a source, one after the other; remembers the block that it read last."""

    def __init__(self, source: RowSource, order: StreamOrder, ready: ReadyFn) -> None:
        self.source = source
        self.order = order
        self.ready = ready
        self._last: tuple[int, dict[str, PyTree]] | None = None

    def read(self, epoch: int, number: int) -> Window:
        """A window of an epoch. Raises what the source raises, or ValueError for rows that do not fit."""
        segments = tuple(self.order.segments(epoch, number))
        data: dict[str, PyTree] = {}
        for each in segments:
            rows = self._block(each.block)
            data = data or jax.tree.map(self._empty, rows)
            _fill(data, rows, each)
        _clear(data, self.order.rows_in(number))
        first = number * self.order.window_steps
        return Window(
            epoch=epoch,
            number=number,
            data=jax.device_put(data),
            schedule=jax.device_put(self.order.schedule(epoch, number)),
            segments=segments,
            first=first,
            stop=min(first + self.order.window_steps, self.order.steps),
        )

    def _empty(self, rows: np.ndarray) -> np.ndarray:
        return aligned_empty((self.order.window_rows, *rows.shape[1:]), rows.dtype)

    def _block(self, block: int) -> dict[str, PyTree]:
        if self._last is None or self._last[0] != block:
            self._last = None  # let go of it before the next one is read
            self._last = (block, on_host(self.ready, self.source.read(block)))
        return self._last[1]


def on_host(ready: ReadyFn, rows: Mapping[str, Any]) -> dict[str, PyTree]:
    """The arrays of a block as NumPy's, made without a way over the device."""
    with jax.default_device(jax.local_devices(backend="cpu")[0]):
        return jax.tree.map(np.asarray, ready(rows))


def _fill(data: dict[str, PyTree], rows: dict[str, PyTree], segment: Segment) -> None:
    place, count = segment.place, segment.stop - segment.start

    def copy(into: np.ndarray, of: np.ndarray) -> None:
        into[place : place + count] = of[segment.start : segment.stop]

    jax.tree.map(copy, data, rows)


def _clear(data: dict[str, PyTree], count: int) -> None:
    """Rows beyond the last are zero: nothing that was in memory before may come near the program."""
    for array in jax.tree.leaves(data):
        array[count:] = 0


def ready_rows(model: Model, class_weight: Mapping[Any, Any] | None) -> ReadyFn:
    """What makes x, y and weights of a block into a model's arrays, but for the kind of its targets."""

    def ready(rows: Mapping[str, Any]) -> dict[str, Any]:
        weight = rows.get("sample_weight")
        return split_data(model, rows["x"], rows["y"], weight, class_weight, None, 0.0)[0]

    return ready


def ready_for(objective: Objective, class_weight: Mapping[Any, Any] | None = None) -> ReadyFn:
    """What makes a block into the data of an objective."""
    of_model = ready_rows(objective.model, class_weight)

    def ready(rows: Mapping[str, Any]) -> dict[str, Any]:
        data = of_model(rows)
        return {**data, "y": check_targets(objective, data["y"])}

    return ready


def ready_input(model: Model) -> ReadyFn:
    """What makes a block into the input of a prediction."""
    return lambda rows: {"x": model_input(model, rows["x"])}


def window_rows(given: int | None, batch_size: int, num_rows: int, sample: PyTree) -> int:
    """Rows of a window: a multiple of the batch size, not more than needed for all rows.

    Args:
      given: what was asked for, rounded up; None for about `WINDOW_BYTES`.
      batch_size, num_rows: of the run.
      sample: a block's data.
    """
    leaves = jax.tree.leaves(sample)
    width = sum(leaf.nbytes // max(len(leaf), 1) for leaf in leaves)
    wanted = WINDOW_BYTES // max(width, 1) if given is None else given
    batches = -(-min(wanted, num_rows) // batch_size)
    return max(batches, 1) * batch_size
