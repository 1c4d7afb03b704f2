"""Ctrl-C and SIGTERM during training: the run ends after the chunk under way, and is saved."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from types import FrameType

from jaxgd.training.leaving import deadline_after_sigterm
from jaxgd.training.progress import Progress

_HANGUP = getattr(signal, "SIGHUP", None)
"""The terminal is gone; there is none on Windows."""


class Interrupt:
    """Which signal asked the run to end, if any did."""

    def __init__(self) -> None:
        self.signal: int | None = None
        self.terminals = [number for number in (1, 2) if os.isatty(number)]

    def __bool__(self) -> bool:
        return self.signal is not None

    @property
    def terminated(self) -> bool:
        """Whether the machine wants the process gone, and not the user the run ended."""
        return self.signal in (signal.SIGTERM, _HANGUP)

    def handle(self, signum: int, frame: FrameType | None) -> None:
        """The handler of all. Raises KeyboardInterrupt at the second Ctrl-C."""
        if self.signal == signum == signal.SIGINT:
            raise KeyboardInterrupt
        self.signal = signum
        if signum == _HANGUP:  # nobody reads any more, and what is written would be an error
            for number in self.terminals:
                os.dup2(os.open(os.devnull, os.O_WRONLY), number)


@contextmanager
def catching_interrupt(last_words: str = "") -> Iterator[Interrupt]:
    """Inside the block they only set the flag that is given; a process that ignored one still does.

    Args:
      last_words: said if SIGTERM or SIGHUP has to end the process before what it computes is over.
    """
    interrupt = Interrupt()
    in_main_thread = threading.current_thread() is threading.main_thread()
    asking = (signal.SIGINT, signal.SIGTERM, _HANGUP) if in_main_thread else ()
    before = {each: signal.getsignal(each) for each in asking if each is not None}
    heeded = {each: old for each, old in before.items() if old is not signal.SIG_IGN}
    for each in heeded:
        signal.signal(each, interrupt.handle)
    try:
        with deadline_after_sigterm(last_words) if in_main_thread else nullcontext():
            yield interrupt
    finally:
        for each, old in heeded.items():
            signal.signal(each, old)


def stopping_when(
    display: Callable[[Progress], None], should_stop: Callable[[], bool]
) -> Callable[[Progress], bool]:
    """A progress function for `fit` that shows reports and ends the run when told to."""

    def progress(report: Progress) -> bool:
        display(report)
        return not should_stop()

    return progress
