"""sweep.csv, read as far as it is whole."""

import csv
import math
from dataclasses import dataclass
from pathlib import Path

TABLE = "sweep.csv"


@dataclass(frozen=True)
class SweepRows:
    """The content of sweep.csv.

    Attributes:
      axes: the settings that varied; monitor: the column that members are ranked by.
      columns: all of them, in order.
      rows: {column: text}, the best first.
      problems: what is damaged, a sentence each.
    """

    axes: tuple[str, ...]
    monitor: str
    columns: tuple[str, ...]
    rows: list[dict[str, str]]
    problems: tuple[str, ...] = ()


def read_sweep(folder: Path) -> SweepRows:
    """The members of a sweep.

    Raises:
      ValueError: no such table, or one without its columns.
      OSError: it cannot be read.
    """
    path = folder / TABLE
    lines = list(csv.reader(path.read_text(encoding="utf-8").splitlines()))
    header = lines[0] if lines else []
    if header[:2] != ["rank", "member"] or "seed" not in header or "diverged_at" not in header[:-1]:
        raise ValueError(f"{path}: expected the columns rank, member, ..., seed, ..., diverged_at, ...")
    whole = [line for line in lines[1:] if len(line) == len(header)]
    damaged = len(lines) - 1 - len(whole)
    return SweepRows(
        axes=tuple(header[2 : header.index("seed")]),
        monitor=header[header.index("diverged_at") + 1],
        columns=tuple(header),
        rows=[dict(zip(header, line, strict=True)) for line in whole],
        problems=(f"{TABLE}: {damaged} rows are damaged and left out.",) if damaged else (),
    )


def number(cell: str) -> float:
    """A cell as a number; NaN if it is none."""
    try:
        return float(cell)
    except ValueError:
        return math.nan
