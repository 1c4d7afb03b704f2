"""SIGTERM while a run saves checkpoints: the run ends after the chunk under way, then the process."""

import os
import signal
import socket
import sys
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


SECONDS = 3.5
"""After which a process that was told to end ends, whatever it is at: machines are taken away after five."""


@contextmanager
def deadline_after_sigterm(last_words: str = "") -> Iterator[None]:
    """Inside the block a SIGTERM that Python handles ends the process in time, with status 143.

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
        if number[0] == signal.SIGTERM and not over.wait(SECONDS):
            sys.stderr.write(last_words)
            sys.stderr.flush()
            os._exit(128 + signal.SIGTERM)


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
        with deadline_after_sigterm():
            yield leaving
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if leaving:
        os.kill(os.getpid(), signal.SIGTERM)
