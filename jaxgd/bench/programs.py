"""The peers: which program holds each, what it needs, and which workloads it can say."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from jaxgd._checks import unknown_name

FOLDER = Path("scripts", "bench")
_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "TF_NUM_INTRAOP_THREADS")
_SINGLE = ("seed", "tabular", "wide-32", "wide-256", "wide-1024")
_SMALL = ("seed", "tabular")
_NETWORKS = ("tabular", "wide-32", "wide-256", "wide-1024")
_SWEEP = ("sweep",)


class Program(NamedTuple):
    """A file in `scripts/bench`, and the peers in it with the workloads each takes part in."""

    name: str
    """What `--python NAME=PATH` calls it."""
    file: str
    peers: Mapping[str, tuple[str, ...]]
    variables: Mapping[str, str] = {}
    slow: tuple[str, ...] = ()
    """Peers that compile for long: only the full bench waits for them."""
    whole: tuple[str, ...] = ()
    """Peers that run all of a workload in every round: jaxgd, and whoever cannot run less."""


PROGRAMS = (
    Program(
        "jaxgd",
        "peer_jaxgd.py",
        {
            "jaxgd.fit": _SINGLE,
            "jaxgd.train": _SINGLE,
            "jaxgd.sweep": _SWEEP,
            "jaxgd.fit, one by one": _SWEEP,
        },
        whole=("jaxgd.fit", "jaxgd.train", "jaxgd.sweep"),
    ),
    Program(
        "jax",
        "peer_jax.py",
        {"JAX, scan by hand": _SINGLE, "JAX, vmap of a scan by hand": _SWEEP},
        whole=("JAX, vmap of a scan by hand",),
    ),
    Program("c", "peer_c.py", {"C": _SMALL, "C, vectors by hand": _SMALL}),
    Program(
        "tensorflow",
        "peer_tensorflow.py",
        {
            "TensorFlow, eager": _SINGLE,
            "TensorFlow, tf.function": _SINGLE,
            "TensorFlow, jit_compile": _SINGLE,
            "TensorFlow, loop in the graph": _SINGLE,
            "TensorFlow, loop in the graph, XLA": _SINGLE,
        },
        {"TF_CPP_MIN_LOG_LEVEL": "3"},
    ),
    Program(
        "keras-tensorflow",
        "peer_keras.py",
        {"Keras fit on TensorFlow": _SINGLE},
        {"KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3"},
    ),
    Program("keras-jax", "peer_keras.py", {"Keras fit on JAX": _SINGLE}, {"KERAS_BACKEND": "jax"}),
    Program(
        "torch",
        "peer_torch.py",
        {
            "PyTorch, eager": _SINGLE,
            "PyTorch, torch.compile": _SINGLE,
            "PyTorch, eager, one by one": _SWEEP,
        },
        slow=("PyTorch, torch.compile",),
    ),
    Program("flax", "peer_flax.py", {"flax.nnx": _SINGLE}),
    Program("equinox", "peer_equinox.py", {"equinox": _SINGLE}),
    Program(
        "scikit-learn",
        "peer_sklearn.py",
        {"scikit-learn": _NETWORKS, "scikit-learn, one by one": _SWEEP},
    ),
    Program("numpy", "peer_numpy.py", {"NumPy": _SINGLE}),
)
REFERENCE = Program("products", str(Path(__file__).with_name("gemm.py")), {"matrix products": _SINGLE})
"""No peer: what the machine can do at best."""
PEERS = tuple(peer for program in PROGRAMS for peer in program.peers)
SINGLE = tuple(peer for program in PROGRAMS for peer, of in program.peers.items() if of != _SWEEP)
"""The peers that train one network."""


def find_folder(given: str | None) -> Path:
    """Where the programs are: the given folder, that of the working directory, or that of the clone.

    Raises:
      ValueError: there are none.
    """
    beside = Path(__file__).parents[2] / FOLDER
    tried = [Path(given)] if given is not None else [FOLDER, beside]
    for folder in tried:
        if (folder / PROGRAMS[0].file).is_file():
            return folder.absolute()
    places = " nor ".join(str(folder) for folder in tried)
    raise ValueError(
        f"programs: expected the peers' programs in {places}. They are in scripts/bench of a clone of jaxgd: "
        "run this there, or name the folder with --programs."
    )


def parse_pythons(given: tuple[str, ...]) -> dict[str, str]:
    """`NAME=PATH` as {program: interpreter}. Raises ValueError."""
    pythons = {}
    for word in given:
        name, separator, path = word.partition("=")
        if not separator or not path:
            raise ValueError(f"--python: expected NAME=PATH such as torch=/path/to/python, got {word!r}.")
        known = [program.name for program in PROGRAMS]
        if name not in known:
            raise unknown_name("program", name, known)
        if not os.access(path, os.X_OK) or os.path.isdir(path):
            raise ValueError(f"--python: {path!r} cannot be run.")
        pythons[name] = path
    return pythons


def environment_of(program: Program, python: str) -> dict[str, str]:
    """The variables of a program's process: each library chooses its own number of threads.

    Compiled programs on disk are left out, as compiling is measured; another interpreter finds its own
    packages.
    """
    kept = {
        name: value
        for name, value in os.environ.items()
        if name not in _THREADS and not name.startswith(("JAX_COMPILATION_CACHE", "JAX_PERSISTENT_CACHE"))
    }
    kept |= {"JAXGD_CACHE": "off", "PYTHONWARNINGS": "ignore", **program.variables}
    path = kept.pop("PYTHONPATH", "")
    if python == sys.executable:
        kept["PYTHONPATH"] = os.pathsep.join(filter(None, (str(Path(__file__).parents[2]), path)))
    return kept
