"""`stream`: rows of many files in the place of `x`, for `fit`, `evaluate` and `predict`."""

import hashlib
import json
import os
import warnings
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from jaxgd._checks import check_integer
from jaxgd._compilation_cache import chosen_folder
from jaxgd.data import columns
from jaxgd.data.encoding import Encoding
from jaxgd.data.errors import DataError
from jaxgd.data.streams.files import Files, WarnFn, open_files
from jaxgd.data.streams.index import BadFileError
from jaxgd.data.streams.kinds import FLOAT
from jaxgd.data.streams.passing_rows import PassingPart, PassingRows
from jaxgd.data.streams.rows_cache import RowsCache
from jaxgd.data.streams.scan import Block, Scanned, Wishes, rows_of_use, scan
from jaxgd.data.table import Table
from jaxgd.training.streaming import RowSource, StreamError

PARTS = ("all", "training", "held-out")
OFF = "off"
"""The `rows_cache` that keeps nothing."""

TargetsFn = Callable[[np.ndarray], Any]


def stream(
    where: Any,
    target: str | None = None,
    task: str | None = None,
    missing: str = "error",
    *,
    categories: Collection[str] = (),
    exclude: Collection[str] = (),
    sample_weight: str | None = None,
    dtype: str = "float32",
    window: int | None = None,
    on_bad_file: str = "stop",
    rows_cache: str | os.PathLike[str] | None = None,
) -> "Stream":
    """Rows of Parquet, CSV, TSV or NPY files that need not fit into memory.

    The files are looked through once, now: every block is decoded, types, categories, means and variances
    are what `data.prepare` finds in the concatenated table. Later passes read them again, block by block.

    Args:
      where: a folder, a pattern such as "parts/*.parquet", or a list of paths; rows come in their order.
      target, task, missing, categories, exclude: as in `data.prepare`.
      sample_weight: a column of weights; no feature then.
      dtype: of features, weights, and a regression's target.
      window: rows in memory at a time, rounded up to whole batches; None for about 64 MiB.
      on_bad_file: "stop" refuses a file that cannot be read, "skip" leaves it out, with a warning.
      rows_cache: a folder that keeps the blocks as they are trained on, so that text is parsed, and rows are
        encoded, in the first epoch only. It takes 4 bytes a feature and row (float32). None does so with text
        for as long as this object lives, in a file without a name in the user's cache folder, and takes at
        most a quarter of what is free there; "off" keeps nothing.

    Returns: a `RowSource`: give it to `fit`, `evaluate` or `predict` in the place of `x`.
    Raises:
      DataError: what `data.prepare` raises, with the file it is in; no files; files of several kinds, or with
        different columns or types; one that cannot be read.

    >>> import tempfile, pathlib, numpy as np, jaxgd
    >>> folder = tempfile.TemporaryDirectory()
    >>> for k in range(3):
    ...     rows = np.stack([np.arange(8.0), np.arange(8.0) * 2 + k], axis=1)
    ...     np.save(pathlib.Path(folder.name, f"part-{k}.npy"), rows)
    >>> rows = stream(folder.name)
    >>> rows.num_rows, rows.encoding.task, rows.mean
    (24, 'regression', array([3.5]))
    >>> result = jaxgd.fit(jaxgd.mlp([1, 1]), rows, epochs=3, batch_size=8)
    >>> result.history.epochs
    3
    >>> folder.cleanup()
    """
    if window is not None:
        check_integer("window", window, 1)
    wishes = Wishes(target, task, missing, categories, exclude, sample_weight, dtype)
    return stream_of(where, wishes, on_bad_file, window, rows_cache=rows_cache)


def stream_of(
    where: Any,
    wishes: Wishes,
    on_bad_file: str = "stop",
    window: int | None = None,
    warn: WarnFn | None = None,
    rows_cache: str | os.PathLike[str] | None = None,
) -> "Stream":
    """`stream` with all that can be wished. `warn` is told of files that are left out; None warns."""
    named = None if rows_cache is None or rows_cache == OFF else Path(rows_cache)
    if named is not None and named.exists() and not named.is_dir():
        raise DataError(f"rows_cache: {rows_cache}: expected a folder, or a name that is free.")
    files = open_files(where, on_bad_file, warn_user if warn is None else warn)
    scanned = scan(files, wishes)
    return Stream(
        scanned.files,
        wishes,
        scanned.encoding,
        scanned.blocks,
        scanned=scanned,
        window_rows=window,
        rows_cache=named,
        passing=passing_rows() if rows_cache is None and files.is_text else None,
    )


def passing_rows() -> PassingRows | None:
    """Where rows of text are kept while their stream is in use; None if the user has no cache folder."""
    folder = chosen_folder()
    return None if folder is None else PassingRows(folder)


@dataclass(frozen=True, eq=False)
class Stream(RowSource):
    """Rows of files; made by `stream`.

    Attributes:
      files: what is read.
      wishes: how it is understood.
      encoding: how raw rows become features, and predictions values or class names.
      blocks: of the files, in order.
      part: "all" rows, those that are "training", or those "held-out".
      targets: from encoded targets to what a loss takes.
      scanned: what the pass over the rows found out; None for rows that are encoded as others were.
      with_target: whether targets are read.
      window_rows: rows in memory at a time; None for about 64 MiB.
      rows_cache: the folder in which blocks are kept as they are trained on, or None.
      passing: what keeps them for as long as this object lives, or None.
    """

    files: Files
    wishes: Wishes
    encoding: Encoding
    blocks: tuple[Block, ...]
    part: str = "all"
    targets: TargetsFn | None = None
    scanned: Scanned | None = None
    with_target: bool = True
    window_rows: int | None = None
    rows_cache: Path | None = None
    passing: PassingRows | None = None
    unknown: dict[int, dict[str, int]] = field(default_factory=dict)
    """{block that was read: cells of each column with a category that the encoding does not know}."""

    @property
    def mean(self) -> np.ndarray:
        """float64[features], of the rows that train; 0 for features that are 0 or 1."""
        return self._found.features.mean

    @property
    def variance(self) -> np.ndarray:
        """float64[features], of the rows that train; 1 for constants and for features that are 0 or 1."""
        return self._found.features.variance

    @property
    def skipped(self) -> dict[str, str]:
        """{path: why} of the files that were left out."""
        return dict(self.files.skipped)

    @property
    def names(self) -> tuple[str, ...]:
        """Of the columns of the files."""
        return self.files.names

    @property
    def file_rows(self) -> int:
        """Rows of the files, those that are left out for their gaps included."""
        return sum(block.place.rows for block in self.blocks)

    @cached_property
    def fingerprint(self) -> str:
        """sha256 of the checksums of the files that are read, in their order."""
        whole = "".join(f"{mark.size} {mark.checksum}\n" for mark in self.files.marks)
        return hashlib.sha256(whole.encode()).hexdigest()

    @cached_property
    def block_rows(self) -> tuple[int, ...]:  # pyright: ignore[reportIncompatibleMethodOverride]
        return tuple(count for _, count in self._counted)

    @cached_property
    def _counted(self) -> list[tuple[Block, int]]:
        """The blocks with rows of this part, and how many."""
        counts = [(block, self._count(block)) for block in self.blocks]
        return [(block, count) for block, count in counts if count]

    def _count(self, block: Block) -> int:
        parts = {"training": block.training, "held-out": block.held_out}
        return parts.get(self.part, block.training + block.held_out)

    def count_unknown(self) -> dict[str, int]:
        """As `Encoding.count_unknown`, of all blocks that were read."""
        total: dict[str, int] = {}
        for counts in self.unknown.values():
            total |= {name: total.get(name, 0) + count for name, count in counts.items()}
        return total

    def only(self, part: str) -> "Stream":
        """The rows of one of the `PARTS`."""
        return replace(self, part=part)

    def read(self, block: int) -> Mapping[str, Any]:
        found, _ = self._counted[block]
        return self._checked(found)

    def sample(self) -> Mapping[str, Any]:
        """A row of zeros: what rows look like is known without reading one."""
        dtype, is_amount = self.wishes.dtype, self.encoding.task == "regression"
        rows: dict[str, Any] = {"x": np.zeros((1, self.encoding.num_features), dtype), "y": None}
        if self.with_target:
            rows["y"] = self._as_targets(np.zeros(1, dtype if is_amount else np.int32))
        if self.wishes.weight is not None:
            rows["sample_weight"] = np.zeros(1, dtype)
        return rows

    def _checked(self, found: Block) -> dict[str, Any]:
        """A block of a file that is what it was. Raises StreamError."""
        self._check_unchanged(found.file)
        try:
            rows = self._kept(found)
        except (DataError, OSError) as error:
            self._check_unchanged(found.file)
            if isinstance(error, DataError) and not isinstance(error, BadFileError):
                raise  # a cell of rows that were not looked through before
            raise StreamError(str(error)) from error
        self._check_unchanged(found.file)
        return {**rows, "y": self._as_targets(rows["y"])} if self.with_target else {"y": None, **rows}

    def expect_passes(self, count: int) -> None:
        if self.passing is not None and count > 1:
            self.passing.writes = True

    def row_number(self, block: int, row: int) -> int:
        found, count = self._counted[block]
        if count == found.place.rows:
            return found.first + row
        return found.first + int(np.flatnonzero(self._rows(found, self._table(found)))[row])

    def describe(self) -> Mapping[str, Any]:
        return {
            "files": [f"{mark.path.name} {mark.size} {mark.checksum[:16]}" for mark in self.files.marks],
            "encoding": self.encoding.to_json(),
            "part": self.part,
            "share": [self.wishes.share, self.wishes.seed],
            "weight": self.wishes.weight,
            "rows": self.num_rows,
        }

    @property
    def _found(self) -> Scanned:
        if self.scanned is None:
            raise ValueError("mean, variance: these rows are encoded as others were, and were not measured.")
        return self.scanned

    def _check_unchanged(self, file: int) -> None:
        change = self.files.change(file)
        if change is not None:
            raise StreamError(
                f"{self.files.indices[file].path}: {change}. Give the old file back and go on from the "
                "checkpoint, or begin anew."
            )

    def _kept(self, block: Block) -> dict[str, Any]:
        """A block with its targets as they are encoded, from the cache if it has it."""
        cache = self._cache
        rows = None if cache is None else cache.read(block.first)
        if rows is None:
            rows = self._read(block)
            if cache is not None:
                cache.write(block.first, rows)
        return rows

    @cached_property
    def _cache(self) -> RowsCache | PassingPart | None:
        """Of these rows: whatever they depend on is in the name of the folder."""
        if self.rows_cache is None:
            kept = self.passing
            return None if kept is None else PassingPart(kept, (self.part, self.with_target))
        facts = {**self.describe(), "dtype": self.wishes.dtype, "with_target": self.with_target, "format": 1}
        name = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:32]
        return RowsCache(self.rows_cache / name)

    def _read(self, block: Block) -> dict[str, Any]:
        rows = self._read_plain(block) if self._may_be_plain else None
        if rows is not None:
            return rows
        table = self._table(block)
        which = np.flatnonzero(self._rows(block, table))
        table = table.take(which)
        self.unknown[block.first] = self.encoding.count_unknown(table)
        x = self.encoding.encode(table, self.wishes.dtype)
        return {"x": x, **self._beside(table)}

    def _read_plain(self, block: Block) -> dict[str, Any] | None:
        """A block of numbers without a way over a table; None if it has to go that way."""
        names = [column.name for column in self.encoding.columns]
        found = self.files.plain(block.file, block.place, names, self._names_beside(), self.wishes.dtype)
        if found is None:
            return None
        rows = {"x": found[0]}
        if found[1] is not None:
            rows |= self._beside(found[1])
        if self._count(block) == block.place.rows:
            return rows
        table = _Rows(block.place.rows)
        which = self._rows(block, table)
        return {name: each[which] for name, each in rows.items()}

    @cached_property
    def _may_be_plain(self) -> bool:
        """Whether all features are columns of numbers, so that nothing is to be encoded but missing cells."""
        names = [column.name for column in self.encoding.columns if column.kind == "number"]
        whole = len(names) == len(self.encoding.columns) and self.wishes.missing != "drop"
        gaps = frozenset() if self.scanned is None else self.scanned.gaps
        return whole and not gaps and self.files.may_be_numbers(names)

    def _names_beside(self) -> list[str]:
        weight = self.wishes.weight
        return [*([self.encoding.target] if self.with_target else []), *([] if weight is None else [weight])]

    def _beside(self, table: Table) -> dict[str, Any]:
        """Encoded targets, and weights."""
        rows: dict[str, Any] = {}
        if self.with_target:
            rows["y"] = self.encoding.encode_target(table, self.wishes.dtype)
        if self.wishes.weight is not None:
            rows["sample_weight"] = columns.numbers(table, self.wishes.weight).astype(self.wishes.dtype)
        return rows

    def _as_targets(self, y: np.ndarray) -> Any:
        if self.targets is not None:
            return self.targets(y)
        return y if self.encoding.task == "multiclass" else y.astype(self.wishes.dtype).reshape(-1, 1)

    def _table(self, block: Block) -> Table:
        used = {column.name: column.kind for column in self.encoding.columns}
        likely = {name: FLOAT for name, kind in used.items() if kind == "number"} | self.files.kinds
        return self.files.table(block.file, block.place, [*used, *self._names_beside()], likely)

    def _rows(self, block: Block, table: Any) -> np.ndarray:
        """bool[rows]: which rows of a block are of this part."""
        names = [name for name in self._used if name in table] if isinstance(table, Table) else []
        training, out = rows_of_use(table, names, self.wishes.missing, block.first, self.wishes)
        return {"training": training, "held-out": out}.get(self.part, training | out)

    @property
    def _used(self) -> tuple[str, ...]:
        return (self.encoding.target, *(column.name for column in self.encoding.columns))


@dataclass(frozen=True)
class _Rows:
    """A block of which nothing is needed but how many rows it has."""

    num_rows: int


def warn_user(message: str) -> None:
    """A warning for whoever called `stream`."""
    warnings.warn(message, UserWarning, stacklevel=4)
