"""What a run recorded, a value an epoch."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True)
class History(Mapping[str, np.ndarray]):
    """Column name -> one value for each finished epoch, as Keras's `History.history`.

    Columns: "loss", the metrics, and both with "val_" in front if there was validation data. A metric that
    is a vector has a row an epoch.

    >>> history = History({"loss": np.array([2.0, 1.0])})
    >>> history["loss"].tolist(), history.epochs, history.last()
    ([2.0, 1.0], 2, {'loss': 1.0})
    """

    columns: Mapping[str, np.ndarray] = field(default_factory=dict)

    def __getitem__(self, name: str) -> np.ndarray:
        return self.columns[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.columns)

    def __len__(self) -> int:
        return len(self.columns)

    @property
    def epochs(self) -> int:
        """How many epochs were finished."""
        return len(next(iter(self.columns.values()), ()))

    def last(self) -> dict[str, float]:
        """The scalar columns' values after the last epoch; empty before the first."""
        return {name: float(v[-1]) for name, v in self.columns.items() if v.ndim == 1 and len(v)}

    def first(self, epochs: int) -> "History":
        """The history up to an epoch."""
        return History({name: values[:epochs] for name, values in self.columns.items()})

    def extended(self, rows: Mapping[str, np.ndarray]) -> "History":
        """This history with more epochs."""
        if not self.columns:
            return History({name: np.asarray(values) for name, values in rows.items()})
        return History({name: np.concatenate([self.columns[name], values]) for name, values in rows.items()})
