"""Pictures as SVG for a page: their colours are the page's, so that they follow light and dark."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np

from jaxgd.reports.panels import SERIES, Curve, Panel

WIDTH, HEIGHT = 420, 260
LEFT, RIGHT, TOP, BOTTOM = 58, 12, 14, 36
_MAX_POINTS = 600


@dataclass(frozen=True)
class Frame:
    """Where numbers lie in a picture."""

    low_x: float
    high_x: float
    low_y: float
    high_y: float

    def x(self, value: float) -> float:
        """The horizontal place of a number; the middle where there is only one."""
        span = self.high_x - self.low_x
        share = (value - self.low_x) / span if span else 0.5
        return LEFT + share * (WIDTH - LEFT - RIGHT)

    def y(self, value: float) -> float:
        """The vertical place of a number."""
        return TOP + (self.high_y - value) / (self.high_y - self.low_y) * (HEIGHT - TOP - BOTTOM)

    def axes(
        self,
        at_x: Sequence[tuple[float, str]],
        at_y: Sequence[tuple[float, str]],
        label_x: str,
        label_y: str = "",
    ) -> str:
        """Lines at some heights, numbers beside them and below."""
        parts = []
        for value, text in at_y:
            y = self.y(value)
            parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
            parts.append(f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{text}</text>')
        for value, text in at_x:
            x = self.x(value)
            parts.append(f'<text x="{x:.1f}" y="{HEIGHT - BOTTOM + 16}" text-anchor="middle">{text}</text>')
        middle = (LEFT + WIDTH - RIGHT) / 2
        parts.append(f'<text x="{middle:.1f}" y="{HEIGHT - 4}" text-anchor="middle">{escape(label_x)}</text>')
        if label_y:
            place = f'transform="translate(11 {(TOP + HEIGHT - BOTTOM) / 2:.1f}) rotate(-90)"'
            parts.append(f'<text {place} text-anchor="middle">{escape(label_y)}</text>')
        return "".join(parts)


def picture(title: str, content: str, extra: str = "") -> str:
    """An `<svg>` element around what was drawn."""
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)}"{extra}>{content}</svg>'
    )


def panel_svg(panel: Panel) -> str:
    """One panel as an `<svg>` element."""
    low, high = _range(panel)
    epochs = np.concatenate([curve.numbers for curve in panel.curves])
    frame = Frame(float(epochs.min()), float(epochs.max()), low, high)
    lines = [_curve(curve, frame, panel.logarithmic) for curve in panel.curves]
    heights = decades(low, high) if panel.logarithmic else ticks(low, high)
    at_y = [(value, label(10**value if panel.logarithmic else value)) for value in heights]
    first, last = int(frame.low_x), int(frame.high_x)
    at_x = [(epoch, str(epoch)) for epoch in sorted({first, (first + last) // 2, last})]
    cursor = f'<line class="cursor" hidden="" y1="{TOP}" y2="{HEIGHT - BOTTOM}"/>'
    content = f"{frame.axes(at_x, at_y, 'epoch')}{''.join(lines)}{cursor}"
    return picture(f"{panel.title} over the epochs", content, ' tabindex="0"')


def _range(panel: Panel) -> tuple[float, float]:
    """The span of the vertical axis, in logarithms if the panel has them; never empty."""
    values = np.concatenate([curve.values[np.isfinite(curve.values)] for curve in panel.curves])
    if not len(values):
        return 0.0, 1.0
    low, high = float(values.min()), float(values.max())
    if panel.logarithmic:
        low, high = math.log10(low), math.log10(high)
    below, above = widened(low, high)
    if low < 0 or panel.logarithmic:
        return below, above
    return max(below, 0.0), above if high else 1.0


def widened(low: float, high: float) -> tuple[float, float]:
    """A span with a margin, never empty."""
    margin = (high - low) * 0.05 or abs(low) * 0.05 or 0.5
    return low - margin, high + margin


def _curve(curve: Curve, frame: Frame, logarithmic: bool) -> str:
    name = f"series-{curve.series % SERIES}"
    parts = []
    for stretch in _stretches(curve):
        points = [
            (
                frame.x(curve.numbers[place]),
                frame.y(_scaled(float(curve.values[place]), logarithmic)),
            )
            for place in stretch
        ]
        if len(points) == 1:
            parts.append(f'<circle class="{name}" cx="{points[0][0]:.1f}" cy="{points[0][1]:.1f}" r="3"/>')
        else:
            text = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
            parts.append(f'<polyline class="{name}" points="{text}"/>')
    return "".join(parts)


def _stretches(curve: Curve) -> list[list[int]]:
    """Places of values that are finite, in runs between those that are not."""
    found: list[list[int]] = [[]]
    for place in _thinned(len(curve.values)):
        if math.isfinite(curve.values[place]):
            found[-1].append(place)
        elif found[-1]:
            found.append([])
    return [stretch for stretch in found if stretch]


def _thinned(count: int) -> list[int]:
    """At most so many places, the first and the last among them."""
    if count <= _MAX_POINTS:
        return list(range(count))
    return sorted({round(place) for place in np.linspace(0, count - 1, _MAX_POINTS)})


def _scaled(value: float, logarithmic: bool) -> float:
    return math.log10(value) if logarithmic else value


def decades(low: float, high: float) -> list[float]:
    """The logarithms of round numbers inside a span of logarithms: fewer a decade where it is wide."""
    span = high - low
    digits = (1, 2, 5) if span < 1.5 else (1, 3) if span < 4 else (1,)
    stride = max(1, math.ceil(span / 8))
    places = range(math.floor(low), math.ceil(high) + 1, stride)
    values = [decade + math.log10(digit) for decade in places for digit in digits]
    return [value for value in values if low <= value <= high]


def label(value: float) -> str:
    """A number beside an axis.

    >>> label(0.1 + 0.2), label(12000.0), label(-1.0), label(3e-7)
    ('0.3', '12,000', '-1', '3e-07')
    """
    return f"{value:,.6g}" if 1000 <= abs(value) < 1e6 else f"{value:.3g}"


def ticks(low: float, high: float) -> list[float]:
    """About five round numbers inside a span."""
    step = 10.0 ** math.floor(math.log10((high - low) / 4))
    step *= next(factor for factor in (1, 2, 5, 10) if (high - low) / (step * factor) <= 6)
    first = math.ceil(low / step)
    return [place * step for place in range(first, math.floor(high / step) + 1)]
