"""One run in 1, 2 and 4 processes on this machine, and one of two processes killed.

    python scripts/scaling/hosts.py

Prints JSON.
"""

import json
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2] / "tests" / "scaling"))

from processes import ends, results, start  # pyright: ignore[reportMissingImports]

COUNTS = (2, 4)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        cache = Path(folder) / "programs"
        alone = results(start(1, cache=cache))[0]
        found = {"equal": {count: compared(count, alone, cache) for count in COUNTS}}
        found["killed"] = {process: killed(Path(folder) / str(process), cache, process) for process in (0, 1)}
    print(json.dumps(found))


def compared(count: int, alone: dict, cache: Path) -> dict:
    """How far the run of several processes is from that of one."""
    several = results(start(count, cache=cache))
    a, b = np.asarray(several[0]["numbers"]), np.asarray(alone["numbers"])
    return {
        "distance": float(np.abs(a - b).max() / np.abs(b).max()),
        "steps": several[0]["step"],
        "all alike": all(each == several[0] for each in several),
    }


def killed(folder: Path, cache: Path, victim: int) -> dict:
    """One of two killed after the second epoch; both started again; beside the run that nobody killed."""
    folder.mkdir()
    processes = start(2, folder / "checkpoints", cache, pause=0.3, epochs=40)
    while not (folder / "started").exists():
        time.sleep(0.05)
    processes[victim].kill()
    begun = time.monotonic()
    status, _, message = ends([processes[1 - victim]])[0]
    seconds = time.monotonic() - begun
    processes[victim].communicate()
    again = results(start(2, folder / "checkpoints", cache, epochs=40))
    whole = results(start(2, folder / "whole", cache, epochs=40))
    said = [
        line
        for line in message.splitlines()
        if "another process has ended" in line or "another task died" in line
    ]
    return {
        "seconds": round(seconds, 2),
        "status": status,
        "said": said[-1][:200] if said else message[-200:],
        "bit equal": again == whole,
    }


if __name__ == "__main__":
    main()
