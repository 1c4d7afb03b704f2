"""One pass over all blocks: what `prepare` finds out about a table, in bounded memory."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from jaxgd.data import columns
from jaxgd.data.encoding import Encoding
from jaxgd.data.encoding_column import MISSING, EncodingColumn
from jaxgd.data.errors import DataError, unknown
from jaxgd.data.preparing import feature_names, prepare
from jaxgd.data.streams.division import held_out
from jaxgd.data.streams.facts import ColumnFacts
from jaxgd.data.streams.files import Files
from jaxgd.data.streams.index import Place
from jaxgd.data.streams.kinds import INT, kind_of
from jaxgd.data.table import Table, is_missing
from jaxgd.data.targets import choose_target

_GAP_ADVICE = "Give missing='mean' or missing='drop' (--missing mean, --missing drop), or fill them."


class Block(NamedTuple):
    """A block of a stream: where it is, the number of its first row, and how many rows are of use."""

    file: int
    place: Place
    first: int
    training: int
    held_out: int


class Moment(NamedTuple):
    """Mean and variance of numbers of the rows that train."""

    mean: np.ndarray
    variance: np.ndarray


@dataclass(frozen=True, eq=False)
class Scanned:
    """What the pass found out.

    Attributes:
      files: with the kinds of text columns.
      blocks: in order.
      encoding: as `prepare` makes it; means of the rows that train.
      features: mean and variance of each feature, 0 and 1 for features that are 0 or 1 and for constants.
      target: mean and variance of a regression's target, else zeros.
      gaps: columns of features with missing cells.
    """

    files: Files
    blocks: tuple[Block, ...]
    encoding: Encoding
    features: Moment
    target: Moment
    gaps: frozenset[str]


@dataclass(frozen=True)
class Wishes:
    """How a stream is to be understood: as the arguments of `prepare`, and which rows are held out."""

    target: str | None = None
    task: str | None = None
    missing: str = "error"
    categories: Collection[str] = ()
    exclude: Collection[str] = ()
    weight: str | None = None
    dtype: str = "float32"
    share: float = 0.0
    seed: int = 0

    def whole(self) -> "Wishes":
        """The same with nothing held out."""
        return replace(self, share=0.0)


def rows_of_use(
    table: Table, used: Collection[str], missing: str, first: int, wishes: Wishes
) -> tuple[np.ndarray, np.ndarray]:
    """bool[rows] each: the rows of a block that train, and those that are held out."""
    kept = np.ones(table.num_rows, bool)
    if missing == "drop":
        kept = ~np.logical_or.reduce([is_missing(table[name]) for name in used])
    out = held_out(first, table.num_rows, wishes.share, wishes.seed)
    return kept & ~out, kept & out


def check_gaps(table: Table, used: Collection[str], target: str, wishes: Wishes) -> None:
    """Raises DataError for missing cells that have no stand-in."""
    if wishes.missing == "error":
        for name in used:
            columns.check_present(table, name, _GAP_ADVICE)
    if wishes.missing == "mean":
        columns.check_present(
            table, target, "A target has no stand-in: give missing='drop' (--missing drop)."
        )


def conclude(
    found: Mapping[str, ColumnFacts], target: str, wishes: Wishes, where: str, kind: str, num_rows: int
) -> Encoding:
    """What `prepare` concludes from a table, from the facts of its columns; means are still to be found.

    It is asked about a small table of examples from which it concludes the same.

    Args:
      found: of the target and of the features.
      where, kind: the source and the format, for messages.
      num_rows: that are of use.

    Raises:
      DataError: as `prepare`.
    """
    for facts in found.values():
        if not facts.present:
            raise DataError(
                f"{where}, column {facts.name!r}: every cell is missing. Give exclude=[{facts.name!r}]."
            )
        if facts.name not in wishes.categories:
            facts.check_not_mostly_numbers()
    gaps = wishes.missing == "drop" and found[target].gaps
    examples = {name: facts.examples(gaps and name == target) for name, facts in found.items()}
    length = max(2 * len(examples[target]), *(len(each) for each in examples.values()))  # each met twice
    cells = tuple(np.resize(each, length) for each in examples.values())
    prepared = prepare(
        Table(tuple(examples), cells, where, kind),
        target,
        _task(wishes, examples[target], num_rows),
        wishes.missing,
        categories=wishes.categories,
    )
    return prepared.encoding


def _task(wishes: Wishes, target: np.ndarray, num_rows: int) -> str | None:
    """The task asked for; integers of which most are met once are amounts, which examples cannot show."""
    many = len(target) > 2 and 2 * len(target) > num_rows
    return "regression" if wishes.task is None and target.dtype.kind == "i" and many else wishes.task


def scan(files: Files, wishes: Wishes) -> Scanned:
    """Look through all rows once.

    Raises:
      DataError: as `prepare`, with the file and the block that a cell is in; nothing to train on, or nothing
        held out though a share was asked for.
    """
    return _Scan(files, wishes).run()


class _Scan:
    def __init__(self, files: Files, wishes: Wishes) -> None:
        self.files, self.wishes = files, wishes
        if wishes.missing not in MISSING:
            raise unknown("way with missing cells", wishes.missing, MISSING, "missing")
        first = files.table(0, files.indices[0].places[0], files.names)
        self.target = choose_target(replace(first, source=files.where), wishes.target)
        exclude = [*wishes.exclude, *([] if wishes.weight is None else [wishes.weight])]
        self.features = feature_names(
            replace(first, source=files.where), self.target, wishes.categories, exclude
        )
        self.used = (self.target, *self.features)
        wanted = {self.target, *wishes.categories}
        if files.is_text:  # a number may turn out to be text in a later block
            wanted = set(self.used)
        self.facts = {name: ColumnFacts(name, name in wanted, wishes.dtype) for name in self.used}
        self.first_kinds = {name: kind_of(first[name]) for name in self.used}
        self.num_training = 0

    def run(self) -> Scanned:
        blocks, first = [], 0
        for file, index in enumerate(self.files.indices):
            for place in index.places:
                blocks.append(self._look(file, place, first))
                first += place.rows
        self._check_counts(blocks)
        num_rows = sum(block.training + block.held_out for block in blocks)
        where, kind = self.files.where, self.files.kind
        encoding = conclude(self.facts, self.target, self.wishes, where, kind, num_rows)
        encoding = replace(encoding, columns=tuple(map(self._with_mean, encoding.columns)))
        kinds = {name: facts.kind or INT for name, facts in self.facts.items()}
        return Scanned(
            files=replace(self.files, kinds=kinds) if self.files.is_text else self.files,
            blocks=tuple(blocks),
            encoding=encoding,
            features=self._feature_moments(encoding),
            target=self._target_moments(encoding),
            gaps=frozenset(name for name in self.features if self.facts[name].missing),
        )

    def _look(self, file: int, place: Place, first: int) -> Block:
        names = self.used if self.wishes.weight is None else (*self.used, self.wishes.weight)
        likely = {name: facts.kind or self.first_kinds[name] for name, facts in self.facts.items()}
        table = self.files.table(file, place, names, likely)
        training, out = rows_of_use(table, self.used, self.wishes.missing, first, self.wishes)
        check_gaps(table, self.used, self.target, self.wishes)
        if self.wishes.weight is not None:
            columns.check_present(table, self.wishes.weight)
            columns.numbers(table, self.wishes.weight)
        for facts in self.facts.values():
            facts.add(table, training | out, training)
        self.num_training += int(training.sum())
        return Block(file, place, first, int(training.sum()), int(out.sum()))

    def _check_counts(self, blocks: list[Block]) -> None:
        out = sum(block.held_out for block in blocks)
        if not self.num_training and not out:
            raise DataError(f"{self.files.where}: every row has a missing cell, none is left.")
        if not self.num_training or (self.wishes.share and not out):
            total = self.num_training + out
            raise DataError(f"{self.files.where}: {total} rows leave nothing on one side of the split.")

    def _with_mean(self, column: EncodingColumn) -> EncodingColumn:
        if column.mean is None:
            return column
        moments = self.facts[column.name].moments
        if not moments.count:
            raise DataError(f"{self.files.where}, column {column.name!r}: every cell that trains is missing.")
        return replace(column, mean=moments.mean)

    def _feature_moments(self, encoding: Encoding) -> Moment:
        mean, variance = [], []
        for column in encoding.columns:
            facts, plain = self.facts[column.name], column.kind == "number"
            mean += [facts.moments.mean if plain else 0.0] * len(column.feature_names)
            scaled = plain and not facts.is_constant
            variance += [facts.variance(self.num_training) if scaled else 1.0] * len(column.feature_names)
        return Moment(np.array(mean), np.array(variance))

    def _target_moments(self, encoding: Encoding) -> Moment:
        facts = self.facts[self.target]
        if encoding.task != "regression":
            return Moment(np.zeros(1), np.zeros(1))
        return Moment(np.array([facts.moments.mean]), np.array([facts.variance(facts.moments.count)]))
