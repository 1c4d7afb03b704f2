"""What `sweep` shows: the plan, how far it is, and the leaderboard."""

import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.live import Live
from rich.text import Text

from jaxgd.cli.console import Output, number
from jaxgd.sweeps import SweepProgress, SweepTable
from jaxgd.sweeps.table import shown

_PLAIN_LINES = 10
_SHOWN = 20
_SECONDS = 0.25


def show_plan(output: Output, reasons: Sequence[str]) -> None:
    """Why the families are run as they are."""
    for line in reasons or ("every member is in the journal already; nothing is run",):
        output.line(line)
    output.line()


def describe(report: SweepProgress) -> str:
    """One report in one line.

    >>> describe(SweepProgress(3, 12, 1, None, "val_loss", 4.0, 12.0))
    '3/12 members, 1 diverged  0:12 left'
    """
    diverged = f", {report.diverged} diverged" if report.diverged else ""
    best = report.best
    value = None if best is None else best.value(report.monitor)
    shown_best = "" if best is None else f"  best {report.monitor} {number(value)} ({_settings(report)})"
    left = "" if report.seconds_left is None else f"  {_clock(report.seconds_left)} left"
    return f"{report.done}/{report.members} members{diverged}{shown_best}{left}"


def _settings(report: SweepProgress) -> str:
    if report.best is None:
        return ""
    listed = [f"{axis}={_short(shown(value))}" for axis, value in report.best.settings.items()]
    return ", ".join([*listed, f"seed={report.best.seed}"])


def _short(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


class Display:
    """Shows reports: one live line on a terminal, about ten plain lines anywhere else.

    Calling it returns False: nothing in a display ends a sweep.
    """

    def __init__(self, console: Console) -> None:
        self.console = console
        self.live = None
        if console.is_terminal and not console.quiet:
            self.live = Live(Text("compiling"), console=console, auto_refresh=False, redirect_stdout=False)
        self.next_time = 0.0
        self.next_done = 1

    def __call__(self, report: SweepProgress) -> bool:
        if self.live is not None and time.perf_counter() >= self.next_time:
            self.live.update(Text(describe(report)), refresh=True)
            self.next_time = time.perf_counter() + _SECONDS
        if self.live is None and not self.console.quiet and report.done >= self.next_done:
            self.console.print(describe(report), markup=False, soft_wrap=True)
            self.next_done = report.done + max(1, report.members // _PLAIN_LINES)
        return False

    def __enter__(self) -> "Display":
        if self.live is not None:
            self.live.start(refresh=True)
        return self

    def __exit__(self, *_: object) -> None:
        if self.live is not None:
            self.live.stop()


def show_table(output: Output, folder: Path, table: SweepTable, best: Path | None, interrupted: bool) -> None:
    """The leaderboard, where it is written, and what can be done next."""
    names = ["rank", *table.axes, "seed", "fold", "status", "epochs", table.monitor, *table.others()]
    if all(member.fold is None for member in table):
        names.remove("fold")
    rows = [[_cell(row[name]) for name in names] for row in table.rows(_SHOWN)]
    output.table(f"The best of {len(table)} members", rows, names)
    if len(table) > _SHOWN:
        output.line(f"All {len(table)} members: {folder / 'sweep.csv'}")
    statuses = [member.status for member in table]
    for status in ("diverged", "dropped", "not run"):
        if status in statuses:
            output.line(f"{statuses.count(status)} members: {status}.")
    seconds = ", ".join(f"{name} {value:.2f}" for name, value in table.seconds.items())
    output.line(f"Seconds: {seconds}; {table.compilations} programs compiled, by all lanes within the run.")
    output.line(f"Sweep folder: {folder}")
    if interrupted:
        output.line(f"Interrupted; go on with: jaxgd sweep --resume {folder}")
    if best is not None:
        output.line(f"Best run:     {best}")


def _cell(value: object) -> str:
    return "-" if value is None else number(value) if isinstance(value, float) else str(value)
