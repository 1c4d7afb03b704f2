"""A look at a run from outside, at the end of its epochs; no number of the run depends on it."""

import time
from collections.abc import Callable

import numpy as np

from jaxgd.training.run import RunState
from jaxgd.training.state import TrainState

MOST = 200
"""How often a run is looked at, whatever its length."""

WatchFn = Callable[[int, TrainState], object]
"""Called with the number of finished epochs and the state after them, which it must not keep."""


class Watcher:
    """When a run is looked at: at its start and after every epoch, or after so many epochs spread evenly.

    Chunks of a run end there, which changes no bit of it.

    Args:
      watch: called then.
      epochs: of the run.

    >>> [Watcher(print, 1000).next_epoch(epoch) for epoch in (0, 1, 5, 998, 1000)]
    [5, 5, 10, 1000, 1000]
    """

    def __init__(self, watch: WatchFn, epochs: int) -> None:
        self.watch = watch
        self.stops = np.unique(np.linspace(0, epochs, min(epochs, MOST) + 1).astype(int))
        self.seconds = 0.0

    def next_epoch(self, epoch: int) -> int:
        """The epoch after which the next look is due."""
        place = int(np.searchsorted(self.stops, epoch, side="right"))
        return int(self.stops[min(place, len(self.stops) - 1)])

    def look(self, state: RunState) -> None:
        """Calls the function if the run stands between two epochs and a look is due."""
        if int(state.batch) == 0 and int(state.epoch) in self.stops:
            started = time.perf_counter()
            self.watch(int(state.epoch), state.train)
            self.seconds += time.perf_counter() - started
