"""SIGTERM, SIGHUP or Ctrl-C while a run saves checkpoints: it ends after the chunk under way."""

import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any


class Leaving:
    """Whether the process was told to end, and by which signal."""

    def __init__(self) -> None:
        self.signal: int | None = None

    def __bool__(self) -> bool:
        return self.signal is not None

    def handle(self, signum: int, frame: FrameType | None) -> None:
        """The handler. Raises KeyboardInterrupt at the second Ctrl-C."""
        if self.signal == signum == signal.SIGINT:
            raise KeyboardInterrupt
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
def leaving_on_sigterm(active: bool, interrupted: str = "") -> Iterator[Leaving]:
    """Inside the block both only set the flag that is given; behind it the process ends by that signal.

    Args:
      active: False changes nothing; nor does a signal that the program handles itself, or another thread.
      interrupted: what the KeyboardInterrupt behind the block says after Ctrl-C, which then sets the flag as
        well, and ends the block at once when it comes again; empty leaves Ctrl-C alone.
    """
    leaving = Leaving()
    before = _heeded(with_ctrl_c=bool(interrupted)) if active else {}
    if not before:
        yield leaving
        return
    for each in before:
        signal.signal(each, leaving.handle)
    try:
        with deadline_after_sigterm():
            yield leaving
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
    if leaving.signal == signal.SIGINT:
        raise KeyboardInterrupt(interrupted)
    if leaving.signal is not None:
        os.kill(os.getpid(), leaving.signal)


def _heeded(with_ctrl_c: bool) -> dict[int, Any]:
    """The signals that the program leaves to Python, and their handlers; none in another thread."""
    if threading.current_thread() is not threading.main_thread():
        return {}
    usual = {each: signal.SIG_DFL for each in _BOTH}
    usual |= {signal.SIGINT: signal.default_int_handler} if with_ctrl_c else {}
    return {each: handler for each, handler in usual.items() if signal.getsignal(each) is handler}
