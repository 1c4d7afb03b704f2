"""Runs a command and tells, as the last line of stderr, its seconds, its peak memory and how it ended.

A process of its own, small and run as a file: a command's peak memory counts that of the process it was
started from, as both are one until the command is loaded.
"""

import json
import resource
import subprocess
import sys
import time


def main() -> None:
    """`launching.py SECONDS COMMAND...`: the command is killed after so many seconds."""
    limit, command = float(sys.argv[1]), sys.argv[2:]
    start = time.perf_counter()
    try:
        status = subprocess.run(command, timeout=limit, check=False).returncode
    except subprocess.TimeoutExpired:
        status = f"none in {limit:.0f} s"
    seconds = time.perf_counter() - start
    most = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    memory = most // 1024 if sys.platform == "darwin" else most
    sys.stderr.write("\n" + json.dumps({"seconds": seconds, "memory_kib": memory, "status": status}) + "\n")


if __name__ == "__main__":
    main()
