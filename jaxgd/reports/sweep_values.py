"""What the picture of a sweep shows: the mean value of each combination of settings, and the axes' values."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from jaxgd.reports.sweep_rows import SweepRows, number
from jaxgd.sweeps.table import SweepTable, shown


class Combination(NamedTuple):
    """Settings, and the mean and spread of the monitored value over their seeds and folds."""

    settings: Mapping[str, Any]
    mean: float
    spread: float


@dataclass(frozen=True)
class SweepValues:
    """What is drawn.

    Attributes:
      monitor: the name of the value; larger_is_better: which direction is good.
      levels: {axis: its values}, numbers in order, words in the order of the sweep.
      combinations: those that have a value, the best first.
    """

    monitor: str
    larger_is_better: bool
    levels: Mapping[str, Sequence[Any]]
    combinations: Sequence[Combination]


def sweep_values(sweep: SweepTable | SweepRows) -> SweepValues:
    """Of a sweep that has just ended, or of one that was read from its table."""
    return _of_table(sweep) if isinstance(sweep, SweepTable) else _of_rows(sweep)


def _of_table(table: SweepTable) -> SweepValues:
    combinations = [
        Combination({axis: shown(each.settings[axis]) for axis in table.axes}, each.mean, each.spread or 0.0)
        for each in table.by_settings()
        if each.mean is not None
    ]
    members = sorted(table, key=lambda member: member.number)
    levels = {axis: _levels(shown(member.settings[axis]) for member in members) for axis in table.axes}
    return SweepValues(table.monitor, table.ranking.larger_is_better, levels, combinations)


def _of_rows(sweep: SweepRows) -> SweepValues:
    known = {axis: _settings([row[axis] for row in sweep.rows]) for axis in sweep.axes}
    members = sorted(sweep.rows, key=lambda row: number(row["member"]))
    groups: dict[tuple[str, ...], list[dict[str, str]]] = {}
    for row in members:
        groups.setdefault(tuple(row[axis] for axis in sweep.axes), []).append(row)
    ranked = _values([row for row in sweep.rows if row["status"] == "done"], sweep.monitor)
    upward = bool(ranked) and ranked[0] > ranked[-1]
    found = []
    for cells, rows in groups.items():
        settings = {axis: known[axis][cell] for axis, cell in zip(sweep.axes, cells, strict=True)}
        if values := _values(rows, sweep.monitor):
            each = Combination(settings, *_summary(values))
            ended = {row["status"] for row in rows}
            rank = "diverged" in ended, "dropped" in ended, -each.mean if upward else each.mean
            found.append((rank, each))
    found.sort(key=lambda pair: pair[0])
    levels = {axis: _levels(known[axis][row[axis]] for row in members) for axis in sweep.axes}
    return SweepValues(sweep.monitor, upward, levels, [each for _, each in found])


def _values(rows: Sequence[Mapping[str, str]], monitor: str) -> list[float]:
    """The finite ones."""
    return [value for row in rows if math.isfinite(value := number(row[monitor]))]


def _summary(values: Sequence[float]) -> tuple[float, float]:
    """Mean, and deviation with n - 1."""
    mean = sum(values) / len(values)
    return mean, math.sqrt(sum((value - mean) ** 2 for value in values) / max(len(values) - 1, 1))


def _settings(cells: Sequence[str]) -> dict[str, int | float | str]:
    """The cells of an axis as they were before they were written: words, if not all are numbers."""
    if not all(math.isfinite(number(cell)) for cell in cells):
        return {cell: cell for cell in cells}
    return {cell: int(cell) if cell.lstrip("-").isdecimal() else number(cell) for cell in cells}


def _levels(found: Iterable[Any]) -> list[Any]:
    levels = list(dict.fromkeys(found))
    return sorted(levels) if are_numbers(levels) else levels


def are_numbers(levels: Sequence[Any]) -> bool:
    """Whether an axis holds numbers, which lie where they belong."""
    return all(isinstance(level, int | float) and not isinstance(level, bool) for level in levels)
