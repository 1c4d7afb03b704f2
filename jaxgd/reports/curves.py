"""curves.png, drawn by matplotlib without a display."""

import io
from collections.abc import Mapping

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from jaxgd.reports.panels import panels

_COLORS = {"training": "#2563ab", "held-out": "#c8551b"}


def curves_png(history: Mapping[str, np.ndarray], title: str) -> bytes:
    """A picture of every scalar column over the epochs.

    Args:
      history: {column: [epochs]}.
      title: above the panels.

    Returns: a PNG; one that says so if there are no epochs.
    """
    shown = panels(history)
    figure = Figure(figsize=(4.8 * max(len(shown), 1), 3.6), layout="constrained", dpi=120)
    FigureCanvasAgg(figure)
    figure.suptitle(_plain(title), fontsize=11)
    if not shown:
        figure.text(0.5, 0.5, "no epochs", ha="center")
    for place, panel in enumerate(shown, start=1):
        axes = figure.add_subplot(1, len(shown), place)
        for curve in panel.curves:
            epochs = np.arange(1, len(curve.values) + 1)
            marker = "o" if len(epochs) == 1 else None
            values = np.where(np.isfinite(curve.values), curve.values, np.nan)
            axes.plot(epochs, values, color=_COLORS[curve.label], label=curve.label, marker=marker)
        axes.set_title(_plain(panel.title), fontsize=10)
        axes.set_xlabel("epoch")
        axes.set_yscale("log" if panel.logarithmic else "linear")
        axes.grid(alpha=0.3)
        axes.legend(frameon=False, fontsize=9)
    stream = io.BytesIO()
    figure.savefig(stream, format="png")
    return stream.getvalue()


def _plain(text: str) -> str:
    """Text in which matplotlib sees no formula."""
    return text.replace("$", r"\$")
