"""The child's side: runs a peer's program and answers requests, one JSON object a line.

Started as a file by any Python (`python serving.py PROGRAM.py`), that of a peer which has no jaxgd too; needs
NumPy and nothing else. A program has a table `PEERS` of {name: class}; a peer is made from a case and has
`reset()`, `run(units)`, which returns when the results are there, and `weights()`.
"""

import importlib.util
import json
import os
import resource
import sys
import time
import traceback
from types import ModuleType, SimpleNamespace
from typing import Any, TextIO

EACH_ITS_OWN = "each epoch its own"
"""The order of rows that peers take unless they say otherwise."""


def load(path: str) -> ModuleType:
    """The module in a file, with its folder on the path for what lies beside it."""
    spec = importlib.util.spec_from_file_location("program", path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path}: not a Python file.")
    sys.path[0] = os.path.dirname(os.path.abspath(path))
    module = importlib.util.module_from_spec(spec)
    sys.modules["program"] = module
    spec.loader.exec_module(module)
    return module


def read_case(path: str) -> SimpleNamespace:
    """The numbers and the arrays of a workload."""
    import numpy as np

    with np.load(path, allow_pickle=False) as archive:
        arrays = {name: archive[name] for name in archive.files}
    return SimpleNamespace(**json.loads(str(arrays.pop("settings"))), **arrays)


class Server:
    """Answers requests about the peers of one case at a time."""

    def __init__(self, program: ModuleType) -> None:
        self.program = program
        self.path = ""
        self.case: Any = None
        self.peers: dict[str, Any] = {}

    def prepare(self, case: str, peer: str, units: int) -> dict[str, Any]:
        """Makes a peer and runs it once, which is building and compiling; another case forgets all peers."""
        if case != self.path:
            self.path, self.peers = case, {}
            self.case = read_case(case)
        start = time.perf_counter()
        self.peers[peer] = self.program.PEERS[peer](read_case(case))
        first = time.perf_counter() - start + self._run(peer, units)[0]
        return {"first": first, **self.measure(peer, units)}

    def measure(self, peer: str, units: int) -> dict[str, Any]:
        """One round: seconds of `units` of the workload, and where the weights ended."""
        seconds, measured = self._run(peer, units)
        facts = {"seconds": seconds, "order": getattr(self.peers[peer], "order", EACH_ITS_OWN)}
        if measured is not None:  # a peer that knows better what is to be counted
            return {**facts, **measured}
        return {**facts, "loss": loss_of(self.case, self.peers[peer].weights())}

    def warm(self, peer: str, units: int) -> dict[str, Any]:
        """Another number of units, which may compile again: what it takes when it is there."""
        self._run(peer, units)
        return {"seconds": self._run(peer, units)[0]}

    def _run(self, peer: str, units: int) -> tuple[float, Any]:
        self.peers[peer].reset()
        start = time.perf_counter()
        measured = self.peers[peer].run(units)
        return time.perf_counter() - start, measured

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        action = getattr(self, request.pop("do"))
        return action(**request)


def loss_of(case: Any, weights: Any) -> float:
    """The loss over the first rows with these weights, in float64 by NumPy: the same rule for every peer."""
    import numpy as np

    rows = slice(0, 256)
    y = case.x[rows].astype(np.float64)
    for index, (kernel, bias) in enumerate(weights):
        y = y @ np.asarray(kernel, np.float64) + np.asarray(bias, np.float64)
        if index < len(weights) - 1:
            y = np.maximum(y, 0.0)
    return (
        _mean_squared_error(y, case.y[rows]) if case.loss == "mean_squared_error" else _nll(y, case.y[rows])
    )


def _mean_squared_error(z: Any, y: Any) -> float:
    import numpy as np

    return float(np.square(1.0 / (1.0 + np.exp(-z)) - y.reshape(z.shape)).mean())


def _nll(z: Any, labels: Any) -> float:
    import numpy as np

    z = z - z.max(axis=1, keepdims=True)
    return float((np.log(np.exp(z).sum(axis=1)) - z[np.arange(len(z)), labels]).mean())


def serve(program: str, requests: TextIO, answers: TextIO) -> None:
    """Load the program, say how long that took, then answer until the requests end."""

    def send(answer: dict[str, Any]) -> None:
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        answers.write(json.dumps({**answer, "memory_kib": memory}) + "\n")
        answers.flush()

    start = time.perf_counter()
    try:
        module = load(program)
        versions = getattr(module, "versions", dict)()
        server = Server(module)
    except ImportError as error:
        send({"absent": str(error)})
        return
    except (
        Exception
    ) as error:  # the parent reports it; a peer that cannot be used is not the end of the bench
        send({"error": _shown(error)})
        return
    send({"import": time.perf_counter() - start, "peers": list(module.PEERS), "versions": versions})
    for line in requests:
        try:
            send(server.answer(json.loads(line)))
        except Exception as error:  # as above
            send({"error": _shown(error)})


def _shown(error: Exception) -> str:
    traceback.print_exc(file=sys.stderr)
    lines = str(error).strip().splitlines() or [""]
    return f"{type(error).__name__}: {lines[0][:300]}"


def main() -> None:
    """What a program prints goes to stderr: stdout is for answers alone."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    serve(sys.argv[1], sys.stdin, answers)


if __name__ == "__main__":
    main()
