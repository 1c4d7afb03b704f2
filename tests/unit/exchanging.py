"""Several processes that exchange what they find, played by threads."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier


def in_turn(count, work):
    """What `work(number, exchange)` gives each of so many processes."""
    barrier, brought = Barrier(count), [None] * count

    def process(number):
        def exchange(value):
            brought[number] = value
            barrier.wait(10)
            everything = list(brought)
            barrier.wait(10)
            return everything

        return work(number, exchange)

    with ThreadPoolExecutor(count) as threads:
        return list(threads.map(process, range(count)))
