"""SIGTERM or SIGHUP while a run saves checkpoints: it ends after the chunk under way, then the process."""

import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType


class Leaving:
    """Whether the process was told to end, and by which signal."""

    def __init__(self) -> None:
        self.signal: int | None = None

    def __bool__(self) -> bool:
        return self.signal is not None

    def handle(self, signum: int, frame: FrameType | None) -> None:
        """The handler."""
        self.signal = signum


_BOTH = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name))
SECONDS = 3.5
"""After which a process that was told to end ends, whatever it is at: machines are taken away after five."""


@contextmanager
def deadline_after_sigterm(last_words: str = "") -> Iterator[None]:
    """Inside the block a SIGTERM or SIGHUP that Python handles ends the process in time, with status 143.

    Python calls a handler only once the main thread is back from what it computes or compiles. A thread that
    waits for the signal is not held up by that. A checkpoint is whole or not there, so that nothing breaks.

    Args:
      last_words: said on stderr then.
    """
    reader, writer = socket.socketpair()
    writer.setblocking(False)
    before = signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
    over = threading.Event()
    watch = threading.Thread(target=_end_in_time, args=(reader, over, last_words), daemon=True)
    if before == -1:
        watch.start()
    else:  # the program has a use of its own for it
        signal.set_wakeup_fd(before)
    try:
        yield
    finally:
        over.set()
        if before == -1:
            signal.set_wakeup_fd(-1)
        writer.close()
        if before == -1:
            watch.join()
        reader.close()


def _end_in_time(reader: socket.socket, over: threading.Event, last_words: str) -> None:
    while number := reader.recv(1):
        if number[0] in _BOTH and not over.wait(SECONDS):
            with suppress(OSError, ValueError):  # the terminal may be gone
                sys.stderr.write(last_words)
                sys.stderr.flush()
            os._exit(128 + signal.SIGTERM)


@contextmanager
def leaving_on_sigterm(active: bool) -> Iterator[Leaving]:
    """Inside the block both only set the flag that is given; behind it the process ends by that signal.

    Args:
      active: False changes nothing; nor does a signal that the program handles itself, or another thread.
    """
    leaving = Leaving()
    in_main_thread = threading.current_thread() is threading.main_thread()
    ours = [each for each in _BOTH if signal.getsignal(each) is signal.SIG_DFL] if in_main_thread else []
    if not active or not ours:
        yield leaving
        return
    for each in ours:
        signal.signal(each, leaving.handle)
    try:
        with deadline_after_sigterm():
            yield leaving
    finally:
        for each in ours:
            signal.signal(each, signal.SIG_DFL)
    if leaving.signal is not None:
        os.kill(os.getpid(), leaving.signal)
