"""The progress of a run while it runs: a live line on a terminal, a few plain lines anywhere else."""

from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from jaxgd.training.progress import Progress

_PLAIN_LINES = 10
_WIDE, _BAR = 110, 24


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
    """The last loss and the last of one metric; of the held-out rows if there are any."""
    last = report.history.last()
    of_validation = [name for name in last if name.startswith("val_")]
    names = [
        "loss",
        *(of_validation or [name for name in last if name != "loss"])[: 2 if of_validation else 1],
    ]
    return {name: last[name] for name in names if name in last}


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
        line = Text(describe(report))
        if self.live.console.width < _WIDE:
            self.live.update(line, refresh=True)
            return
        row = Table.grid(padding=(0, 1))
        row.add_row(ProgressBar(total=max(report.steps, 1), completed=report.step, width=_BAR), line)
        self.live.update(row, refresh=True)

    def __enter__(self) -> "LiveDisplay":
        self.live.start(refresh=True)
        return self

    def __exit__(self, *_: object) -> None:
        self.live.stop()
