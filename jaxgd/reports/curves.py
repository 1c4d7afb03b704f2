"""Curves drawn by matplotlib without a display, where a file is wanted."""

import io
from collections.abc import Sequence

import numpy as np
from matplotlib import rc_context
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from jaxgd.reports.panels import SERIES, Panel

FORMATS = ("png", "svg")
_LOOKS = (
    ("#1f5fa8", "-"),
    ("#b84e0e", "--"),
    ("#6b4c9a", ":"),
    ("#1c2330", "-."),
    ("#1f8a70", (0, (8, 2, 1, 2))),
    ("#8a6d1f", (0, (3, 1, 1, 1))),
)


def curves_picture(shown: Sequence[Panel], title: str, kind: str = "png") -> bytes:
    """A picture of every panel, side by side, three in a row.

    Args:
      shown: the panels.
      title: above them.
      kind: "png" or "svg".

    Returns: a file's content; a picture that says so if there are no epochs.
    """
    rows, columns = -(-len(shown) // 3) or 1, min(max(len(shown), 1), 3)
    figure = Figure(figsize=(4.8 * columns, 3.6 * rows), layout="constrained", dpi=120)
    FigureCanvasAgg(figure)
    figure.suptitle(plain_text(title), fontsize=11)
    if not shown:
        figure.text(0.5, 0.5, "no epochs", ha="center")
    for place, panel in enumerate(shown, start=1):
        _draw(figure.add_subplot(rows, columns, place), panel)
    return saved(figure, kind)


def saved(figure: Figure, kind: str) -> bytes:
    """A figure as the content of a PNG or an SVG, which is the same each time."""
    stream = io.BytesIO()
    with rc_context({"svg.hashsalt": "jaxgd"}):
        figure.savefig(stream, format=kind, metadata={"Date": None} if kind == "svg" else None)
    return stream.getvalue()


def _draw(axes, panel: Panel) -> None:
    for curve in panel.curves:
        color, dash = _LOOKS[curve.series % SERIES]
        marker = "o" if len(curve.values) == 1 else None
        values = np.where(np.isfinite(curve.values), curve.values, np.nan)
        axes.plot(
            curve.numbers, values, color=color, linestyle=dash, label=plain_text(curve.label), marker=marker
        )
    axes.set_title(plain_text(panel.title), fontsize=10)
    axes.set_xlabel("epoch")
    axes.set_yscale("log" if panel.logarithmic else "linear")
    axes.grid(alpha=0.3)
    axes.legend(frameon=False, fontsize=9)


def plain_text(text: str) -> str:
    """Text in which matplotlib sees no formula."""
    return text.replace("$", r"\$")
