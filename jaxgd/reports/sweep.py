"""sweep.png: a heat map for two axes, parallel lines for more, one line for one; drawn by matplotlib."""

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from jaxgd.sweeps.table import Summary, SweepTable, shown

_MANY = 12
_CELLS = 400


def sweep_png(table: SweepTable, title: str) -> bytes:
    """A picture of the mean monitored value of every combination of settings.

    Args:
      table: of the sweep.
      title: above the picture.

    Returns: a PNG; one that says so if no combination has a value.
    """
    axes = [axis for axis in table.axes if len(_levels(table, axis)) > 1]
    summaries = [each for each in table.by_settings() if each.mean is not None]
    figure = Figure(figsize=(7.2, 4.6), layout="constrained", dpi=120)
    FigureCanvasAgg(figure)
    figure.suptitle(title.replace("$", r"\$"), fontsize=11)
    if not summaries or not axes:
        figure.text(0.5, 0.5, "no values" if not summaries else "one combination", ha="center")
    elif len(axes) == 1:
        _line(figure, table, summaries, axes[0])
    elif len(axes) == 2 and _is_grid(table, axes):
        _heat_map(figure, table, axes)
    else:
        _parallel_lines(figure, table, summaries, axes)
    stream = io.BytesIO()
    figure.savefig(stream, format="png")
    return stream.getvalue()


def _levels(table: SweepTable, axis: str) -> list[Any]:
    """The values of an axis, numbers in order, words in the order of the sweep."""
    members = sorted(table, key=lambda member: member.number)
    levels = list(dict.fromkeys(shown(member.settings[axis]) for member in members))
    return sorted(levels) if _are_numbers(levels) else levels


def _are_numbers(levels: Sequence[Any]) -> bool:
    return all(isinstance(level, int | float) and not isinstance(level, bool) for level in levels)


def _is_logarithmic(levels: Sequence[Any]) -> bool:
    return _are_numbers(levels) and min(levels) > 0 and max(levels) / min(levels) > 30


def _is_grid(table: SweepTable, axes: Sequence[str]) -> bool:
    return len(_levels(table, axes[0])) * len(_levels(table, axes[1])) <= _CELLS


def _line(figure: Figure, table: SweepTable, summaries: Sequence[Summary], axis: str) -> None:
    levels = _levels(table, axis)
    numeric = _are_numbers(levels)
    found = {shown(each.settings[axis]): each for each in summaries}
    kept = [level for level in levels if level in found]
    place = [level if numeric else levels.index(level) for level in kept]
    plot = figure.add_subplot()
    means, spreads = (
        np.array([getattr(found[level], name) for level in kept], float) for name in ("mean", "spread")
    )
    plot.errorbar(place, means, yerr=spreads, marker="o", capsize=3)
    if not numeric:
        plot.set_xticks(range(len(levels)), [str(level) for level in levels])
    elif _is_logarithmic(levels):
        plot.set_xscale("log")
    plot.set_xlabel(axis)
    plot.set_ylabel(table.monitor)
    plot.grid(alpha=0.3)


def _heat_map(figure: Figure, table: SweepTable, axes: Sequence[str]) -> None:
    rows, columns = (_levels(table, axis) for axis in axes)
    values = np.full((len(rows), len(columns)), np.nan)
    for each in table.by_settings():
        if each.mean is not None:
            row, column = (shown(each.settings[axis]) for axis in axes)
            values[rows.index(row), columns.index(column)] = each.mean
    plot = figure.add_subplot()
    picture = plot.imshow(values, cmap=_colors(table), aspect="auto", origin="lower")
    plot.set_yticks(range(len(rows)), [_short(level) for level in rows])
    plot.set_xticks(range(len(columns)), [_short(level) for level in columns], rotation=30)
    plot.set_ylabel(axes[0])
    plot.set_xlabel(axes[1])
    figure.colorbar(picture, label=table.monitor)
    if values.size <= _MANY**2:
        _write_values(plot, values)


def _write_values(plot: Any, values: np.ndarray) -> None:
    for (row, column), value in np.ndenumerate(values):
        text = "-" if np.isnan(value) else f"{value:.3g}"
        style = {"facecolor": "white", "alpha": 0.6, "edgecolor": "none", "pad": 1}
        plot.text(column, row, text, ha="center", va="center", fontsize=8, bbox=style)


def _parallel_lines(
    figure: Figure, table: SweepTable, summaries: Sequence[Summary], axes: Sequence[str]
) -> None:
    """A line a combination through its value on each axis; the last axis is the monitored value."""
    plot = figure.add_subplot()
    means = np.array([each.mean for each in summaries])
    span = (means.max() - means.min()) or 1.0
    scaled = (means - means.min()) / span
    places = np.stack(
        [_places(_levels(table, axis), [shown(e.settings[axis]) for e in summaries]) for axis in axes]
        + [scaled],
        axis=1,
    )
    colors = colormaps[_colors(table)]
    for place in range(len(summaries))[::-1]:  # the best combination last, on top
        plot.plot(places[place], color=colors(scaled[place]), alpha=0.7, linewidth=2.5 if not place else 1.2)
    plot.set_xticks(range(len(axes) + 1), [*axes, table.monitor])
    plot.set_yticks([])
    for x in range(len(axes) + 1):
        plot.axvline(x, color="0.6", linewidth=0.8)
    for x, axis in enumerate(axes):
        _label_axis(plot, x, _levels(table, axis))
    for y, value in ((0.0, means.min()), (1.0, means.max())):
        plot.text(len(axes) + 0.03, y, f"{value:.3g}", fontsize=8, va="center")


def _places(levels: Sequence[Any], values: Sequence[Any]) -> np.ndarray:
    """Where values lie on an axis from 0 to 1: numbers by size or order of magnitude, words evenly."""
    if not _are_numbers(levels):
        return np.array([levels.index(value) for value in values]) / (len(levels) - 1)
    scale = np.log if _is_logarithmic(levels) else np.asarray
    ends = scale(np.array([levels[0], levels[-1]], float))
    return (scale(np.array(values, float)) - ends[0]) / (ends[1] - ends[0])


def _label_axis(plot: Any, x: int, levels: Sequence[Any]) -> None:
    kept = levels if len(levels) <= _MANY else [levels[0], levels[-1]]
    for level, y in zip(kept, _places(levels, kept), strict=True):
        plot.text(x + 0.03, y, _short(level), fontsize=8, va="center")


def _colors(table: SweepTable) -> str:
    """Dark is good."""
    return "viridis_r" if table.ranking.larger_is_better else "viridis"


def _short(level: Any) -> str:
    return f"{level:.3g}" if isinstance(level, float) else str(level)
