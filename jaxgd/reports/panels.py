"""Which curves belong together: the loss, and each metric, with its held-out twin; or one curve a run."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np


class Curve(NamedTuple):
    """A line of a panel."""

    label: str
    values: np.ndarray
    """float[epochs]; what is not finite is a gap."""
    epochs: np.ndarray | None = None
    """int[epochs], counted from 1; None for one after the other."""
    series: int = 0
    """Which colour and dash it has."""

    @property
    def numbers(self) -> np.ndarray:
        """The epoch of each value."""
        return np.arange(1, len(self.values) + 1) if self.epochs is None else self.epochs


class Panel(NamedTuple):
    """One picture: a quantity over the epochs."""

    title: str
    curves: tuple[Curve, ...]
    logarithmic: bool
    """Whether the quantity spans so much that only its logarithm shows it."""


_WIDE = 30.0


def panels(history: Mapping[str, np.ndarray], epochs: np.ndarray | None = None) -> list[Panel]:
    """The panels of a history, the loss first.

    >>> [panel.title for panel in panels({"loss": np.ones(2), "val_loss": np.ones(2), "auc": np.ones(2)})]
    ['loss', 'auc']
    """
    quantities = [name for name in history if not name.startswith("val_") and np.ndim(history[name]) == 1]
    return [_panel(name, history, epochs) for name in quantities if len(history[name])]


def compared(
    histories: Sequence[tuple[str, Mapping[str, np.ndarray], np.ndarray | None]],
) -> list[Panel]:
    """A panel for each quantity that a run recorded, a curve for each run that recorded it.

    Args:
      histories: (the run's name, its columns, its epochs).
    """
    names = dict.fromkeys(name for _, columns, _ in histories for name in columns)
    shown = []
    for name in names:
        curves = [
            Curve(label, np.asarray(columns[name], np.float64), epochs, series)
            for series, (label, columns, epochs) in enumerate(histories)
            if name in columns and len(columns[name]) and np.ndim(columns[name]) == 1
        ]
        if curves:
            shown.append(Panel(name, tuple(curves), _spans_much(curves)))
    return shown


def _panel(name: str, history: Mapping[str, np.ndarray], epochs: np.ndarray | None) -> Panel:
    curves = [Curve("training", np.asarray(history[name], np.float64), epochs)]
    if f"val_{name}" in history:
        curves.append(Curve("held-out", np.asarray(history[f"val_{name}"], np.float64), epochs, 1))
    return Panel(name, tuple(curves), _spans_much(curves))


def _spans_much(curves: list[Curve]) -> bool:
    values = np.concatenate([curve.values[np.isfinite(curve.values)] for curve in curves])
    return bool(len(values) and values.min() > 0 and values.max() / values.min() > _WIDE)
