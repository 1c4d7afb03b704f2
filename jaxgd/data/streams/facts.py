"""What one pass over the blocks finds out about a column: enough to encode it, of any number of rows."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from jaxgd.data import cells, columns
from jaxgd.data.errors import DataError
from jaxgd.data.streams.kinds import BOOL, INT, TEXT, common_kind, kind_of
from jaxgd.data.table import Table, is_missing, is_numeric
from jaxgd.data.targets import EXACT_IN_FLOAT, MAX_CLASSES

_LARGEST = np.nextafter(2.0**63, 0)
"""The largest float64 that int64 holds."""


@dataclass
class Moments:
    """Count, mean and sum of squared differences, put together block by block (Chan, Golub and LeVeque)."""

    count: int = 0
    mean: float = 0.0
    squares: float = 0.0
    low: float = np.inf
    high: float = -np.inf

    def add(self, values: np.ndarray) -> None:
        """With more values, float64[n]."""
        if not len(values):
            return
        mean = float(values.mean())
        squares = float(np.square(values - mean).sum())
        total = self.count + len(values)
        apart = mean - self.mean
        self.squares += squares + apart * apart * self.count * len(values) / total
        self.mean += apart * len(values) / total
        self.count = total
        self.low, self.high = min(self.low, float(values.min())), max(self.high, float(values.max()))


@dataclass
class ColumnFacts:
    """One column, over all blocks seen so far.

    Args:
      name: of the column.
      distinct: whether its values are wanted, for it is the target or a category; text's always are.
      dtype: in which its numbers are trained on.

    Attributes:
      missing, present: counts of cells in the rows of use.
      gaps: whether a cell is missing in any row, of use or not.
      names: of categories; once there are more than `MAX_CLASSES` no others are looked for.
    """

    name: str
    distinct: bool
    dtype: str
    kind: str | None = None
    moments: Moments = field(default_factory=Moments)
    """Of the numbers of the rows that train."""
    everything: Moments = field(default_factory=Moments)
    """Of the numbers of all rows."""
    whole: bool = True
    missing: int = 0
    present: int = 0
    gaps: bool = False
    names: set[str] = field(default_factory=set)
    numbers_among_text: int = 0
    coded: bool = False
    first_word: tuple[str, str] | None = None
    """Where the first cell is that is no number, and what it says."""

    def add(self, table: Table, kept: np.ndarray, training: np.ndarray) -> None:
        """A block. `kept`, `training`: bool[rows].

        Raises:
          DataError: numbers that are infinite or too large, or changes of kind within one file.
        """
        column = table[self.name]
        absent = is_missing(column)
        self.kind = common_kind(self.kind, kind_of(column))
        self.gaps = self.gaps or bool(absent.any())
        self.missing += int((absent & kept).sum())
        self.present += int((~absent & kept).sum())
        if is_numeric(column):
            self._add_numbers(columns.numbers(table, self.name), ~absent & kept, training)
        elif column.dtype == object:
            self._add_words(table, Counter(column[kept].tolist()))
        if (self.distinct or self.kind in (TEXT, BOOL)) and len(self.names) <= MAX_CLASSES:
            self._add_names(column[kept])

    def _add_names(self, column: np.ndarray) -> None:
        """The categories in cells, until there are too many."""
        some = (
            set(column.tolist()) if column.dtype == object else np.unique(column)[: MAX_CLASSES + 2].tolist()
        )
        for cell in some:
            if len(self.names) > MAX_CLASSES:
                return
            if cell is not None and cell == cell:
                self.names.add(cells.category_name(cell))

    def _add_numbers(self, values: np.ndarray, present: np.ndarray, training: np.ndarray) -> None:
        self.numbers_among_text += int(present.sum())
        self.whole = self.whole and bool((values[present] == np.floor(values[present])).all())
        values = values.astype(self.dtype).astype(np.float64)
        self.everything.add(values[present])
        self.moments.add(values[present & training])

    def _add_words(self, table: Table, counts: Counter) -> None:
        counts.pop(None, None)
        wrong = [cell for cell in counts if not cells.is_number(cell)]
        self.numbers_among_text += sum(counts.values()) - sum(counts[cell] for cell in wrong)
        self.coded = self.coded or any(cells.has_leading_zero(cell) for cell in counts)
        if wrong and self.first_word is None:
            row = table[self.name].tolist().index(wrong[0])
            self.first_word = columns.place(table, self.name, row), wrong[0]

    def to_json(self) -> dict[str, Any]:
        """As JSON takes it."""
        return {**asdict(self), "names": sorted(self.names)}

    @classmethod
    def from_json(cls, found: dict[str, Any]) -> "ColumnFacts":
        """What `to_json` gave."""
        moments = {name: Moments(**found[name]) for name in ("moments", "everything")}
        word = found["first_word"]
        return cls(**{**found, **moments, "names": set(found["names"]), "first_word": word and tuple(word)})

    @classmethod
    def joined(cls, parts: Sequence["ColumnFacts"]) -> "ColumnFacts":
        """Of several parts of the rows, in their order; the moments of what trains are left out."""
        whole = cls(parts[0].name, parts[0].distinct, parts[0].dtype)
        for part in parts:
            whole.kind = common_kind(whole.kind, part.kind or INT)
            whole.everything.low = min(whole.everything.low, part.everything.low)
            whole.everything.high = max(whole.everything.high, part.everything.high)
            whole.whole, whole.coded = whole.whole and part.whole, whole.coded or part.coded
            whole.gaps = whole.gaps or part.gaps
            whole.missing += part.missing
            whole.present += part.present
            whole.names |= part.names
            whole.numbers_among_text += part.numbers_among_text
            whole.first_word = whole.first_word or part.first_word
        whole.names = set(sorted(whole.names)[: MAX_CLASSES + 1])
        return whole

    def check_not_mostly_numbers(self) -> None:
        """Raises DataError for text in which nearly all cells are numbers: a few are mistakes."""
        share = columns.MOSTLY_NUMBERS * self.present
        if self.kind == TEXT and self.first_word and not self.coded and self.numbers_among_text >= share:
            where, cell = self.first_word
            right = f"a number as in {self.numbers_among_text:,} of {self.present:,} cells"
            advice = f"If these are categories, give categories=[{self.name!r}] (--category {self.name})."
            raise DataError(f"{where}: expected {right}, got {cell[:60]!r}. {advice}")

    def examples(self, integers: bool) -> np.ndarray:
        """Cells from which a table's rules conclude the same as from all cells.

        Args:
          integers: numbers with gaps are whole again, for the rows with gaps are left out.
        """
        if self.kind == TEXT:  # at most half of them numbers, as the share has been checked on all cells
            word = [] if self.first_word is None else [self.first_word[1]]
            words = [*sorted(self.names.difference(word))[: MAX_CLASSES + 1 - len(word)], *word]
            padding = word * len(words)
            return np.array([*words, *padding], dtype=object)
        if self.kind == BOOL:
            return np.array([name == "true" for name in sorted(self.names)])
        low, high = self.everything.low, self.everything.high
        again = integers and self.whole and max(-low, high) <= EXACT_IN_FLOAT
        dtype = np.int64 if self.kind == INT or again else np.float64
        if self.distinct and len(self.names) <= MAX_CLASSES:
            parse = int if dtype is np.int64 else float
            return np.sort(np.array([parse(name) for name in self.names], dtype))
        values = np.linspace(low, high, MAX_CLASSES + 1)
        return (values if dtype is np.float64 else np.clip(values, -(2.0**63), _LARGEST)).astype(dtype)

    def variance(self, rows: int) -> float:
        """Of the rows that train, where the mean stands for missing numbers."""
        return self.moments.squares / max(rows, 1)

    @property
    def is_constant(self) -> bool:
        """Whether the rows that train have one number only."""
        return self.moments.low == self.moments.high
