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
FAREWELL = 1
"""Seconds for which it goes on when all are done: they may be waiting for the answer to their goodbye. Who
starts again on the same port within them would join the run that ends."""

_NAME = "get_distributed_runtime_service"
_PROGRAM = """
import importlib, json, os, sys, time
module, name, arguments, options, farewell, afterlife = json.loads(sys.argv[1])
service = getattr(importlib.import_module(module), name)(*arguments, **options)
print("ready", flush=True)
if sys.stdin.readline():
    time.sleep(farewell)
    service.shutdown()
else:
    time.sleep(afterlife)
os._exit(0)
"""


class Service:
    """A running service, with the one method that JAX calls.

    Args:
      module: where the function is that starts one.
      arguments, options: of that function: the address, the number of processes and more.

    Raises:
      RuntimeError: it does not start.
      OSError: no other process can be started here.
      TypeError: arguments that cannot be given to another process.
    """

    def __init__(self, module: str, *arguments: Any, **options: Any) -> None:
        words = json.dumps([module, _NAME, arguments, options, FAREWELL, AFTERLIFE])
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
            raise RuntimeError(f"the service for {arguments} ended with status {self._process.wait()}")

    def shutdown(self) -> None:
        """End it: all processes have said that they are done. Its port is free when this returns."""
        with suppress(OSError, subprocess.TimeoutExpired):
            self._process.communicate("end\n", timeout=AFTERLIFE)


@contextmanager
def outliving() -> Iterator[None]:
    """Around `jax.distributed.initialize`: the service that it starts, if it does, is a `Service`.

    There is no public way to say so. A JAX that starts it by another name, or with arguments that no other
    process can be given, keeps it in process 0, and the others end with JAX's words if that one is lost.
    """
    from jax._src import distributed

    runtime: Any = getattr(distributed, "_jax", None)
    usual = getattr(runtime, _NAME, None)
    if usual is None:
        yield
        return

    def start(*arguments: Any, **options: Any) -> Any:
        try:
            return Service(runtime.__name__, *arguments, **options)
        except (OSError, TypeError):
            return usual(*arguments, **options)

    setattr(runtime, _NAME, start)
    try:
        yield
    finally:
        setattr(runtime, _NAME, usual)
