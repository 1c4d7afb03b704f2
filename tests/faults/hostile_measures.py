"""Loads files in a process of its own and reports what came of each, the time and the memory it took."""

import json
import re
import sys
import tempfile
import time
import tracemalloc
from pathlib import Path

from hostile_files import CORPUS
from mutated_files import Originals

from jaxgd.keras_files import KerasFileError

STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def memory(field):
    """A line of Linux's account of this process, in bytes."""
    return 1024 * int(re.search(rf"^{field}:\s+(\d+) kB", STATUS.read_text(), re.MULTILINE)[1])


def measured(path, loads):
    """{"error", "seconds", "bytes", "left"}: the peak counts HDF5's memory too where Linux tells it."""
    before_files = set(path.parent.iterdir())
    is_linux = CLEAR.exists()
    if is_linux:
        CLEAR.write_text("5")  # the peak is counted from here
        before = memory("VmRSS")
    tracemalloc.start()
    started = time.perf_counter()
    try:
        loads(path)
        error = None
    except KerasFileError as refusal:
        error = str(refusal)
    seconds = time.perf_counter() - started
    traced = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    peak = max(traced, memory("VmHWM") - before) if is_linux else traced
    left = sorted(each.name for each in set(path.parent.iterdir()) - before_files)
    return {"error": error, "seconds": seconds, "bytes": peak, "left": left}


def main():
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        originals = Originals(folder)
        for file, model in (("m.keras", None), ("old.h5", None), ("w.safetensors", originals.model)):
            (folder / file).write_bytes(
                originals.bytes[file]
            )  # what is imported and compiled first counts for none
            measured(folder / file, lambda path, model=model: _load(path, model))
        for case in sys.argv[1:] or CORPUS:
            own = folder / case
            own.mkdir()
            path, loads = CORPUS[case][1](own, originals)
            size = path.stat().st_size
            print(json.dumps({"name": case, "size": size, **measured(path, loads)}), flush=True)


def _load(path, model):
    from jaxgd.keras_files import load

    load(path, model=model)


if __name__ == "__main__":
    main()
