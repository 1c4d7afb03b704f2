"""The page of a sweep's folder: leaderboard, and the monitored value against each setting that varied."""

import csv
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from jaxgd.reports.markup import cards, figure, figures, grid, notice, quiet, section, text
from jaxgd.reports.page import assets
from jaxgd.reports.shell import document
from jaxgd.reports.svg import Frame, decades, label, picture, ticks, widened

TABLE = "sweep.csv"
_FIXED = ("seed", "fold", "status", "epochs", "best_epoch", "stopped_early", "diverged_at")
_LISTED, _WIDE = 50, 30.0


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


def sweep_page(folder: Path, sweep: SweepRows) -> str:
    """The report of a sweep.

    Args:
      folder: where it was found.
      sweep: its members.

    Returns: HTML that loads nothing from elsewhere.
    """
    diverged = sum(row["status"] == "diverged" for row in sweep.rows)
    best = sweep.rows[0] if sweep.rows else {}
    body = "".join(
        (
            f"<h1>Sweep {text(folder.name)}</h1>",
            quiet(
                f"{len(sweep.rows):,} members over {', '.join(sweep.axes) or 'seeds'}; {diverged:,} diverged"
            ),
            *map(notice, sweep.problems),
            notice("There are no members yet.") if not sweep.rows else "",
            section(
                f"Best by {sweep.monitor}",
                cards([(name, best[name]) for name in (sweep.monitor, *sweep.axes)]),
            )
            if best
            else "",
            section(f"{sweep.monitor} against each setting", _pictures(sweep)),
            section("Leaderboard", _leaderboard(sweep)),
        )
    )
    return document(f"Sweep {folder.name}", body, data={"panels": []}, **assets())


def _leaderboard(sweep: SweepRows) -> str:
    shown = [column for column in sweep.columns if column not in ("stopped_early",)]
    rows = [tuple(row[column] for column in shown) for row in sweep.rows[:_LISTED]]
    cut = (
        quiet(f"The first {_LISTED} of {len(sweep.rows):,}; all are in {TABLE}.")
        if len(sweep.rows) > _LISTED
        else ""
    )
    return grid(shown, rows) + cut if rows else ""


def _pictures(sweep: SweepRows) -> str:
    drawn = [_picture(sweep, axis) for axis in sweep.axes]
    return figures(figure(axis, each) for axis, each in zip(sweep.axes, drawn, strict=True) if each)


def _picture(sweep: SweepRows, axis: str) -> str:
    """A mark for each member; numbers lie where they belong, words one beside the other."""
    pairs = [(row[axis], _number(row[sweep.monitor])) for row in sweep.rows]
    pairs = [(setting, value) for setting, value in pairs if math.isfinite(value)]
    if not pairs:
        return ""
    numbers = [_number(setting) for setting, _ in pairs]
    if all(map(math.isfinite, numbers)) and len(set(numbers)) > 2:
        places, at_x, logarithmic = _numeric(numbers)
    else:
        words = list(dict.fromkeys(setting for setting, _ in pairs))
        places = [float(words.index(setting)) for setting, _ in pairs]
        at_x, logarithmic = [(float(place), text(word[:18])) for place, word in enumerate(words[:12])], False
    low, high = widened(min(value for _, value in pairs), max(value for _, value in pairs))
    frame = Frame(*widened(min(places), max(places)), low, high)
    marks = "".join(
        f'<circle class="dot" cx="{frame.x(place):.1f}" cy="{frame.y(value):.1f}" r="3.2">'
        f"<title>{text(axis)} {text(setting)}: {value:.5g}</title></circle>"
        for place, (setting, value) in zip(places, pairs, strict=True)
    )
    at_y = [(value, label(value)) for value in ticks(low, high)]
    below = f"{axis} (logarithmic)" if logarithmic else axis
    return picture(f"{sweep.monitor} against {axis}", frame.axes(at_x, at_y, below, sweep.monitor) + marks)


def _numeric(numbers: Sequence[float]) -> tuple[list[float], list[tuple[float, str]], bool]:
    """Places, marks of the axis, and whether they are logarithms."""
    if min(numbers) > 0 and max(numbers) / min(numbers) > _WIDE:
        places = [math.log10(number) for number in numbers]
        return (
            places,
            [(each, label(10**each)) for each in decades(*widened(min(places), max(places)))],
            True,
        )
    low, high = widened(min(numbers), max(numbers))
    return list(numbers), [(each, label(each)) for each in ticks(low, high)], False


def _number(cell: str) -> float:
    try:
        return float(cell)
    except ValueError:
        return math.nan
