"""How long the next chunk of a run shall be, and how long the rest will take."""

import time

import numpy as np

from jaxgd.training.history import History
from jaxgd.training.progress import Progress
from jaxgd.training.run import RunState

FOREVER = np.iinfo(np.int32).max
"""A step or an epoch that no run reaches."""
_SECONDS_A_CHUNK = 0.25


class Pace:
    """How long the next chunk shall be, and how long the rest will take.

    Args:
      num_rows, steps_per_epoch, epochs, initial_epoch: of the run.
      first_step: how many steps were taken before it began.
      step: how many by now, more than that if the run was resumed.
      in_chunks: whether somebody looks in between; a run goes on to its end otherwise.
    """

    def __init__(
        self,
        num_rows: int,
        steps_per_epoch: int,
        epochs: int,
        initial_epoch: int,
        first_step: int,
        step: int,
        in_chunks: bool,
    ) -> None:
        self.rows_per_step = num_rows / steps_per_epoch
        self.epochs = epochs
        self.first_step = first_step
        self.steps = max(epochs - initial_epoch, 0) * steps_per_epoch
        self.start = time.perf_counter()
        self.start_step = step
        self.step = step
        self.chunk = 16
        self.chunk_start = self.start
        self.in_chunks = in_chunks

    def next_step(self) -> int:
        """The step at which the next chunk ends."""
        self.chunk_start = time.perf_counter()
        return self.step + self.chunk if self.in_chunks else FOREVER

    def report(self, state: RunState, history: History) -> Progress:
        """After a chunk: its length is mended so that the next takes a quarter of a second."""
        now = time.perf_counter()
        step = int(state.train.step)
        share = _SECONDS_A_CHUNK / max(now - self.chunk_start, 1e-6)
        self.chunk = max(1, int((step - self.step) * min(share, 8.0)))
        self.step = step
        rate = max(step - self.start_step, 0) / max(now - self.start, 1e-6)
        done = step - self.first_step
        return Progress(
            epoch=int(state.epoch),
            epochs=self.epochs,
            step=done,
            steps=self.steps,
            rows_per_second=rate * self.rows_per_step,
            seconds_left=(self.steps - done) / max(rate, 1e-6),
            history=history,
        )

    def back(self, state: RunState) -> None:
        """The run has gone back to an earlier state."""
        self.start_step -= self.step - int(state.train.step)
        self.step = int(state.train.step)

    def elapsed(self) -> float:
        """Seconds since the first chunk began."""
        return time.perf_counter() - self.start
