"""C programs, compiled here and now with the system's compiler for the sizes of the case."""

import ctypes
import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np
from common import init_weights

FLAGS = ("-O3", "-march=native", "-fno-math-errno", "-shared", "-fPIC")
FOLDER = Path(__file__).parent
if shutil.which("cc") is None:
    raise ImportError("no C compiler: there is no command cc")


def versions():
    shown = subprocess.run(["cc", "--version"], capture_output=True, text=True, check=True).stdout
    return {"cc": shown.splitlines()[0], "cc flags": " ".join(FLAGS)}


def build(case, source):
    """The shared library of a program for these sizes."""
    if max(case.sizes) > 256:
        raise ValueError("the C program is for small networks: widths of at most 256")
    defines = {
        "SIZES": ",".join(map(str, case.sizes)),
        "LAYERS": len(case.sizes) - 1,
        "BATCH": case.batch,
        "ADAM": int(case.optimizer == "adam"),
        "LABELS": int(case.loss != "mean_squared_error"),
    }
    with tempfile.TemporaryDirectory() as folder:
        library = Path(folder, "mlp.so")
        words = [f"-D{name}={value}" for name, value in defines.items()]
        subprocess.run(["cc", *FLAGS, *words, str(FOLDER / source), "-o", str(library), "-lm"], check=True)
        return ctypes.CDLL(str(library))


def pointers(arrays):
    return (ctypes.c_void_p * len(arrays))(*(array.ctypes.data for array in arrays))


class Plain:
    source = "mlp.c"

    def __init__(self, case):
        self.case = case
        self.library = build(case, self.source)
        self.x, self.y, self.orders = (np.ascontiguousarray(each) for each in (case.x, case.y, case.orders))

    def reset(self):
        self.leaves = [
            np.array(leaf, np.float32, order="C") for pair in init_weights(self.case) for leaf in pair
        ]
        self.library.reset(pointers(self.leaves))

    def run(self, epochs):
        data = (ctypes.c_void_p(each.ctypes.data) for each in (self.x, self.y, self.orders))
        sizes = len(self.orders), len(self.x), epochs
        self.library.run(*data, *sizes, ctypes.c_double(self.case.learning_rate))

    def weights(self):
        self.library.weights(pointers(self.leaves))
        return list(zip(self.leaves[::2], self.leaves[1::2], strict=True))


class ByHand(Plain):
    source = "mlp_vectors.c"


PEERS = {"C": Plain, "C, vectors by hand": ByHand}
