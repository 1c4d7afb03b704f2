"""The page of a sweep's folder: leaderboard, and the monitored value against each setting that varied."""

import json
import math
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jaxgd.reports import charts
from jaxgd.reports.markup import (
    cards,
    facts,
    figure,
    figures,
    grid,
    guarded,
    notice,
    plain,
    quiet,
    section,
    text,
)
from jaxgd.reports.measuring import Measured
from jaxgd.reports.page import assets, measured_sections
from jaxgd.reports.panels import Panel, panels
from jaxgd.reports.reading import Recorded
from jaxgd.reports.shell import document
from jaxgd.reports.svg import Frame, decades, label, picture, ticks, widened
from jaxgd.reports.sweep_rows import TABLE, SweepRows, number
from jaxgd.runs.reading import with_new_settings
from jaxgd.runs.settings import Settings

CONFIG, BEST = "sweep.json", "best"
_LISTED, _LEVELS, _MARKS, _WIDE = 50, 12, 5, 30.0


def sweep_page(folder: Path, sweep: SweepRows, best: tuple[Recorded, Measured | str] | None = None) -> str:
    """The report of a sweep.

    Args:
      folder: where it was found.
      sweep: its members.
      best: the run of the best settings, and what was measured of it or why nothing could be.

    Returns: HTML that loads nothing from elsewhere.
    """
    diverged = sum(row["status"] == "diverged" for row in sweep.rows)
    over = ", ".join(sweep.axes) or "seeds"
    shown = [] if best is None else panels(best[0].history, best[0].epochs)
    body = "".join(
        (
            f"<h1>Sweep {text(folder.resolve().name)}</h1>",
            quiet(f"{len(sweep.rows):,} members over {over}; {diverged:,} diverged"),
            *map(notice, sweep.problems),
            notice("There are no members yet.") if not sweep.rows else "",
            section(f"Best by {sweep.monitor}", _best(folder, sweep)),
            section(f"{sweep.monitor} against each setting", _pictures(sweep)),
            section(f"Mean {sweep.monitor} of two settings", _heat_map(sweep)),
            section("Leaderboard", _leaderboard(sweep)),
            *([] if best is None else _best_run(*best, shown)),
            guarded("Asked", _asked, folder),
            guarded("Reproduce", _reproduce, folder),
        )
    )
    title = f"Sweep {folder.resolve().name}"
    return document(title, body, data={"panels": charts.curve_data(shown)}, **assets())


def _best_run(recorded: Recorded, measured: Measured | str, shown: list[Panel]) -> list[str]:
    """What the report of a run shows, of the best."""
    command = recorded.config.get("command") or "not known"
    return [
        *map(notice, recorded.problems),
        guarded("Curves of the best run", charts.curves, shown),
        *measured_sections(recorded.config, measured),
        section("The best run again", f"<pre>{text(command)}</pre>"),
    ]


def _best(folder: Path, sweep: SweepRows) -> str:
    if not sweep.rows:
        return ""
    shown = cards([(name, _shown(sweep.rows[0][name])) for name in (sweep.monitor, *sweep.axes)])
    run = folder / BEST
    return shown + (quiet(f"Its run: {run}. More of it: jaxgd report {run}") if run.is_dir() else "")


def _leaderboard(sweep: SweepRows) -> str:
    """The first members; columns in which nothing stands are left out."""
    filled = [column for column in sweep.columns if any(row[column] for row in sweep.rows)]
    rows = [tuple(_shown(row[column]) for column in filled) for row in sweep.rows[:_LISTED]]
    cut = quiet(f"The first {_LISTED} of {len(sweep.rows):,}; all are in {TABLE}.")
    return grid(filled, rows) + (cut if len(sweep.rows) > _LISTED else "") if rows else ""


def _asked(folder: Path) -> str:
    """What the sweep was told, if the folder says so."""
    path = folder / CONFIG
    if not path.is_file():
        return ""
    found = json.loads(path.read_text(encoding="utf-8"))
    asked = [*found["asked"].items(), *found["settings"].items()]
    said = facts((name, value) for name, value in asked if value not in (None, False, []))
    return said + quiet("What is not listed was left at its default.")


def _reproduce(folder: Path) -> str:
    """The command that makes the sweep again, if the folder says what was asked."""
    path = folder / CONFIG
    if not path.is_file():
        return ""
    found = json.loads(path.read_text(encoding="utf-8"))
    words = ["jaxgd", "sweep", *Settings.from_dict(with_new_settings(found["settings"])).words()]
    for name, value in found["asked"].items():
        each = value if isinstance(value, list) else [value]
        option = f"--{name.replace('_', '-')}"
        words += [word for one in each if one not in (None, False) for word in _option(option, one)]
    fingerprint = text(found["fingerprint"])
    remark = f'<p class="quiet">The data must have the fingerprint <code>{fingerprint}</code>.</p>'
    return f"<pre>{text(shlex.join(words))}</pre>{remark}"


def _option(option: str, value: Any) -> list[str]:
    return [option] if value is True else [option, str(value)]


def _heat_map(sweep: SweepRows) -> str:
    """The mean over all members of two settings, where two settings varied."""
    axes = [axis for axis in sweep.axes if 1 < len({row[axis] for row in sweep.rows}) <= _LEVELS][:2]
    if len(axes) < 2:
        return ""
    down, across = ([*dict.fromkeys(sorted((row[axis] for row in sweep.rows), key=_order))] for axis in axes)
    means = {(a, b): _mean(sweep, {axes[0]: a, axes[1]: b}) for a in down for b in across}
    known = [value for value in means.values() if math.isfinite(value)]
    low, high = (min(known), max(known)) if known else (0.0, 0.0)
    head = "".join(f'<th scope="col">{text(_shown(each))}</th>' for each in across)
    rows = "".join(
        f'<tr><th scope="row">{text(_shown(a))}</th>'
        + "".join(_cell(means[a, b], low, high) for b in across)
        + "</tr>"
        for a in down
    )
    caption = f"<caption>Rows: {text(axes[0])}. Columns: {text(axes[1])}. The stronger, the higher.</caption>"
    table = f"{caption}<thead><tr><td></td>{head}</tr></thead><tbody>{rows}</tbody>"
    return f'<div class="scroll"><table class="confusion">{table}</table></div>'


def _cell(value: float, low: float, high: float) -> str:
    if not math.isfinite(value):
        return "<td>-</td>"
    share = round(45 * (value - low) / (high - low)) if high > low else 0
    return f'<td class="right" style="--share: {share}%">{value:.4g}</td>'


def _mean(sweep: SweepRows, settings: dict[str, str]) -> float:
    """Of the members with these settings; NaN where none has a value."""
    values = [number(row[sweep.monitor]) for row in sweep.rows if settings.items() <= row.items()]
    finite = [value for value in values if math.isfinite(value)]
    return sum(finite) / len(finite) if finite else math.nan


def _order(cell: str) -> tuple[float, str]:
    """Numbers by size, words after them."""
    value = number(cell)
    return (value if math.isfinite(value) else math.inf, cell)


def _shown(cell: str) -> str:
    """A cell with at most six digits."""
    value = number(cell)
    return plain(value) if math.isfinite(value) and not cell.lstrip("-").isdecimal() else cell


def _pictures(sweep: SweepRows) -> str:
    drawn = [_picture(sweep, axis) for axis in sweep.axes]
    return figures(figure(axis, each) for axis, each in zip(sweep.axes, drawn, strict=True) if each)


def _picture(sweep: SweepRows, axis: str) -> str:
    """A mark for each member; numbers lie where they belong, words one beside the other."""
    pairs = [(row[axis], number(row[sweep.monitor])) for row in sweep.rows]
    pairs = [(setting, value) for setting, value in pairs if math.isfinite(value)]
    if not pairs:
        return ""
    numbers = [number(setting) for setting, _ in pairs]
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
        places = [math.log10(each) for each in numbers]
        marks = decades(*widened(min(places), max(places)))
        kept = marks[:: -(-len(marks) // _MARKS) or 1]
        return places, [(each, label(10**each)) for each in kept], True
    low, high = widened(min(numbers), max(numbers))
    return list(numbers), [(each, label(each)) for each in ticks(low, high)], False
