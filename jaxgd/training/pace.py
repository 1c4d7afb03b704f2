"""How long the next chunk of a run shall be, and how long the rest will take."""

import time

import numpy as np

from jaxgd.training.history import History
from jaxgd.training.progress import Progress, ProgressFn
from jaxgd.training.run import RunState

FOREVER = np.iinfo(np.int32).max
"""A step or an epoch that no run reaches."""
_SECONDS_A_CHUNK = 0.25


class Pace:
    """How long the next chunk shall be, and how long the rest will take."""

    def __init__(
        self, num_rows: int, steps_per_epoch: int, epochs: int, initial_epoch: int, first_step: int
    ) -> None:
        self.rows_per_step = num_rows / steps_per_epoch
        self.epochs = epochs
        self.first_step = first_step
        self.steps = max(epochs - initial_epoch, 0) * steps_per_epoch
        self.start = time.perf_counter()
        self.done = 0
        self.chunk = 16
        self.chunk_start = self.start

    def next_step(self, progress: ProgressFn | None) -> int:
        """The step at which the next chunk ends."""
        self.chunk_start = time.perf_counter()
        return FOREVER if progress is None else self.first_step + self.done + self.chunk

    def report(self, state: RunState, history: History) -> Progress:
        """After a chunk: its length is mended so that the next takes a quarter of a second."""
        now = time.perf_counter()
        done = int(state.train.step) - self.first_step
        share = _SECONDS_A_CHUNK / max(now - self.chunk_start, 1e-6)
        self.chunk = max(1, int((done - self.done) * min(share, 8.0)))
        self.done = done
        rate = done / max(now - self.start, 1e-6)
        return Progress(
            epoch=int(state.epoch),
            epochs=self.epochs,
            step=done,
            steps=self.steps,
            rows_per_second=rate * self.rows_per_step,
            seconds_left=(self.steps - done) / max(rate, 1e-6),
            history=history,
        )

    def elapsed(self) -> float:
        """Seconds since the first chunk began."""
        return time.perf_counter() - self.start
