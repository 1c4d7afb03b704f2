"""What `prepare` and `split_rows` make of a whole table, made by several processes of their shares."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from jaxgd.data.encoding import Encoding
from jaxgd.data.errors import DataError
from jaxgd.data.preparing import feature_names
from jaxgd.data.shares.table import SharedTable
from jaxgd.data.splits import split_rows
from jaxgd.data.streams.facts import ColumnFacts
from jaxgd.data.streams.scan import Wishes, check_gaps, conclude, rows_of_use
from jaxgd.data.table import Table
from jaxgd.data.targets import choose_target

_LEFT_OUT = -1
GatherFn = Callable[[np.ndarray], list[np.ndarray]]
"""From int32[rows of this process] to those of every process."""
RangeFn = Callable[[int], tuple[int, int]]
"""From how many rows train, or are held out, to the first that is this process's and the first beyond."""


@dataclass(frozen=True, eq=False)
class Share:
    """Rows that this process trains on, or that it evaluates.

    Attributes:
      total: of all processes; first: the number of the first one here among them.
      x, y: [rows, features], [rows], as `prepare` gives them.
    """

    total: int
    first: int
    x: np.ndarray
    y: np.ndarray


@dataclass(frozen=True, eq=False)
class SharedRows:
    """What came of it.

    Attributes:
      encoding: the same on every process.
      training, held_out: the shares of this process; None if nothing is held out.
      training_rows: int64, the places in the file of all rows that train.
      kept: how many rows of the file are of use.
    """

    encoding: Encoding
    training: Share
    held_out: Share | None
    training_rows: np.ndarray
    kept: int


def prepare_shared(table: SharedTable, wishes: Wishes, gather: GatherFn, own_range: RangeFn) -> SharedRows:
    """Encoded rows of this process.

    Every process finds the facts of its share, and they are put together; labels of all rows are sent to
    all, for each class has its part of what is held out; rows that a process trains on and that another one
    has read, a few at either end of its share, it reads again.

    Args:
      table: from `read_shared`.
      wishes: as the arguments of `prepare`, with the share that is held out, and the seed.
      gather: sends numbers of rows to all.
      own_range: which rows of those that train, or are held out, are this process's.

    Raises:
      DataError: as `prepare`; the cell is named by its place in the share that it is in.
    """
    facts, kept = _facts(table, wishes)
    target = next(iter(facts))
    num_kept = sum(table.process.exchange(int(kept.sum())))
    encoding = conclude(facts, target, wishes, table.source, table.format, num_kept)
    labels = _labels(table, kept, encoding, wishes, gather)
    which = np.arange(table.num_rows) if labels is None else np.flatnonzero(labels != _LEFT_OUT)
    training, held_out = _split(len(which), labels, which, encoding, wishes)
    _check_enough(table, len(training), own_range)
    train = _rows_of(table, which[training], own_range)
    if any(column.mean is not None for column in encoding.columns):
        encoding = encoding.with_means_of(train[1], table.process.exchange)
    out = None if not len(held_out) else _rows_of(table, which[held_out], own_range)
    return SharedRows(
        encoding,
        _encoded(train, len(training), encoding, wishes),
        None if out is None else _encoded(out, len(held_out), encoding, wishes),
        which[training],
        num_kept,
    )


def _facts(table: SharedTable, wishes: Wishes) -> tuple[dict[str, ColumnFacts], np.ndarray]:
    """What all rows say of each column, the target first, and bool[rows]: which of the share are of use."""
    target = choose_target(table.own, wishes.target)
    used = (target, *feature_names(table.own, target, wishes.categories, wishes.exclude))
    check_gaps(table.own, used, target, wishes)
    kept, _ = rows_of_use(table.own, used, wishes.missing, table.first, wishes.whole())
    wanted = {target, *wishes.categories}
    facts = {name: ColumnFacts(name, name in wanted, wishes.dtype) for name in used}
    for each in facts.values():
        each.add(table.own, kept, np.zeros_like(kept))
    everybody = table.process.exchange([each.to_json() for each in facts.values()])
    for each, of_all in zip(facts.values(), zip(*everybody, strict=True), strict=True):
        facts[each.name] = ColumnFacts.joined([ColumnFacts.from_json(one) for one in of_all])
    return facts, kept


def _labels(
    table: SharedTable, kept: np.ndarray, encoding: Encoding, wishes: Wishes, gather: GatherFn
) -> np.ndarray | None:
    """int32[all rows]: classes, zeros for a regression, `_LEFT_OUT`; None if nobody needs to know."""
    if encoding.task == "regression" and wishes.missing != "drop":
        return None
    labels = np.full(table.own.num_rows, _LEFT_OUT, np.int32)
    rows = np.flatnonzero(kept)
    if len(rows):
        labels[rows] = 0
    if len(rows) and encoding.task != "regression":
        labels[rows] = encoding.encode_target(table.own.take(rows))
    table.process.exchange("the labels")  # whoever cannot go on says so before numbers are sent
    return np.concatenate(gather(labels))


def _split(
    count: int, labels: np.ndarray | None, which: np.ndarray, encoding: Encoding, wishes: Wishes
) -> tuple[np.ndarray, np.ndarray]:
    """Rows that train and rows that are held out, places in those of use: as `split_rows` decides."""
    if not wishes.share:
        return np.arange(count), np.arange(0)
    stratify = None if labels is None or encoding.task == "regression" else labels[which]
    return split_rows(count, wishes.share, wishes.seed, stratify)


def _check_enough(table: SharedTable, count: int, own_range: RangeFn) -> None:
    first, stop = own_range(count)
    if stop <= first:
        raise DataError(
            f"{table.source}: {count} rows that train leave none for process {table.process.number}. Start "
            "fewer processes."
        )


def _rows_of(table: SharedTable, rows: np.ndarray, own_range: RangeFn) -> tuple[int, Table]:
    """The number of the first row of this process, and its rows; the first of all if it has none."""
    first, stop = own_range(len(rows))
    if stop <= first:
        first, stop = 0, 1  # for its shape, as `fit` does
    return first, table.take(rows[first:stop])


def _encoded(rows: tuple[int, Table], total: int, encoding: Encoding, wishes: Wishes) -> Share:
    first, table = rows
    x, y = encoding.encode(table, wishes.dtype), encoding.encode_target(table, wishes.dtype)
    return Share(total, first, x, y)
