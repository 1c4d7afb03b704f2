"""Curves with hover, and pictures of predictions: confusion, residuals, calibration."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from jaxgd.reports.markup import figure, figures, quiet, text
from jaxgd.reports.panels import SERIES, Panel
from jaxgd.reports.quality import Bin
from jaxgd.reports.svg import Frame, label, panel_svg, picture, ticks, widened

_MAX_CLASSES, _MAX_POINTS, _BARS, _READ = 20, 400, 24, 2000


def curves(panels: Sequence[Panel], first: int = 0) -> str:
    """Every panel as a figure; the program of the page reads their values, number `first` on."""
    if not panels:
        return ""
    labels = dict.fromkeys(
        (curve.label, curve.series)
        for panel in panels
        for curve in panel.curves
        if curve.label != panel.title
    )
    keys = "".join(
        f'<span><i class="key series-{series % SERIES}"></i>{text(name)}</span>' for name, series in labels
    )
    shown = figures(
        figure(panel.title + (" (logarithmic)" if panel.logarithmic else ""), panel_svg(panel), str(place))
        for place, panel in enumerate(panels, start=first)
    )
    return f'<p class="legend">{keys}</p>{shown}'


def curve_data(panels: Sequence[Panel]) -> list[dict[str, Any]]:
    """What the program of the page reads of the curves: at most so many values each."""
    return [
        {
            "curves": [
                {
                    "label": curve.label,
                    "epochs": curve.numbers[thin].tolist(),
                    "values": curve.values[thin].tolist(),
                }
                for curve in panel.curves
                for thin in [np.unique(np.linspace(0, len(curve.values) - 1, _READ).astype(int))]
            ]
        }
        for panel in panels
    ]


def confusion_table(counts: np.ndarray, classes: Sequence[str]) -> str:
    """Rows are what was there, columns what was said; of very many classes those with most mistakes."""
    wrong = counts.sum(axis=0) + counts.sum(axis=1) - 2 * np.diag(counts)
    shown = np.sort(np.argsort(-wrong, kind="stable")[:_MAX_CLASSES])
    names = [classes[place] for place in shown]
    head = "".join(f'<th scope="col">{text(name)}</th>' for name in names)
    rows = "".join(
        f'<tr><th scope="row">{text(name)}</th>{_cells(counts, place, shown)}</tr>'
        for name, place in zip(names, shown, strict=True)
    )
    cut = (
        ""
        if len(shown) == len(classes)
        else quiet(f"Of {len(classes)} classes the {len(shown)} with most mistakes.")
    )
    caption = "<caption>Rows: the target. Columns: the prediction.</caption>"
    table = f"{caption}<thead><tr><td></td>{head}</tr></thead><tbody>{rows}</tbody>"
    return f'<div class="scroll"><table class="confusion">{table}</table></div>{cut}'


def _cells(counts: np.ndarray, place: int, shown: np.ndarray) -> str:
    """A row: strong where many are; mistakes in the other colour."""
    total = max(int(counts[place].sum()), 1)
    cells = []
    for other in shown:
        part = counts[place, other] / total
        share = round(12 + 33 * part) if part else 0
        kind = "right" if place == other else "wrong"
        percent = f"{100 * part:.1f} % of the row"
        cells.append(
            f'<td class="{kind}" style="--share: {share}%" title="{percent}">{counts[place, other]}</td>'
        )
    return "".join(cells)


def calibration_figure(
    bins: Sequence[Bin], label_x: str, label_y: str, span: tuple[float, float] | None
) -> str:
    """Promised against found; on the dashed line they are the same. The larger a mark, the more rows."""
    values = [number for each in bins for number in (each.promised, each.found)]
    low, high = span or widened(min(values), max(values))
    frame = Frame(low, high, low, high)
    most = max(each.rows for each in bins)
    path = " ".join(f"{frame.x(each.promised):.1f},{frame.y(each.found):.1f}" for each in bins)
    marks = "".join(
        f'<circle class="series-0" cx="{frame.x(each.promised):.1f}" cy="{frame.y(each.found):.1f}" '
        f'r="{3 + 5 * math.sqrt(each.rows / most):.1f}"><title>{each.rows} rows: predicted '
        f"{each.promised:.4g}, found {each.found:.4g}</title></circle>"
        for each in bins
    )
    at = [(value, label(value)) for value in ticks(low, high)]
    axes = frame.axes(at, at, label_x, label_y)
    content = f'{axes}{_diagonal(frame)}<polyline class="series-0" points="{path}"/>{marks}'
    return picture(f"Calibration: {label_y} against {label_x}", content)


def _diagonal(frame: Frame) -> str:
    """The line on which both numbers are the same."""
    x1, x2 = frame.x(frame.low_x), frame.x(frame.high_x)
    y1, y2 = frame.y(frame.low_y), frame.y(frame.high_y)
    return f'<line class="ideal" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def scatter(values: np.ndarray, predictions: np.ndarray) -> str:
    """Target against prediction, of some rows if there are many."""
    which = np.unique(np.linspace(0, len(values) - 1, _MAX_POINTS).astype(int))
    chosen = [(float(p), float(v)) for p, v in zip(predictions[which], values[which], strict=True)]
    finite = [pair for pair in chosen if all(map(math.isfinite, pair))]
    if not finite:
        return quiet("No prediction is finite.")
    numbers = [number for pair in finite for number in pair]
    low, high = widened(min(numbers), max(numbers))
    frame = Frame(low, high, low, high)
    marks = "".join(
        f'<circle class="dot" cx="{frame.x(p):.1f}" cy="{frame.y(v):.1f}" r="2.6"><title>predicted {p:.5g}, '
        f"target {v:.5g}</title></circle>"
        for p, v in finite
    )
    at = [(value, label(value)) for value in ticks(low, high)]
    return picture(
        "Target against prediction", f"{frame.axes(at, at, 'prediction', 'target')}{_diagonal(frame)}{marks}"
    )


def histogram(residuals: np.ndarray) -> str:
    """How residuals are spread: target minus prediction."""
    finite = residuals[np.isfinite(residuals)]
    if not len(finite):
        return quiet("No residual is finite.")
    counts, edges = np.histogram(finite, bins=_BARS)
    frame = Frame(float(edges[0]), float(edges[-1]), 0.0, float(counts.max()) * 1.05)
    bars = "".join(
        _bar(frame, *each)
        for each in zip(counts.tolist(), edges[:-1].tolist(), edges[1:].tolist(), strict=True)
    )
    at_x = [(value, label(value)) for value in ticks(float(edges[0]), float(edges[-1]))]
    at_y = [(value, label(value)) for value in ticks(0.0, float(counts.max()) * 1.05) if value == int(value)]
    axes = frame.axes(at_x, at_y, "target minus prediction", "rows")
    return picture("Residuals: how many rows have which", axes + bars)


def _bar(frame: Frame, count: int, left: float, right: float) -> str:
    x, y = frame.x(left) + 0.5, frame.y(count)
    size = f'width="{max(frame.x(right) - x - 0.5, 0.5):.1f}" height="{frame.y(0) - y:.1f}"'
    title = f"<title>{left:.4g} to {right:.4g}: {count} rows</title>"
    return f'<rect class="bar" x="{x:.1f}" y="{y:.1f}" {size}>{title}</rect>'
