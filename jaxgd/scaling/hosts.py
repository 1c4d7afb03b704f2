"""Several processes that train together: how they meet, what they must agree on, and what if one is lost.

Collectives are JAX's, and so is the service that processes register with. Here are the checks around them.
"""

import errno
import json
import os
import socket
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NoReturn

import jax
import numpy as np

from jaxgd._checks import check_integer, check_real, wrong
from jaxgd.scaling.service import AFTERLIFE, outliving

TIMEOUT = 60.0
"""Seconds in which all processes must have come to a meeting."""
HEARTBEAT = 20
"""Seconds of silence after which a process counts as lost."""
_LATER = 10  # seconds after which JAX would abort a process that has said by then why it ends
_LOST = ("gloo", "connection", "heartbeat", "unavailable", "socket closed", "nccl", "peer", "task")


class HostsError(ValueError):
    """The processes of a run do not fit together, or did not find each other."""


class HostLostError(RuntimeError):
    """A process of the run has ended; the others cannot go on."""


class _Meetings:
    count = 0


def connect(
    coordinator: str | None = None,
    num_processes: int | None = None,
    process_id: int | None = None,
    timeout: float = TIMEOUT,
) -> None:
    """Join the processes of a run, before anything of JAX has started.

    Args:
      coordinator: HOST:PORT where process 0 listens; the same on all. None asks the environment: SLURM, Open
        MPI, a JobSet of Kubernetes or a TPU pod, as `jax.distributed.initialize` knows them.
      num_processes, process_id: how many, and which of them this is.
      timeout: seconds in which all must have come.

    Raises:
      HostsError: an address that is none, a port that is taken, a coordinator that does not answer in time,
        processes that were told of other numbers of them, or an environment that says nothing.
      TypeError, ValueError: numbers that do not fit.

    If others do not come in time this process ends, with a message and status 3: JAX would abort it.
    """
    check_real("timeout", timeout, 1.0)

    options: dict[str, Any] = {
        "initialization_timeout": int(timeout) + _LATER,
        "heartbeat_timeout_seconds": HEARTBEAT,
    }
    if coordinator is None:
        if num_processes is not None or process_id is not None:
            raise HostsError("coordinator: expected HOST:PORT together with the number of processes.")
        _initialize("the environment", timeout, options)
        return
    host, port = _address(coordinator)
    if num_processes is None or process_id is None:
        raise HostsError("coordinator: expected the number of processes and this process's number with it.")
    check_integer("num_processes", num_processes, 1)
    if check_integer("process_id", process_id, 0) >= num_processes:
        raise wrong("process_id", process_id, f"a number below num_processes, {num_processes}")
    if process_id == 0:
        _check_free(host, port)
        if host in ("127.0.0.1", "localhost"):
            options["coordinator_bind_address"] = f"127.0.0.1:{port}"
    else:
        _wait_for(host, port, timeout)
    options |= {"num_processes": num_processes, "process_id": process_id}
    _initialize(coordinator, timeout, {"coordinator_address": coordinator, **options})
    _check_counts(num_processes, process_id, timeout)


def _check_counts(mine: int, me: int, timeout: float) -> None:
    """Raises HostsError, in all processes, unless all were told of as many as process 0 was."""
    client = _client()

    def told(process: int) -> int:
        return int(client.blocking_key_value_get(f"jaxgd/processes/{process}", int(timeout * 1000)))

    try:
        client.key_value_set(f"jaxgd/processes/{me}", str(mine))
        first = told(0)
        others = {process: told(process) for process in range(1, first)}
    except RuntimeError as error:
        reason = str(error).splitlines()[0]
        raise HostsError(
            f"connect: process {me} of {mine}: {reason}. Start all processes, each with its own process_id."
        ) from error
    differing = [f"process {process} has {count}" for process, count in others.items() if count != first]
    if differing:
        raise HostsError(
            f"num_processes: process 0 has {first}, {', '.join(differing)}. Start all of them again with one "
            "number of processes."
        )


def _use_collectives_of_cpu() -> None:
    """CPUs talk through gloo; elsewhere the setting says nothing."""
    jax.config.update("jax_cpu_collectives_implementation", "gloo")


def _initialize(where: str, timeout: float, options: dict[str, Any]) -> None:
    _use_collectives_of_cpu()
    try:
        with outliving(), _all_come(where, timeout):
            jax.distributed.initialize(**options)
    except (RuntimeError, ValueError) as error:
        if "before any JAX calls" in str(error):
            raise HostsError("connect: expected before any other call of JAX in this process.") from error
        reason = str(error).splitlines()[0]
        if "must be defined" in reason or "should be defined" in reason:
            raise HostsError(
                "coordinator: the environment names none: expected that of SLURM, Open MPI, a JobSet or a "
                f"TPU pod ({reason}). Give HOST:PORT, the number of processes and this process's number."
            ) from error
        raise HostsError(f"{where}: the processes cannot be joined ({reason}).") from error


@contextmanager
def _all_come(where: str, timeout: float) -> Iterator[None]:
    """Around JAX's waiting for all, which nothing can interrupt: the process ends once it takes too long."""

    def end() -> None:
        sys.stderr.write(
            f"Error: {where}: the processes did not all come within {timeout:g} s. Start as many as "
            "num_processes says, each with its own process_id, and with one coordinator.\n"
        )
        leave(3)

    timer = threading.Timer(timeout, end)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _address(coordinator: str) -> tuple[str, int]:
    host, separator, port = coordinator.rpartition(":")
    if not separator or not host or not port.isdecimal() or not 0 < int(port) < 2**16:
        raise HostsError(f"coordinator: expected HOST:PORT such as 10.0.0.1:1234, got {coordinator!r}.")
    return host, int(port)


def _check_free(host: str, port: int) -> None:
    """Raises HostsError for a port that cannot be taken: JAX would end the process without a word."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise HostsError(f"coordinator: {host!r} is no host that is known here ({error}).") from error
    family, kind, protocol, _, address = found[0]
    with socket.socket(family, kind, protocol) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            _bind(probe, address)
        except OSError as error:
            raise HostsError(
                f"coordinator: port {port} cannot be taken on {host} ({error.strerror}). Give another port "
                "to all processes, or end what listens there."
            ) from error


def _bind(probe: socket.socket, address: Any) -> None:
    """Raises OSError for a port that is still taken when the service of a lost run would have ended."""
    end = time.monotonic() + AFTERLIFE + 1
    while True:
        try:
            return probe.bind(address)
        except OSError as error:
            if error.errno != errno.EADDRINUSE or time.monotonic() > end:
                raise
            time.sleep(0.2)


def _wait_for(host: str, port: int, timeout: float) -> None:
    """Until the coordinator answers. Raises HostsError after the time-out."""
    end, reason = time.monotonic() + timeout, "no answer"
    while (left := end - time.monotonic()) > 0:
        try:
            socket.create_connection((host, port), min(left, 5.0)).close()
            return
        except OSError as error:
            reason = error.strerror or str(error)
            time.sleep(min(0.2, left))
    raise HostsError(
        f"coordinator: no answer from {host}:{port} within {timeout:g} s ({reason}). Start process 0 "
        "there, let firewalls open that port, or wait longer (timeout, --join-timeout)."
    )


def num_processes() -> int:
    """How many train together; 1 without `connect`. Does not start JAX's devices."""
    return jax.process_count() if jax.distributed.is_initialized() else 1


def process_id() -> int:
    """Which of the processes this is; 0 without `connect`."""
    return jax.process_index() if num_processes() > 1 else 0


def is_first() -> bool:
    """Whether this process writes what is written once."""
    return num_processes() == 1 or jax.process_index() == 0


def from_all(value: int) -> list[int]:
    """The numbers that the processes give, in their order; all must call it. Raises HostLostError."""
    from jax.experimental import multihost_utils

    with lost_hosts():
        return [int(each) for each in multihost_utils.process_allgather(np.int32(value)).ravel()]


def gather(values: np.ndarray) -> list[np.ndarray]:
    """What every process gives, int32[n] with an n of its own, in their order. Raises HostLostError."""
    from jax.experimental import multihost_utils

    counts = from_all(len(values))
    padded = np.zeros(max(counts), np.int32)
    padded[: len(values)] = values
    with lost_hosts():
        rows = np.asarray(multihost_utils.process_allgather(padded)).reshape(len(counts), -1)
    return [row[:count] for row, count in zip(rows, counts, strict=True)]


def meet(what: str, value: Any = None, error: str | None = None, timeout: float = TIMEOUT) -> list[Any]:
    """What every process brings, as JSON takes it, in the order of the processes; all must come.

    Args:
      what: what is met for, for the message if somebody does not come.
      value: of this process.
      error: why this process cannot go on, if it cannot.
      timeout: seconds to wait for each of the others.

    Raises:
      HostsError: a process did not come, or said that it cannot go on.
    """
    count, me = num_processes(), jax.process_index()
    _Meetings.count += 1
    client = _client()
    prefix = f"jaxgd/{_Meetings.count}"
    client.key_value_set(f"{prefix}/{me}", json.dumps({"what": what, "value": value, "error": error}))
    if error is not None:
        return []
    brought = [_brought(client, f"{prefix}/{each}", each, what, timeout) for each in range(count)]
    for i, each in enumerate(brought):
        if each["what"] != what and not each["error"]:
            raise HostsError(
                f"process {i} is at {each['what']!r}, process {me} at {what!r}: they run different programs."
            )
    refused = [f"process {i}: {each['error']}" for i, each in enumerate(brought) if each["error"]]
    if refused:
        raise HostsError(f"{what}: {'; '.join(refused)}")
    return [each["value"] for each in brought]


def _brought(client: Any, name: str, process: int, what: str, timeout: float) -> dict[str, Any]:
    try:
        return json.loads(client.blocking_key_value_get(name, int(timeout * 1000)))
    except (RuntimeError, ValueError) as error:
        raise HostsError(
            f"{what}: process {process} did not come within {timeout:g} s. Its own output says why; start "
            "all processes again."
        ) from error


def _client() -> Any:
    """JAX's client of the service; there is no public way to its store of keys."""
    from jax._src import distributed

    return distributed.global_state.client


@contextmanager
def together(what: str) -> Iterator[None]:
    """A block in which a process may fail: the others are told at their next meeting, which is this block's.

    Raises: what the block raises; HostsError if it failed in another process.
    """
    if num_processes() == 1:
        yield
        return
    try:
        yield
    except Exception as error:
        meet(what, error=" ".join(str(error).split()))
        raise
    meet(what)


@contextmanager
def lost_hosts() -> Iterator[None]:
    """Around what waits for other processes. Raises HostLostError if one of them has ended."""
    if num_processes() == 1:
        yield
        return
    try:
        yield
    except (RuntimeError, ValueError) as error:
        message = str(error).lower()
        if isinstance(error, HostsError | HostLostError) or not any(word in message for word in _LOST):
            raise
        raise HostLostError(
            f"process {jax.process_index()} of {num_processes()}: another process has ended "
            f"({str(error).splitlines()[0][:200]}). None can go on alone: start all of them again, and they "
            "continue from the last checkpoint."
        ) from error


def check_equal(what: str, values: Sequence[Any], differences: Any) -> None:
    """Raises HostsError that names the processes whose value is not that of process 0, and what differs."""
    lines = []
    for process, value in enumerate(values):
        found = differences(values[0], value)
        found = [
            line.replace(": saved ", ": process 0 has ", 1).replace(", now ", ", here ") for line in found
        ]
        lines += [f"process {process}: {line}" for line in found]
    if lines:
        raise HostsError(
            f"{what}: the processes were started differently; {'; '.join(lines[:6])}. Start all of them "
            "again with the same settings and the same data."
        )


def leave(code: int) -> NoReturn:
    """End this process without waiting for others that may be gone, as JAX would at the end of a process."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
