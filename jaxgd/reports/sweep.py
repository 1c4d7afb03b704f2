"""A sweep drawn by matplotlib: a heat map for two axes, parallel lines for more, one line for one."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure

from jaxgd.reports.curves import plain_text, saved
from jaxgd.reports.sweep_rows import SweepRows
from jaxgd.reports.sweep_values import SweepValues, are_numbers, sweep_values
from jaxgd.sweeps.table import SweepTable

_MANY = 12
_CELLS = 400
_WIDEST = 24


def sweep_picture(sweep: SweepTable | SweepRows, title: str, kind: str = "png") -> bytes:
    """A picture of the mean monitored value of every combination of settings.

    Args:
      sweep: the table that `jaxgd.sweep` returned, or what `read_sweep` read.
      title: above the picture.
      kind: "png" or "svg".

    Returns: a file's content; a picture that says so if no combination has a value.
    """
    values = sweep_values(sweep)
    axes = [axis for axis, levels in values.levels.items() if len(levels) > 1]
    figure = Figure(figsize=(7.2, 4.6), layout="constrained", dpi=120)
    FigureCanvasAgg(figure)
    figure.suptitle(plain_text(title), fontsize=11)
    if not values.combinations or not axes:
        figure.text(0.5, 0.5, "one combination" if values.combinations else "no values", ha="center")
    elif len(axes) == 1:
        _line(figure, values, axes[0])
    elif len(axes) == 2 and _is_grid(values, axes):
        _heat_map(figure, values, axes)
    else:
        _parallel_lines(figure, values, axes)
    return saved(figure, kind)


def _is_logarithmic(levels: Sequence[Any]) -> bool:
    return are_numbers(levels) and min(levels) > 0 and max(levels) / min(levels) > 30


def _colored(means: np.ndarray) -> Normalize:
    """What colours stand for: orders of magnitude where values span many, or one bad value hides the rest."""
    known = means[np.isfinite(means)]
    kind = LogNorm if _is_logarithmic(known.tolist()) else Normalize
    return kind(known.min(), known.max())


def _is_grid(values: SweepValues, axes: Sequence[str]) -> bool:
    return len(values.levels[axes[0]]) * len(values.levels[axes[1]]) <= _CELLS


def _line(figure: Figure, values: SweepValues, axis: str) -> None:
    levels = values.levels[axis]
    numeric = are_numbers(levels)
    found = {each.settings[axis]: each for each in values.combinations}
    kept = [level for level in levels if level in found]
    place = [level if numeric else levels.index(level) for level in kept]
    plot = figure.add_subplot()
    means, spreads = (
        np.array([getattr(found[level], name) for level in kept], float) for name in ("mean", "spread")
    )
    plot.errorbar(place, means, yerr=spreads, marker="o", capsize=3)
    if not numeric:
        plot.set_xticks(range(len(levels)), [_short(level) for level in levels])
    elif _is_logarithmic(levels):
        plot.set_xscale("log")
    plot.set_xlabel(plain_text(axis))
    plot.set_ylabel(plain_text(values.monitor))
    plot.grid(alpha=0.3)


def _heat_map(figure: Figure, values: SweepValues, axes: Sequence[str]) -> None:
    rows, columns = (values.levels[axis] for axis in axes)
    means = np.full((len(rows), len(columns)), np.nan)
    for each in values.combinations:
        row, column = (each.settings[axis] for axis in axes)
        means[rows.index(row), columns.index(column)] = each.mean
    plot = figure.add_subplot()
    colors = {"cmap": _colors(values), "norm": _colored(means)}
    picture = plot.imshow(means, aspect="auto", origin="lower", **colors)
    plot.set_yticks(range(len(rows)), [_short(level) for level in rows])
    plot.set_xticks(range(len(columns)), [_short(level) for level in columns], rotation=30)
    plot.set_ylabel(plain_text(axes[0]))
    plot.set_xlabel(plain_text(axes[1]))
    figure.colorbar(picture, label=plain_text(values.monitor))
    if means.size <= _MANY**2:
        _write_values(plot, means)


def _write_values(plot: Any, values: np.ndarray) -> None:
    for (row, column), value in np.ndenumerate(values):
        text = "-" if np.isnan(value) else f"{value:.3g}"
        style = {"facecolor": "white", "alpha": 0.6, "edgecolor": "none", "pad": 1}
        plot.text(column, row, text, ha="center", va="center", fontsize=8, bbox=style)


def _parallel_lines(figure: Figure, values: SweepValues, axes: Sequence[str]) -> None:
    """A line a combination through its value on each axis; the last axis is the monitored value."""
    plot = figure.add_subplot()
    combinations = values.combinations
    means = np.array([each.mean for each in combinations])
    scaled = np.asarray(_colored(means)(means))
    on_axes = [_places(values.levels[axis], [each.settings[axis] for each in combinations]) for axis in axes]
    places = np.stack([*on_axes, scaled], axis=1)
    colors = colormaps[_colors(values)]
    for place in range(len(combinations))[::-1]:  # the best combination last, on top
        plot.plot(places[place], color=colors(scaled[place]), alpha=0.7, linewidth=2.5 if not place else 1.2)
    plot.set_xticks(range(len(axes) + 1), [plain_text(name) for name in (*axes, values.monitor)])
    plot.set_yticks([])
    for x in range(len(axes) + 1):
        plot.axvline(x, color="0.6", linewidth=0.8)
    for x, axis in enumerate(axes):
        _label_axis(plot, x, values.levels[axis])
    for y, value in ((0.0, means.min()), (1.0, means.max())):
        plot.text(len(axes) + 0.03, y, f"{value:.3g}", fontsize=8, va="center")


def _places(levels: Sequence[Any], values: Sequence[Any]) -> np.ndarray:
    """Where values lie on an axis from 0 to 1: numbers by size or order of magnitude, words evenly."""
    if not are_numbers(levels):
        return np.array([levels.index(value) for value in values]) / (len(levels) - 1)
    scale = np.log if _is_logarithmic(levels) else np.asarray
    ends = scale(np.array([levels[0], levels[-1]], float))
    return (scale(np.array(values, float)) - ends[0]) / (ends[1] - ends[0])


def _label_axis(plot: Any, x: int, levels: Sequence[Any]) -> None:
    kept = levels if len(levels) <= _MANY else [levels[0], levels[-1]]
    for level, y in zip(kept, _places(levels, kept), strict=True):
        plot.text(x + 0.03, y, _short(level), fontsize=8, va="center")


def _colors(values: SweepValues) -> str:
    """Dark is good."""
    return "viridis_r" if values.larger_is_better else "viridis"


def _short(level: Any) -> str:
    return f"{level:.3g}" if isinstance(level, float) else plain_text(str(level)[:_WIDEST])
