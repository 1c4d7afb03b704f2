"""Event files that TensorBoard opens, written while a run goes on; by tensorboardX, without TensorFlow."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from jaxgd.training import History
from jaxgd.training.progress import Progress, ProgressFn

FOLDER = "tensorboard"


class EventWriter:
    """Writes each finished epoch's scalars once, into `tensorboard/` of a run's folder; a context manager.

    Events that are there already are replaced: the history of a run that goes on holds its first epochs too.

    Args:
      folder: of the run.

    Raises:
      ImportError: tensorboardX is not installed.
    """

    def __init__(self, folder: Path) -> None:
        from tensorboardX import SummaryWriter

        for old in (folder / FOLDER).glob("events.out.tfevents.*"):
            old.unlink()
        self.writer = SummaryWriter(str(folder / FOLDER), flush_secs=10)
        self.last = 0

    def before(self, progress: ProgressFn) -> ProgressFn:
        """A progress function that writes what is new before it asks the other."""

        def both(report: Progress) -> object:
            self.write(report.history)
            return progress(report)

        return both

    def write(self, history: History) -> None:
        """The epochs that were not written yet."""
        epochs = np.asarray(history.numbers)
        for place in np.flatnonzero(epochs > self.last):
            for name, values in history.columns.items():
                if np.ndim(values) == 1:
                    self.writer.add_scalar(_tag(name), float(values[place]), int(epochs[place]))
        self.last = max(self.last, int(epochs.max(initial=0)))

    def write_layers(self, epoch: int, row: Mapping[str, float]) -> None:
        """What was measured of the layers after an epoch: `also` of a `LayerLog`."""
        for name, value in row.items():
            self.writer.add_scalar(layer_tag(name), value, epoch)

    def finish(self, history: History, config: Mapping[str, Any]) -> None:
        """The last epochs, the command and the settings."""
        self.write(history)
        rows = [f"| {name} | {value} |" for name, value in config["settings"].items()]
        self.writer.add_text("command", f"    {config['command']}")
        self.writer.add_text("settings", "\n".join(["| setting | value |", "|---|---|", *rows]))

    def __enter__(self) -> "EventWriter":
        return self

    def __exit__(self, *_: object) -> None:
        self.writer.close()


def layer_tag(column: str) -> str:
    """TensorBoard's name of a column of layers.csv.

    >>> layer_tag("update / parameters: dense_1"), layer_tag("dead units, share: dense")
    ('update_over_parameters/dense_1', 'dead_units_share/dense')
    """
    quantity, _, layer = column.replace(" / ", " over ").partition(": ")
    return re.sub(r"\W+", "_", quantity) + (f"/{layer}" if layer else "")


def _tag(column: str) -> str:
    """TensorBoard's name of a column.

    >>> _tag("loss"), _tag("val_loss")
    ('loss/training', 'loss/held-out')
    """
    return f"{column[4:]}/held-out" if column.startswith("val_") else f"{column}/training"
