"""How far a run is, told to whoever shows it."""

from collections.abc import Callable
from typing import NamedTuple

from jaxgd.training.history import History


class Progress(NamedTuple):
    """One report of a run under way."""

    epoch: int
    """Finished epochs."""
    epochs: int
    """Epochs that were asked for."""
    step: int
    """Steps taken of all."""
    steps: int
    rows_per_second: float
    seconds_left: float
    history: History


ProgressFn = Callable[[Progress], object]
"""Called between chunks of a run; a run ends early if it returns False."""
