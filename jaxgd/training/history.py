"""What a run recorded, a value an epoch."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np

LIMIT = 100_000
"""Epochs that are recorded one by one; of a longer run only every second, fourth, ... epoch is kept."""


@dataclass(frozen=True)
class History(Mapping[str, np.ndarray]):
    """Column name -> one value for each finished epoch, as Keras's `History.history`.

    Columns: "loss", the metrics, and both with "val_" in front if there was validation data. A metric that
    is a vector has a row an epoch.

    A run of more than 100,000 epochs is thinned, so that it stays in bounded memory: kept are the epochs
    whose number is a multiple of the smallest power of two that leaves at most so many, and the last one.
    Which they are depends on the number of epochs alone.

    >>> history = History({"loss": np.array([2.0, 1.0])})
    >>> history["loss"].tolist(), history.epochs, history.last()
    ([2.0, 1.0], 2, {'loss': 1.0})
    """

    columns: Mapping[str, np.ndarray] = field(default_factory=dict)
    thinned: np.ndarray | None = None
    """int64, the numbers of the epochs that are kept, counted from 1; None as long as all are."""

    @classmethod
    def of_rows(cls, columns: Mapping[str, np.ndarray], numbers: np.ndarray) -> "History":
        """From columns and the numbers of the epochs of their rows, as `numbers` gave them."""
        is_thinned = len(numbers) and int(numbers[-1]) != len(numbers)
        return cls(columns, numbers if is_thinned else None)

    def __getitem__(self, name: str) -> np.ndarray:
        return self.columns[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.columns)

    def __len__(self) -> int:
        return len(self.columns)

    def __repr__(self) -> str:
        return f"History({self.summary()})"

    def summary(self) -> str:
        """The number of epochs and the last values, as one line.

        >>> History({"loss": np.array([2.0, 1.0])})
        History(2 epochs, loss 1)
        """
        last = "".join(f", {name} {value:.4g}" for name, value in self.last().items())
        return f"{self.epochs} epochs{last}"

    @property
    def numbers(self) -> np.ndarray:
        """int64, the numbers of the epochs of each row, counted from 1."""
        return np.arange(1, self._rows + 1) if self.thinned is None else self.thinned

    @property
    def epochs(self) -> int:
        """How many epochs were finished."""
        return self._rows if self.thinned is None else int(self.thinned[-1])

    def last(self) -> dict[str, float]:
        """The scalar columns' values after the last epoch; empty before the first."""
        return {name: float(v[-1]) for name, v in self.columns.items() if v.ndim == 1 and len(v)}

    def at(self, epoch: int) -> dict[str, float]:
        """The scalar columns' values after an epoch, counted from 1; empty if it was not kept."""
        found = np.flatnonzero(self.numbers == epoch)
        return {n: float(v[found[0]]) for n, v in self.columns.items() if v.ndim == 1 and len(found)}

    def first(self, epochs: int) -> "History":
        """The history up to an epoch."""
        return self._rows_where(self.numbers <= epochs)

    def extended(self, rows: Mapping[str, np.ndarray]) -> "History":
        """This history with more epochs."""
        more = {name: np.asarray(values) for name, values in rows.items()}
        if self.columns:
            more = {name: np.concatenate([self.columns[name], values]) for name, values in more.items()}
        added = len(next(iter(more.values()), ())) - self._rows
        whole = History(more)
        if self.thinned is None and whole._rows <= LIMIT:
            return whole
        numbers = np.concatenate([self.numbers, self.epochs + np.arange(1, added + 1)])
        return History(more, numbers)._thinner()

    @property
    def _rows(self) -> int:
        return len(next(iter(self.columns.values()), ()))

    def _thinner(self) -> "History":
        stride = 1
        while self.epochs // stride > LIMIT:
            stride *= 2
        numbers = self.numbers
        return self._rows_where((numbers % stride == 0) | (numbers == numbers[-1]))

    def _rows_where(self, kept: np.ndarray) -> "History":
        thinned = None if self.thinned is None else self.thinned[kept]
        return History({name: values[kept] for name, values in self.columns.items()}, thinned)
