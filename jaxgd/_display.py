"""The progress of a run while it runs: a live line on a terminal, a few plain lines anywhere else."""

from collections.abc import Callable

from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from jaxgd.training.progress import Progress

_PLAIN_LINES = 10


def make_display(console: Console) -> "LiveDisplay | PlainDisplay":
    """A live display if the console is a terminal, else plain lines."""
    return LiveDisplay(console) if console.is_terminal and not console.quiet else PlainDisplay(console)


def describe(report: Progress) -> str:
    """One report in one line.

    >>> from jaxgd.training import History
    >>> describe(Progress(3, 10, 42, 140, 1234.5, 61.0, History()))
    'epoch 3/10  1,234 rows/s  1:01 left'
    """
    values = "".join(f"  {name} {value:.4g}" for name, value in _shown(report).items())
    left = int(report.seconds_left)
    pace = f"  {report.rows_per_second:,.0f} rows/s  {left // 60}:{left % 60:02d} left"
    return f"epoch {report.epoch}/{report.epochs}{values}{pace}"


def _shown(report: Progress) -> dict[str, float]:
    """Loss, held-out loss, and the held-out metrics: the last of each."""
    last = report.history.last()
    validates = any(name.startswith("val_") for name in last)
    return {k: v for k, v in last.items() if k == "loss" or k.startswith("val_") or not validates}


class PlainDisplay:
    """About ten lines a run, whatever its length."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.next_epoch = 1

    def __call__(self, report: Progress) -> None:
        if report.epoch < self.next_epoch or self.console.quiet:
            return
        self.console.print(describe(report), markup=False, soft_wrap=True)
        self.next_epoch = report.epoch + max(1, report.epochs // _PLAIN_LINES)

    def __enter__(self) -> "PlainDisplay":
        return self

    def __exit__(self, *_: object) -> None:
        return None


class LiveDisplay:
    """A bar and the last numbers, redrawn only when there is a report."""

    def __init__(self, console: Console) -> None:
        self.live = Live(
            Text("compiling"), console=console, auto_refresh=False, transient=False, redirect_stdout=False
        )

    def __call__(self, report: Progress) -> None:
        row = Table.grid(padding=(0, 1))
        row.add_row(
            ProgressBar(total=max(report.steps, 1), completed=report.step, width=24), describe(report)
        )
        self.live.update(row, refresh=True)

    def __enter__(self) -> "LiveDisplay":
        self.live.start(refresh=True)
        return self

    def __exit__(self, *_: object) -> None:
        self.live.stop()


def stopping_when(
    display: Callable[[Progress], None], should_stop: Callable[[], bool]
) -> Callable[[Progress], bool]:
    """A progress function for `fit` that shows reports and ends the run when told to."""

    def progress(report: Progress) -> bool:
        display(report)
        return not should_stop()

    return progress
