"""The curves as SVG for a page: its colours are the page's, so that they follow light and dark."""

import math
from html import escape

import numpy as np

from jaxgd.reports.panels import Curve, Panel

WIDTH, HEIGHT = 420, 260
_LEFT, _RIGHT, _TOP, _BOTTOM = 58, 12, 14, 36
_MAX_POINTS = 600
_CLASSES = {"training": "training", "held-out": "held-out"}


def panel_svg(panel: Panel) -> str:
    """One panel as an `<svg>` element."""
    low, high = _range(panel)
    count = max(len(curve.values) for curve in panel.curves)
    lines = [_curve(curve, count, low, high, panel.logarithmic) for curve in panel.curves]
    title = escape(f"{panel.title} over the epochs")
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{title}">'
        f"{_axes(low, high, count, panel.logarithmic)}{''.join(lines)}</svg>"
    )


def _range(panel: Panel) -> tuple[float, float]:
    """The span of the vertical axis, in logarithms if the panel has them; never empty."""
    values = np.concatenate([curve.values[np.isfinite(curve.values)] for curve in panel.curves])
    if not len(values):
        return 0.0, 1.0
    low, high = float(values.min()), float(values.max())
    if panel.logarithmic:
        low, high = math.log10(low), math.log10(high)
    margin = (high - low) * 0.05 or abs(low) * 0.05 or 0.5
    return low - margin, high + margin


def _x(epoch: float, count: int) -> float:
    share = (epoch - 1) / (count - 1) if count > 1 else 0.5
    return _LEFT + share * (WIDTH - _LEFT - _RIGHT)


def _y(value: float, low: float, high: float) -> float:
    return _TOP + (high - value) / (high - low) * (HEIGHT - _TOP - _BOTTOM)


def _curve(curve: Curve, count: int, low: float, high: float, logarithmic: bool) -> str:
    points = [
        (_x(place + 1, count), _y(_scaled(float(curve.values[place]), logarithmic), low, high))
        for place in _thinned(len(curve.values))
        if math.isfinite(curve.values[place])
    ]
    name = _CLASSES[curve.label]
    if len(points) == 1:
        return f'<circle class="{name}" cx="{points[0][0]:.1f}" cy="{points[0][1]:.1f}" r="3"/>'
    return f'<polyline class="{name}" points="{" ".join(f"{x:.1f},{y:.1f}" for x, y in points)}"/>'


def _thinned(count: int) -> list[int]:
    """At most so many places, the first and the last among them."""
    if count <= _MAX_POINTS:
        return list(range(count))
    return np.unique(np.linspace(0, count - 1, _MAX_POINTS).round().astype(int)).tolist()


def _scaled(value: float, logarithmic: bool) -> float:
    return math.log10(value) if logarithmic else value


def _axes(low: float, high: float, count: int, logarithmic: bool) -> str:
    parts = []
    for value in _decades(low, high) if logarithmic else _ticks(low, high):
        y = _y(value, low, high)
        label = f"{10**value if logarithmic else value:.3g}"
        parts.append(f'<line class="grid" x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{label}</text>')
    for epoch in sorted({1, (1 + count) // 2, count}):
        x = _x(epoch, count)
        parts.append(f'<text x="{x:.1f}" y="{HEIGHT - _BOTTOM + 16}" text-anchor="middle">{epoch}</text>')
    middle = (_LEFT + WIDTH - _RIGHT) / 2
    parts.append(f'<text x="{middle:.1f}" y="{HEIGHT - 4}" text-anchor="middle">epoch</text>')
    return "".join(parts)


def _decades(low: float, high: float) -> list[float]:
    """The logarithms of round numbers inside a span of logarithms: fewer a decade where it is wide."""
    span = high - low
    digits = (1, 2, 5) if span < 1.5 else (1, 3) if span < 4 else (1,)
    stride = max(1, math.ceil(span / 8))
    decades = range(math.floor(low), math.ceil(high) + 1, stride)
    values = [decade + math.log10(digit) for decade in decades for digit in digits]
    return [value for value in values if low <= value <= high]


def _ticks(low: float, high: float) -> list[float]:
    """About five round numbers inside a span."""
    step = 10.0 ** math.floor(math.log10((high - low) / 4))
    step *= next(factor for factor in (1, 2, 5, 10) if (high - low) / (step * factor) <= 6)
    first = math.ceil(low / step)
    return [place * step for place in range(first, math.floor(high / step) + 1)]
