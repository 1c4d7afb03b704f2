"""A run whose disk is full: a tmpfs of a quarter of a MiB, which needs the right to mount.

    python scripts/reliability/full_disk.py

The run is saved until there is no room; then the file system is made larger, and the run goes on.
"""

import errno
import json
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

import jaxgd
from jaxgd.checkpoints import read_checkpoint, tree_digest

SMALL, LARGE = "256k", "64m"


def main() -> None:
    """Print the findings as JSON; exit with 1 if anything was lost."""
    with tempfile.TemporaryDirectory() as name, mounted(Path(name)) as folder:
        expected = tree_digest(train(None).state)
        error = first_error(folder)
        before = [read_checkpoint(path).facts["step"] for path in sorted(folder.glob("*.npz"))]
        half_written = len(list(folder.glob(".*tmp")))
        subprocess.run(["mount", "-o", f"remount,size={LARGE}", name], check=True)
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # no checkpoint is damaged
            result = train(folder)
    found = {
        "error": error,
        "whole checkpoints then": len(before),
        "the last one at step": max(before, default=0),
        "half written files": half_written,
        "bit-equal to the run on a large disk": "yes" if tree_digest(result.state) == expected else "NO",
    }
    print(json.dumps(found))
    sys.exit(0 if before and not half_written and tree_digest(result.state) == expected else 1)


@contextmanager
def mounted(folder: Path) -> Iterator[Path]:
    """A small file system of its own."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SMALL}", "none", str(folder)], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def first_error(folder: Path) -> str:
    """What the run says when there is no room."""
    try:
        train(folder)
    except OSError as error:
        return f"{errno.errorcode[error.errno or 0]}: {error.strerror}"
    return "none"


def train(folder: Path | None) -> Any:
    """A run whose checkpoints grow with its history, so that some are written before the disk is full."""
    x = np.random.default_rng(0).normal(size=(40, 3)).astype(np.float32)
    saving = None if folder is None else jaxgd.Checkpoint(folder, every=1e9, every_steps=500, keep=3)
    model = jaxgd.mlp([3, 16, 1], "tanh", dropout=0.1)
    y = x.sum(axis=1, keepdims=True)
    return jaxgd.fit(model, x, y, optimizer="adam", epochs=4000, batch_size=20, checkpoint=saving)


if __name__ == "__main__":
    main()
