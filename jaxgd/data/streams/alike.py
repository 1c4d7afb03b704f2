"""Rows of many files, encoded as the rows of an earlier run were."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from jaxgd.data.encoding import Encoding
from jaxgd.data.errors import DataError, unknown
from jaxgd.data.streams.files import Files, WarnFn, open_files
from jaxgd.data.streams.kinds import common_kind, kind_of
from jaxgd.data.streams.scan import Block, Wishes, rows_of_use
from jaxgd.data.streams.stream import Stream, warn_user


def stream_alike(
    where: Any,
    encoding: Encoding | Callable[[Sequence[str]], Encoding],
    *,
    with_target: bool = True,
    dtype: str = "float32",
    window: int | None = None,
    on_bad_file: str = "stop",
    warn: WarnFn | None = None,
) -> Stream:
    """Rows to evaluate, or to predict, encoded as `encoding` says.

    Rows with gaps are left out of an evaluation if the encoding drops such rows; a prediction has no such
    way, and refuses them when it meets them.

    Args:
      where, dtype, window, on_bad_file: as in `stream`.
      encoding: of the rows that were trained on; or what makes one of the names of the columns.
      with_target: whether targets are read; False needs no such column.
      warn: is told of files that are left out; None warns.

    Raises:
      DataError: as `stream`; a column of the encoding is not there.
    """
    files = open_files(where, on_bad_file, warn_user if warn is None else warn)
    if not isinstance(encoding, Encoding):
        encoding = encoding(files.names)
    needed = [column.name for column in encoding.columns]
    for name in [*needed, *([encoding.target] if with_target else [])]:
        if name not in files.names:
            raise unknown("column", name, files.names, str(files.indices[0].path))
    categories = [column.name for column in encoding.columns if column.kind == "category"]
    if files.kind in ("csv", "tsv") and categories:
        _learn_kinds(files, categories)
    missing = encoding.missing if with_target else "error"
    wishes = Wishes(missing="mean" if encoding.missing == "mean" else missing, dtype=dtype)
    blocks = tuple(_blocks(files, [*needed, encoding.target], wishes))
    if not any(block.training for block in blocks):
        raise DataError(f"{files.where}: every row has a missing cell, none is left.")
    return Stream(files, wishes, encoding, blocks, with_target=with_target, window_rows=window)


def _learn_kinds(files: Files, names: list[str]) -> None:
    """What the categories of text files are, which takes all cells to know."""
    kinds: dict[str, str] = {}
    for file, index in enumerate(files.indices):
        for place in index.places:
            table = files.table(file, place, names)
            kinds |= {name: common_kind(kinds.get(name), kind_of(table[name])) for name in names}
    files.kinds.update(kinds)


def _blocks(files: Files, used: list[str], wishes: Wishes) -> list[Block]:
    blocks, first = [], 0
    for file, index in enumerate(files.indices):
        for place in index.places:
            count = place.rows
            if wishes.missing == "drop":
                table = files.table(file, place, used)
                count = int(np.count_nonzero(rows_of_use(table, used, "drop", first, wishes)[0]))
            blocks.append(Block(file, place, first, count, 0))
            first += place.rows
    return blocks
