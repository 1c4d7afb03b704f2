"""Which curves belong together: the loss, and each metric, with its held-out twin."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np


class Curve(NamedTuple):
    """A line of a panel."""

    label: str
    values: np.ndarray
    """float[epochs]; what is not finite is a gap."""


class Panel(NamedTuple):
    """One picture: a quantity over the epochs."""

    title: str
    curves: tuple[Curve, ...]
    logarithmic: bool
    """Whether the quantity spans so much that only its logarithm shows it."""


_WIDE = 30.0


def panels(history: Mapping[str, np.ndarray]) -> list[Panel]:
    """The panels of a history, the loss first.

    >>> [panel.title for panel in panels({"loss": np.ones(2), "val_loss": np.ones(2), "auc": np.ones(2)})]
    ['loss', 'auc']
    """
    quantities = [name for name in history if not name.startswith("val_") and np.ndim(history[name]) == 1]
    return [_panel(name, history) for name in quantities if len(history[name])]


def _panel(name: str, history: Mapping[str, np.ndarray]) -> Panel:
    curves = [Curve("training", np.asarray(history[name], np.float64))]
    if f"val_{name}" in history:
        curves.append(Curve("held-out", np.asarray(history[f"val_{name}"], np.float64)))
    return Panel(name, tuple(curves), _spans_much(curves))


def _spans_much(curves: list[Curve]) -> bool:
    values = np.concatenate([curve.values[np.isfinite(curve.values)] for curve in curves])
    return bool(len(values) and values.min() > 0 and values.max() / values.min() > _WIDE)
