"""Rows of which every process has its own part already, in the place of an array of all of them."""

from typing import Any

import numpy as np


class OwnRows:
    """The rows of an array that this process trains on; what it knows of the others is how many there are.

    `fit` of several processes takes it as it takes a memory-mapped array, of which it reads these rows alone.

    Args:
      rows: [rows of this process, ...].
      first: the number of the first of them.
      total: rows of all processes.
      identity: of all rows, the same on every process if they were given the same.
    """

    def __init__(self, rows: np.ndarray, first: int, total: int, identity: str) -> None:
        self.rows = rows
        self.first = first
        self.shape = (total, *rows.shape[1:])
        self.dtype = rows.dtype
        self.ndim = rows.ndim
        self.identity = identity

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, which: slice) -> np.ndarray:
        """Some of its own rows, by their numbers among all. Raises IndexError for others."""
        first, stop, _ = which.indices(len(self))
        if not self.first <= first <= stop <= self.first + len(self.rows):
            raise IndexError(f"rows {first} to {stop}: another process has them.")
        return self.rows[first - self.first : stop - self.first]

    def sample(self) -> Any:
        """What stands for a sample of all rows."""
        return np.frombuffer(self.identity.encode(), np.uint8)
