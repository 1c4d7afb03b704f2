"""The host's side of a streamed run: program, state and checkpoints of `fit`, a window at a time."""

from dataclasses import replace
from typing import Any

import jax.numpy as jnp
import numpy as np

from jaxgd._programs import Compiled
from jaxgd._types import PyTree
from jaxgd.training.batching import Batches
from jaxgd.training.checkpointing import Position
from jaxgd.training.evaluation import Summed
from jaxgd.training.host_loop import HostLoop, Outlook
from jaxgd.training.pace import FOREVER
from jaxgd.training.run import RunState
from jaxgd.training.streaming.evaluating import StreamSums
from jaxgd.training.streaming.feed import Feed
from jaxgd.training.streaming.order import StreamOrder
from jaxgd.training.streaming.windows import Window


class StreamLoop(HostLoop):
    """`HostLoop` whose data and order are those of one window.

    A chunk of the run ends with the window at the latest. If validation streams too, the program is told of
    no end of the epoch: it stops behind the last batch, the host sums up the validation, and one more call,
    without a step, closes the epoch.

    Args:
      feed: the windows of the training rows.
      streamed: sums up the validation rows, or None where they are in memory or there are none.
      template: the data of some rows, for names, dtypes and shapes.
      rest: the arguments of `HostLoop`, by name.
    """

    def __init__(self, feed: Feed, streamed: StreamSums | None, template: PyTree, **rest: Any) -> None:
        self.feed = feed
        self.streamed = streamed
        self.window: Window | None = None
        order: StreamOrder = feed.reader.order
        super().__init__(training=template, order=None, **rest)
        if streamed is not None:
            self.columns = ("loss", *self.columns[1:], *(f"val_{name}" for name in self.columns))
        self.num_rows = order.num_rows
        self.steps_per_epoch = order.steps

    def _start(self, train: Any, initial_epoch: int) -> RunState:
        state = super()._start(train, initial_epoch)
        if self.streamed is not None:
            self.validation = Summed(self.streamed.zeros(train.params))
        return state

    def _compile(self, state: RunState) -> Compiled:
        self._enter(state)
        return super()._compile(state)

    def _advance(self, outlook: Outlook, position: Position) -> Position:
        self._ready_for(position.state)
        return super()._advance(outlook, position)

    def _to_epoch(self, program: Compiled, state: RunState, epoch: int) -> RunState:
        while int(state.epoch) < epoch:
            self._ready_for(state)
            limits = self._limits(int(state.epoch) + 1, self._stop(state))
            state = program.call(*self._arguments(state, limits))[0]
        return state

    def _ready_for(self, state: RunState) -> None:
        """The window in which a state stands; behind the last batch the validation too."""
        self._enter(state)
        if self.streamed is not None and self._closes(state):
            self.validation = Summed(self.streamed.sums(state.train.params))
            self.order = replace(self.order, steps=jnp.int32(self.steps_per_epoch))

    def _enter(self, state: RunState) -> None:
        order: StreamOrder = self.feed.reader.order
        wanted = min(int(state.epoch), max(self.epochs - 1, 0)), order.window_of(int(state.batch))
        if self.window is None or (self.window.epoch, self.window.number) != wanted:
            self.window = None  # let go of the rows before the next ones are waited for
            self.data = {}
            self.window = self.feed.get(*wanted)
        steps = self.steps_per_epoch if self.streamed is None else FOREVER
        self.data = self.window.data
        self.order = Batches(
            self.window.schedule,
            jnp.int32(self.window.first),
            jnp.int32(steps),
            self.num_rows % self.spec.batch_size != 0,
        )

    def _closes(self, state: RunState) -> bool:
        return int(state.batch) == self.steps_per_epoch

    def _stop(self, state: RunState) -> int:
        """The step at which the window ends."""
        if self.window is None or self._closes(state):
            return FOREVER
        return int(state.train.step) + self.window.stop - int(state.batch)

    def _next_step(self, outlook: Outlook, state: RunState) -> int:
        return min(super()._next_step(outlook, state), self._stop(state))

    def _last_epoch(self, state: RunState) -> int:
        return min(super()._last_epoch(state), int(state.epoch) + 1)

    def _row_numbers(self, places: np.ndarray) -> np.ndarray:
        if self.window is None:
            return places
        source = self.feed.reader.source
        return np.asarray([source.row_number(*each) for each in self.window.origins(places)], np.int64)
