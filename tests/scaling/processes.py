"""Starting processes of a run on the loopback of this machine."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]


def free_port():
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def environment(cache=None):
    """Of a process with one device of its own, whose compiled programs are kept in a folder of the test's."""
    kept = {name: value for name, value in os.environ.items() if name != "XLA_FLAGS"}
    if cache:
        kept |= {
            "JAX_COMPILATION_CACHE_DIR": str(cache),
            "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
            "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
        }
    return {**kept, "PYTHONPATH": str(ROOT)}


def start(count, folder="", cache=None, each=None, program="worker.py", **options):
    """The processes of one run; `each` holds options of single ones."""
    port = free_port()
    words = [sys.executable, str(HERE / program)]
    return [
        subprocess.Popen(
            [
                *words,
                str(i),
                str(count),
                str(port),
                str(folder),
                json.dumps({**options, **(each or {}).get(i, {})}),
            ],
            env=environment(cache),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for i in range(count)
    ]


def ends(processes, timeout=300):
    """(exit status, last line of stdout, stderr) of each."""
    found = []
    for process in processes:
        out, err = process.communicate(timeout=timeout)
        found.append((process.returncode, (out.splitlines() or [""])[-1], err))
    return found


def results(processes):
    """What processes that must succeed printed."""
    found = ends(processes)
    assert [each[0] for each in found] == [0] * len(found), found
    return [json.loads(each[1]) for each in found]


def script(name, *arguments):
    """The JSON that a script of this folder prints last."""
    done = subprocess.run(
        [sys.executable, str(HERE / name), *arguments],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return json.loads(done.stdout.splitlines()[-1])
