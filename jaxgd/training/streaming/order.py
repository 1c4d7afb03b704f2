"""Which rows of a source form which window of which epoch: a pure function of seed and epoch.

Shuffled in two levels: the blocks of an epoch come in an order of their own, and so do the rows of each
window of the rows that then stand in line.
"""

import math
from dataclasses import dataclass
from functools import cached_property, partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxgd.training.batching import permutation, steps_per_epoch

_SPREAD = 0xC2B2AE35


class Segment(NamedTuple):
    """Rows `start` to `stop` of a block, which lie in a window from `place` on."""

    block: int
    start: int
    stop: int
    place: int


@dataclass(frozen=True)
class StreamOrder:
    """The windows of every epoch.

    Args:
      block_rows: rows of each block of the source.
      batch_size: rows of a step.
      window_rows: rows of a window, a multiple of the batch size; the last one of an epoch may have less.
      words: uint32[2] from the seed; None keeps the rows as they stand.
    """

    block_rows: tuple[int, ...]
    batch_size: int
    window_rows: int
    words: tuple[int, int] | None = None

    @cached_property
    def num_rows(self) -> int:
        return sum(self.block_rows)

    @property
    def num_windows(self) -> int:
        return math.ceil(self.num_rows / self.window_rows)

    @property
    def steps(self) -> int:
        """Of an epoch."""
        return steps_per_epoch(self.num_rows, self.batch_size)

    @property
    def window_steps(self) -> int:
        """Of a full window."""
        return self.window_rows // self.batch_size

    def window_of(self, batch: int) -> int:
        """The window that holds a batch of an epoch; for the number after the last batch the last window."""
        return min(batch // self.window_steps, self.num_windows - 1)

    def rows_in(self, window: int) -> int:
        """Rows of a window."""
        return min(self.window_rows, self.num_rows - window * self.window_rows)

    def segments(self, epoch: int, window: int) -> list[Segment]:
        """Which rows of which blocks a window is made of, in the order in which they stand in line."""
        blocks = self._shuffled(epoch, 0, len(self.block_rows))
        ends = np.cumsum(np.asarray(self.block_rows)[blocks])
        first = window * self.window_rows
        last = first + self.rows_in(window)
        found, place = [], int(np.searchsorted(ends, first, side="right"))
        while first < last:
            block, stop = int(blocks[place]), int(min(ends[place], last))
            begin = int(ends[place]) - self.block_rows[block]
            inside = first - window * self.window_rows
            found.append(Segment(block, first - begin, stop - begin, inside))
            first, place = stop, place + 1
        return found

    def schedule(self, epoch: int, window: int) -> np.ndarray:
        """int32[window_steps, batch_size]: the places in the window that each batch takes, -1 for none."""
        rows = np.full(self.window_rows, -1, np.int32)
        count = self.rows_in(window)
        rows[:count] = self._shuffled(epoch, 1 + window, count)
        return rows.reshape(self.window_steps, self.batch_size)

    def _shuffled(self, epoch: int, what: int, count: int) -> np.ndarray:
        """The numbers below `count`, in an order that seed, epoch and `what` decide."""
        if self.words is None:
            return np.arange(count, dtype=np.int32)
        words = (self.words[0], (self.words[1] + what * _SPREAD) % 2**32)
        return np.asarray(_permutation(count, jnp.asarray(words, jnp.uint32), jnp.int32(epoch)))


@partial(jax.jit, static_argnums=0)
def _permutation(count: int, words: jax.Array, epoch: jax.Array) -> jax.Array:
    return permutation(words, epoch, count)
