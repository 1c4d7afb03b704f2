"""layers.csv: what each layer does after each epoch, written while a run goes on."""

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from jaxgd.reports.probing import BATCH, LayerFacts, make_probe
from jaxgd.reports.reading import read_columns
from jaxgd.runs.folder import LAYERS
from jaxgd.runs.history_file import write_history
from jaxgd.runs.plan import AnyPlan, targets
from jaxgd.training import TrainState

QUANTITIES = ("gradient norm", "update norm", "update / parameters", "dead units, share")
RATE = "learning rate"
_SECONDS = 2.0

Row = dict[str, float]
"""{column: value}; a column is "quantity: layer", or the learning rate."""


class LayerLog:
    """A `watch` function for `fit` that measures each layer and keeps layers.csv; a context manager.

    The file is whole at every moment. What an interrupted run wrote is gone on with; of a run that goes back
    to an earlier epoch the later rows are dropped.

    Args:
      folder: of the run.
      plan: of the run.
      also: called with the epoch and its row.
    """

    def __init__(self, folder: Path, plan: AnyPlan, also: Callable[[int, Row], object] | None = None) -> None:
        x, y = plan.some_rows(BATCH)
        y = targets(y, plan.encoding, plan.loss)
        self.probe = make_probe(plan.model, plan.loss, plan.optimizer, x, y)
        self.path = folder / LAYERS
        self.also = also
        self.rows = read_rows(self.path)
        self.written = time.monotonic()

    def __call__(self, epoch: int, state: TrainState) -> None:
        """Measures the layers after an epoch."""
        layers, rate = self.probe(state)
        row = row_of(layers, rate)
        self.rows = {each: kept for each, kept in self.rows.items() if each < epoch} | {epoch: row}
        if self.also is not None:
            self.also(epoch, row)
        if time.monotonic() - self.written > _SECONDS:
            self.write()

    def write(self) -> None:
        """The file as it should be. Raises OSError."""
        names = dict.fromkeys(name for row in self.rows.values() for name in row)
        columns = {name: np.array([row.get(name, np.nan) for row in self.rows.values()]) for name in names}
        write_history(self.path, columns, np.array(list(self.rows)))
        self.written = time.monotonic()

    def __enter__(self) -> "LayerLog":
        return self

    def __exit__(self, *_: object) -> None:
        if self.rows:
            self.write()


def row_of(layers: tuple[LayerFacts, ...], rate: float | None) -> Row:
    """What was measured, as columns; a layer without a side where units die has no such column.

    >>> row_of((LayerFacts("dense", 2.0, 0.5, 0.1, 8, 2),), 0.01)["dead units, share: dense"]
    0.25
    """
    row = {} if rate is None else {RATE: rate}
    for each in layers:
        share = each.update / each.parameters if each.parameters else np.nan
        dead = None if each.dead is None else each.dead / each.units
        for quantity, value in zip(QUANTITIES, (each.gradient, each.update, share, dead), strict=True):
            if value is not None:
                row[f"{quantity}: {each.name}"] = float(value)
    return row


def read_rows(path: Path) -> dict[int, Row]:
    """What an earlier part of the run wrote; nothing if that cannot be read."""
    columns, epochs = read_columns(path, [])
    return {
        epoch: {name: float(values[place]) for name, values in columns.items()}
        for place, epoch in enumerate(epochs.tolist())
    }
