"""SIGTERM while a run saves checkpoints: the run ends after the chunk under way, then the process."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Leaving:
    """Whether the process was told to end."""

    def __init__(self) -> None:
        self.asked = False

    def __bool__(self) -> bool:
        return self.asked

    def handle(self, signum: int, frame: FrameType | None) -> None:
        """The handler of SIGTERM."""
        self.asked = True


@contextmanager
def leaving_on_sigterm(active: bool) -> Iterator[Leaving]:
    """Inside the block SIGTERM only sets the flag that is given; behind it the process ends by that signal.

    Args:
      active: False changes nothing; nor does a program that handles SIGTERM itself, or another thread.
    """
    leaving = Leaving()
    in_main_thread = threading.current_thread() is threading.main_thread()
    if not active or not in_main_thread or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield leaving
        return
    signal.signal(signal.SIGTERM, leaving.handle)
    try:
        yield leaving
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if leaving:
        os.kill(os.getpid(), signal.SIGTERM)
