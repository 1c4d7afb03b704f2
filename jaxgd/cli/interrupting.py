"""Ctrl-C during training: the first asks the run to end and be saved, the second ends the process."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Interrupt:
    """Whether Ctrl-C was pressed."""

    def __init__(self) -> None:
        self.asked = False

    def __bool__(self) -> bool:
        return self.asked

    def handle(self, signum: int, frame: FrameType | None) -> None:
        """The handler of SIGINT. Raises KeyboardInterrupt the second time."""
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True


@contextmanager
def catching_interrupt() -> Iterator[Interrupt]:
    """Inside the block Ctrl-C only sets the flag that is given; a process that ignored it still does."""
    interrupt = Interrupt()
    in_main_thread = threading.current_thread() is threading.main_thread()
    if not in_main_thread or signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        yield interrupt
        return
    before = signal.signal(signal.SIGINT, interrupt.handle)
    try:
        yield interrupt
    finally:
        signal.signal(signal.SIGINT, before)
