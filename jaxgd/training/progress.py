"""How far a run is, told to whoever shows it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
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


@contextmanager
def reporting_to(progress: ProgressFn | bool | None) -> Iterator[ProgressFn | None]:
    """The function that reports go to inside the block: the caller's, or a display on stderr for True.

    Raises:
      TypeError: neither a function nor a bool.
    """
    if progress is None or progress is False:
        yield None
    elif progress is True:
        from rich.console import Console

        from jaxgd.training.display import make_display

        with make_display(Console(stderr=True)) as display:
            yield display
    elif callable(progress):
        yield progress
    else:
        raise TypeError(f"progress: expected True, False or a function of a Progress, got {progress!r}.")
