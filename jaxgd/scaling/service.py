"""The service that the processes of a run register with, in a process of its own beside process 0.

JAX keeps it in process 0. Once that one is lost, JAX ends all others before they can say a word; a service
that outlives it leaves them `AFTERLIFE` seconds in which collectives fail, as they do when any other is lost.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

AFTERLIFE = 8
"""Seconds for which the service goes on without process 0; its port is taken for as long."""

_PROGRAM = """
import json, os, sys, time
from jaxlib import _jax
address, count, options, afterlife = json.loads(sys.argv[1])
service = _jax.get_distributed_runtime_service(address, count, **options)
print("ready", flush=True)
if sys.stdin.readline():
    time.sleep(1)  # the others may be waiting for the answer to their goodbye
    service.shutdown()
else:
    time.sleep(afterlife)
os._exit(0)
"""


class Service:
    """A running service, with the one method that JAX calls.

    Args:
      address, count: where it listens, and for how many processes.
      options: of `get_distributed_runtime_service`.

    Raises:
      RuntimeError: it does not start.
    """

    def __init__(self, address: str, count: int, **options: Any) -> None:
        words = json.dumps([address, count, options, AFTERLIFE])
        self._process = subprocess.Popen(
            [sys.executable, "-c", _PROGRAM, words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            start_new_session=True,  # what ends process 0 from a terminal must not end it
        )
        said = self._process.stdout.readline() if self._process.stdout else ""
        if said != "ready\n":
            raise RuntimeError(f"the service at {address} ended with status {self._process.wait()}")

    def shutdown(self) -> None:
        """Let it end, a second later: all processes have said that they are done."""
        with suppress(OSError):
            if self._process.stdin:
                self._process.stdin.write("end\n")
                self._process.stdin.close()


@contextmanager
def outliving() -> Iterator[None]:
    """Around `jax.distributed.initialize`: the service that it starts, if it does, is a `Service`.

    There is no public way to say so.
    """
    from jax._src import distributed

    runtime: Any = distributed._jax  # pyright: ignore[reportPrivateImportUsage]
    usual = runtime.get_distributed_runtime_service
    runtime.get_distributed_runtime_service = Service
    try:
        yield
    finally:
        runtime.get_distributed_runtime_service = usual
