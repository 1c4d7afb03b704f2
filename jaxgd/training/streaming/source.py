"""`RowSource`: rows that are read block by block. What a block is, a file or a row group, its maker knows."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import numpy as np


class StreamError(OSError):
    """Rows that could be read when a run began cannot be read any more; the message names the file.

    >>> issubclass(StreamError, OSError)
    True
    """


class RowSource(ABC):
    """Rows in blocks, the same in every pass. Give one to `fit`, `evaluate` or `predict` in the place of `x`.

    `jaxgd.stream` makes one of files. For rows from elsewhere, derive a class:

    >>> import numpy as np
    >>> class Squares(RowSource):
    ...     block_rows = (3, 3)
    ...     def read(self, block):
    ...         x = np.arange(3 * block, 3 * block + 3, dtype=np.float32)[:, None]
    ...         return {"x": x, "y": x**2}
    ...     def describe(self):
    ...         return {"what": "squares", "version": 1}
    >>> Squares().num_rows, Squares().read(1)["y"].ravel().tolist()
    (6, [9.0, 16.0, 25.0])
    """

    window_rows: int | None = None
    """Rows in memory at a time, rounded up to whole batches; None for about 64 MiB."""

    @property
    @abstractmethod
    def block_rows(self) -> tuple[int, ...]:
        """How many rows each block has, at least one. Blocks are what is read and shuffled as a whole."""

    @abstractmethod
    def read(self, block: int) -> Mapping[str, Any]:
        """The rows of a block: `x`, `y` (None without targets) and, if wanted, `sample_weight`.

        Called from a thread of its own, one block at a time.

        Raises:
          StreamError: they are not what they were.
        """

    def sample(self) -> Mapping[str, Any]:
        """A row with the names, dtypes and shapes of all; its numbers are not looked at.

        Override it where a row costs less than a block does.
        """
        return cut(self.read(0), 0, 1)

    def expect_passes(self, count: int) -> None:
        """Told before so many passes over the rows: a source may keep what it will be asked for again."""
        return None

    @abstractmethod
    def describe(self) -> Mapping[str, Any]:
        """What the rows are, in plain values: a checkpoint of a run on other rows is refused by them."""

    def row_number(self, block: int, row: int) -> int:
        """The number by which a user knows a row of a block."""
        return sum(self.block_rows[:block]) + row

    @property
    def num_rows(self) -> int:
        """Rows of all blocks."""
        return sum(self.block_rows)

    def check_alone(self, y: Any, sample_weight: Any) -> None:
        """Raises ValueError for arrays beside a source, which has targets and weights of its own."""
        for name, value in (("y", y), ("sample_weight", sample_weight)):
            if value is not None:
                raise ValueError(f"{name}: expected none beside a source, which has its own.")


class Part(RowSource):
    """The rows from `start` to `stop` of a source, without the blocks that have none of them."""

    def __init__(self, source: RowSource, start: int, stop: int) -> None:
        self.source, self.start, self.stop = source, start, stop
        self.window_rows = source.window_rows
        ends = np.cumsum(source.block_rows)
        begins = ends - source.block_rows
        low, high = np.maximum(begins, start) - begins, np.minimum(ends, stop) - begins
        cuts = zip(range(len(low)), low.tolist(), high.tolist(), strict=True)
        self._cuts = [each for each in cuts if each[2] > each[1]]

    @property
    def block_rows(self) -> tuple[int, ...]:
        return tuple(high - low for _, low, high in self._cuts)

    def read(self, block: int) -> Mapping[str, Any]:
        of, low, high = self._cuts[block]
        return cut(self.source.read(of), low, high)

    def sample(self) -> Mapping[str, Any]:
        return self.source.sample()

    def expect_passes(self, count: int) -> None:
        self.source.expect_passes(count)

    def describe(self) -> Mapping[str, Any]:
        return {**self.source.describe(), "rows": [self.start, self.stop]}

    def row_number(self, block: int, row: int) -> int:
        of, low, _ = self._cuts[block]
        return self.source.row_number(of, low + row)


def cut(rows: Mapping[str, Any], low: int, high: int) -> dict[str, Any]:
    """Some of the rows of a block; several inputs or targets are lists or dicts of arrays."""

    def one(value: Any) -> Any:
        if isinstance(value, Mapping):
            return {name: one(each) for name, each in value.items()}
        if isinstance(value, list | tuple):
            return [one(each) for each in value]
        return None if value is None else value[low:high]

    return {name: one(value) for name, value in rows.items()}
