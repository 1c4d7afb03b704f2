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


SERIES = 6
"""Looks that differ: of colour, dash and mark."""
_WIDE = 30.0


def panels(history: Mapping[str, np.ndarray], epochs: np.ndarray | None = None) -> list[Panel]:
    """The panels of a history, the loss first.

    >>> [panel.title for panel in panels({"loss": np.ones(2), "val_loss": np.ones(2), "auc": np.ones(2)})]
    ['loss', 'auc']
    """
    quantities = [name for name in history if not name.startswith("val_") and np.ndim(history[name]) == 1]
    return [_panel(name, history, epochs) for name in quantities if len(history[name])]


def layer_panels(columns: Mapping[str, np.ndarray], epochs: np.ndarray) -> list[Panel]:
    """The panels of what was measured of each layer: one for each quantity, a curve a layer; the rate last.

    Args:
      columns: {"quantity: layer": values}, or {quantity: values}. Of many layers some are drawn, evenly.
      epochs: int[rows].

    >>> found = layer_panels({"rate": np.ones(2), "norm: a": np.ones(2), "norm: b": np.ones(2)}, np.arange(2))
    >>> [(panel.title, [curve.label for curve in panel.curves]) for panel in found]
    [('norm', ['a', 'b']), ('rate', ['rate'])]
    """
    layers = list(dict.fromkeys(name.partition(": ")[2] for name in columns if ": " in name))
    places = np.unique(np.linspace(0, max(len(layers) - 1, 0), SERIES).astype(int))
    kept = [layers[place] for place in places if layers]
    groups: dict[str, list[Curve]] = {}
    for name, values in columns.items():
        quantity, _, layer = name.partition(": ")
        if layer in kept and len(values):
            groups.setdefault(quantity, []).append(Curve(layer, values, epochs, kept.index(layer)))
        if not layer and len(values):
            groups[quantity] = [Curve(quantity, values, epochs)]
    ordered = sorted(groups.items(), key=lambda item: item[1][0].label == item[0])
    return [Panel(quantity, tuple(curves), _spans_much(curves)) for quantity, curves in ordered]


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
