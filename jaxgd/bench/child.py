"""A peer's process: started once, asked many times, ended with the bench."""

import json
import os
import selectors
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import IO, Any

from jaxgd.bench.programs import Program, environment_of

_SERVING = Path(__file__).with_name("serving.py")


class PeerError(Exception):
    """A peer that cannot be used: the message says why."""


class Child:
    """The process of a program, alive until `close`."""

    def __init__(self, program: Program, folder: Path, python: str | None) -> None:
        self.program = program
        interpreter = python or sys.executable
        self.errors: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115  closed with the process
        self.process = subprocess.Popen(
            [interpreter, str(_SERVING), str(folder / program.file)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            env=environment_of(program, interpreter),
        )
        self.pending = b""
        self.memory_kib = 0
        self.ended = ""

    def ask(self, timeout: float, **request: Any) -> dict[str, Any]:
        """The answer to a request. Raises PeerError."""
        self._check_alive()
        _pipe(self.process.stdin).write(json.dumps(request).encode() + b"\n")
        _pipe(self.process.stdin).flush()
        return self.receive(timeout)

    def receive(self, timeout: float) -> dict[str, Any]:
        """The next answer; the first one is that the program is loaded. Raises PeerError."""
        line = self._line(time.monotonic() + timeout, timeout)
        answer = json.loads(line)
        self.memory_kib = max(self.memory_kib, answer.pop("memory_kib"))
        if "absent" in answer:
            self.close(f"not installed: {answer['absent']}")
            raise PeerError(self.ended)
        if "error" in answer:
            raise PeerError(answer["error"])
        return answer

    def close(self, why: str = "ended") -> None:
        """End the process, and remember why."""
        self.ended = self.ended or why
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                pipe.close()
        self.errors.close()

    def _check_alive(self) -> None:
        if self.ended:
            raise PeerError(self.ended)

    def _line(self, deadline: float, timeout: float) -> bytes:
        output = _pipe(self.process.stdout)
        with selectors.DefaultSelector() as selector:
            selector.register(output, selectors.EVENT_READ)
            while b"\n" not in self.pending:
                if not selector.select(max(deadline - time.monotonic(), 0.0)):
                    self.close(f"no answer in {timeout:.0f} s")
                    raise PeerError(self.ended)
                some = os.read(output.fileno(), 65536)
                if not some:
                    why = f"its process ended: {self._last_words()}"
                    self.close(why)
                    raise PeerError(self.ended)
                self.pending += some
        line, _, self.pending = self.pending.partition(b"\n")
        return line

    def _last_words(self) -> str:
        self.errors.seek(0)
        lines = self.errors.read().decode(errors="replace").strip().splitlines()
        return lines[-1][:300] if lines else f"exit status {self.process.wait(10)}"


def _pipe(pipe: IO[bytes] | None) -> IO[bytes]:
    """The pipe, which is there as the process was started with it."""
    if pipe is None:
        raise PeerError("its process has no pipe")
    return pipe
