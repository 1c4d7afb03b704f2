"""The result of a sweep: its members, the best of them first."""

import csv
import io
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, overload

from jaxgd.sweeps.ensemble import Ensemble
from jaxgd.sweeps.member import Member
from jaxgd.sweeps.ranking import Ranking

MOST_METRICS = 3
"""Beside the monitored value in a leaderboard."""


@dataclass(frozen=True, eq=False)
class Summary:
    """The members of one combination of settings, over seeds and folds.

    Attributes:
      settings: {axis: value}.
      members: all of them.
      mean, spread: of the monitored column over the members that have a value (standard deviation with
        n - 1, 0 for one member); None if none has.
      diverged: how many were not finite.
    """

    settings: Mapping[str, Any]
    members: tuple[Member, ...]
    mean: float | None
    spread: float | None
    diverged: int


@dataclass(frozen=True, eq=False, repr=False)
class SweepTable(Sequence[Member]):
    """The members of a sweep, sorted: the best value of the monitored column first, diverged ones last.

    Attributes:
      members: sorted.
      ranking: the monitored column and its direction; the value is that of the epoch whose parameters
        were kept.
      axes: names of the settings that vary.
      compilations: programs that were compiled for this call.
      seconds: {"prepare", "compile", "run"}; lanes compile side by side, so "compile" may exceed the clock.
      plans: lines that say how it was run, and why.
      interrupted: whether it ended before all members did.
      refitted: what `refit=True` gave, a `FitResult`, or None.
    """

    members: tuple[Member, ...]
    ranking: Ranking
    axes: tuple[str, ...]
    compilations: int = 0
    seconds: Mapping[str, float] = field(default_factory=dict)
    plans: tuple[str, ...] = ()
    interrupted: bool = False
    refitted: Any = None

    @overload
    def __getitem__(self, place: int) -> Member: ...
    @overload
    def __getitem__(self, place: slice) -> tuple[Member, ...]: ...
    def __getitem__(self, place: int | slice) -> Member | tuple[Member, ...]:
        return self.members[place]

    def __len__(self) -> int:
        return len(self.members)

    def __iter__(self) -> Iterator[Member]:
        return iter(self.members)

    def __repr__(self) -> str:
        return self.leaderboard()

    @property
    def monitor(self) -> str:
        """The column that members are sorted by."""
        return self.ranking.monitor

    @property
    def best(self) -> Member:
        """The member with the best value. Raises ValueError if no member has one."""
        if not self.members or self.members[0].value(self.monitor) is None:
            raise ValueError(f"best: no member has a finite {self.monitor}; all diverged or none was run.")
        return self.members[0]

    def by_settings(self) -> tuple[Summary, ...]:
        """A summary of each combination: the best mean first, those dropped or with divergence behind."""
        groups: dict[str, list[Member]] = {}
        for member in sorted(self.members, key=lambda member: member.number):
            groups.setdefault(repr(member.settings), []).append(member)
        summaries = [self._summary(members) for members in groups.values()]
        return tuple(sorted(summaries, key=self._rank))

    def _rank(self, summary: Summary) -> tuple[Any, ...]:
        dropped = any(member.status == "dropped" for member in summary.members)
        return summary.mean is None, summary.diverged > 0, dropped, self.ranking.key(summary.mean)

    def _summary(self, members: Sequence[Member]) -> Summary:
        values = [value for member in members if (value := member.value(self.monitor)) is not None]
        mean = sum(values) / len(values) if values else None
        spread = None if mean is None else _deviation(values, mean)
        diverged = sum(member.status == "diverged" for member in members)
        return Summary(members[0].settings, tuple(members), mean, spread, diverged)

    def ensemble(self, size: int | None = None) -> Ensemble:
        """The best `size` members as one predictor; None takes all that have a value.

        Raises:
          ValueError: fewer members than that have a value and parameters.
        """
        usable = [m for m in self.members if m.value(self.monitor) is not None and m.params is not None]
        wanted = len(usable) if size is None else size
        if not 1 <= wanted <= len(usable):
            raise ValueError(f"size: expected 1 to {len(usable)} members with parameters, got {wanted}.")
        return Ensemble(tuple(usable[:wanted]))

    def rows(self, count: int | None = None) -> list[dict[str, Any]]:
        """One flat dict a member, as a table or a CSV file takes it; the last values of its history too.

        Args:
          count: of the best alone; None takes all.
        """
        columns = sorted(self._columns() - {self.monitor})
        return [self._row(rank, each, columns) for rank, each in enumerate(self.members[:count], start=1)]

    def _columns(self) -> set[str]:
        """Of the histories, those that have one number an epoch."""
        return {c for each in self.members for c, v in each.history.columns.items() if v.ndim == 1}

    def _row(self, rank: int, member: Member, columns: Sequence[str]) -> dict[str, Any]:
        at = member.diverged_at
        return {
            "rank": rank,
            "member": member.number,
            **{axis: shown(member.settings[axis]) for axis in self.axes},
            "seed": member.seed,
            "fold": member.fold,
            "status": member.status,
            "epochs": member.epochs,
            "best_epoch": None if member.best_epoch is None else member.best_epoch + 1,
            "stopped_early": member.stopped_early,
            "diverged_at": None if at is None else f"epoch {at[0]}, step {at[1]}",
            self.monitor: member.value(self.monitor),
            **{name: member.value(name) for name in columns},
        }

    def csv(self) -> str:
        """The rows as the text of a CSV file."""
        stream = io.StringIO()
        rows = self.rows()
        writer = csv.DictWriter(stream, list(rows[0]) if rows else ["rank"], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        return stream.getvalue()

    def to_csv(self, path: str | Path) -> None:
        """Write `csv()` to a file. Raises OSError."""
        Path(path).write_text(self.csv(), encoding="utf-8")

    def others(self) -> tuple[str, ...]:
        """Metrics besides the monitored one that a leaderboard shows: of held-out rows, if there are any."""
        columns = self._columns()
        held_out = sorted(name for name in columns if name.startswith("val_"))
        shown_names = held_out or sorted(columns)
        return tuple(n for n in shown_names if n not in (self.monitor, "learning_rate"))[:MOST_METRICS]

    def leaderboard(self, count: int = 20) -> str:
        """The best members as aligned text: settings, how they ended, the monitored value, other metrics."""
        names = ("rank", *self.axes, "seed", "fold", "status", "epochs", self.monitor, *self.others())
        rows = [[_cell(row[name]) for name in names] for row in self.rows(count)]
        wide = [max(len(cell) for cell in column) for column in zip(names, *rows, strict=True)]
        lines = [
            "  ".join(cell.rjust(w) for cell, w in zip(row, wide, strict=True)) for row in (names, *rows)
        ]
        left = len(self) - len(rows)
        return "\n".join([*lines, *([f"... and {left} more"] if left > 0 else [])])


def shown(value: Any) -> Any:
    """A setting's value as a cell: numbers as they are, widths as 64/32, everything else in words."""
    if isinstance(value, list | tuple):
        return "/".join(map(str, value)) or "none"
    return value if isinstance(value, int | float | str | None) else repr(value)


def _cell(value: Any) -> str:
    return "-" if value is None else f"{value:.6g}" if isinstance(value, float) else str(value)


def _deviation(values: Sequence[float], mean: float) -> float:
    if len(values) < 2:
        return 0.0
    return math.sqrt(sum((value - mean) ** 2 for value in values) / (len(values) - 1))
