"""A bounded thread that makes the next windows while the program works on the present one."""

import queue
import threading
from collections.abc import Iterator
from typing import Any

import jax

from jaxgd._aligned import used_again
from jaxgd.training.streaming.windows import Window, WindowReader

AHEAD = 1
"""Windows that wait; one more is being made, and one is in use."""


class Feed:
    """Windows in their order, made ahead of time. A context manager: the thread ends with the block.

    Args:
      reader: makes the windows.
      epochs: no window of this epoch or a later one is made; None for no end.
    """

    def __init__(self, reader: WindowReader, epochs: int | None = None) -> None:
        self.reader = reader
        self.epochs = epochs
        self._next: tuple[int, int] | None = None
        self._thread: threading.Thread | None = None
        self._ready: queue.Queue[Any] = queue.Queue()
        self._stop = threading.Event()

    def __enter__(self) -> "Feed":
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def get(self, epoch: int, number: int) -> Window:
        """A window; the one after it is the cheapest to ask for next. Raises what making it raised."""
        if self._next != (epoch, number):
            self._end()
            self._begin(epoch, number)
        found = self._ready.get()
        if isinstance(found, BaseException):
            self._end()
            raise found
        self._next = self._after(epoch, number)
        return found

    def _after(self, epoch: int, number: int) -> tuple[int, int]:
        last = number + 1 == self.reader.order.num_windows
        return (epoch + 1, 0) if last else (epoch, number + 1)

    def _begin(self, epoch: int, number: int) -> None:
        self._stop, self._ready = threading.Event(), queue.Queue(AHEAD)
        arguments = (epoch, number, self._stop, self._ready, jax.config.read("jax_enable_x64"))
        self._thread = threading.Thread(target=self._make, args=arguments, name="jaxgd-feed", daemon=True)
        self._thread.start()

    def _end(self) -> None:
        self._next = None
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def _make(self, epoch: int, number: int, stop: threading.Event, ready: Any, x64: bool) -> None:
        """The thread: makes windows until it is told to stop, or one cannot be made."""
        with used_again(), jax.enable_x64(x64):  # this setting is each thread's own
            for place in self._following(epoch, number):
                if stop.is_set():
                    return
                try:
                    made: Any = self.reader.read(*place)
                except BaseException as error:
                    made = error
                if not _put(ready, made, stop) or isinstance(made, BaseException):
                    return
                del made

    def _following(self, epoch: int, number: int) -> Iterator[tuple[int, int]]:
        while self.epochs is None or epoch < self.epochs:
            yield epoch, number
            epoch, number = self._after(epoch, number)


def _put(ready: Any, made: Any, stop: threading.Event) -> bool:
    """Whether there was a place for it before the thread was told to stop."""
    while not stop.is_set():
        try:
            ready.put(made, timeout=0.05)
            return True
        except queue.Full:
            continue
    return False
