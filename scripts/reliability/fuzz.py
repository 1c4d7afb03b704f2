"""Damaged and made-up CSV, NPY, NPZ and Parquet files: every one is read or refused with DataError.

    python scripts/reliability/fuzz.py --files 10000

A file is a good one of its kind that was mutated: bits flipped, pieces cut out, doubled, put elsewhere or
replaced by noise or by words that mean something to a reader (huge sizes, object dtypes, quotes). Any other
error, a warning, and more than a gigabyte of new memory count as failures. Parquet is decoded in a process of
its own, which takes its time: one file in twenty.
"""

import argparse
import io
import json
import random
import resource
import sys
import tempfile
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from jaxgd import data

WORDS = (
    b"'|O'", b"(999999999999, 9)", b"\xff\xff\xff\xff", b"\x00" * 9, b'"', b",", b"\n", b"\r", b"nan",
    b"1e999", b"<script>", b"PAR1", b"PK\x05\x06", b"\x93NUMPY", b"../x.npy", b"-1", b"c\x05os\nsystem\n",
)  # fmt: skip
KINDS = ("csv", "npy", "npz", "tsv", "csv", "npy", "npz")
GIGABYTE = 2**20
"""In the unit of ru_maxrss."""


def main() -> None:
    """Print the findings as JSON; exit with 1 if a file led to anything but a table or our own error."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    findings = fuzz(options.files, options.seed)
    print(json.dumps(findings))
    sys.exit(1 if findings["failures"] else 0)


def fuzz(files: int, seed: int) -> dict[str, Any]:
    """How many files of each kind were read, how many refused, and what else happened."""
    chance = random.Random(seed)
    good = examples()
    counts: Counter[str] = Counter()
    failures: list[str] = []
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("error")
        for number in range(files):
            kind = "parquet" if number % 20 == 19 else KINDS[number % len(KINDS)]
            path = Path(folder, f"file.{kind}")
            path.write_bytes(mutated(chance.choice(good[kind]), chance))
            outcome = read(path)
            if outcome in ("read", "refused"):
                counts[f"{kind} {outcome}"] += 1
            else:
                failures.append(f"file {number} ({kind}): {outcome}")
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    if grown > GIGABYTE:
        failures.append(f"memory grew by {grown} KiB")
    return {"files": files, "counts": dict(sorted(counts.items())), "failures": failures}


def read(path: Path) -> str:
    """What came of reading a file: "read", "refused", or another error's name."""
    try:
        table = data.read(path, max_bytes=2**26)
        data.prepare(table, missing="mean")
    except data.DataError:
        return "refused"
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return "read"


def examples() -> dict[str, list[bytes]]:
    """Good files of every kind."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(20, 3)), rng.integers(0, 2, 20)
    rows = [f"{a:.3g},{b:.3g},{'red' if c > 0 else 'blue'},{int(a > 0)}" for a, b, c in x]
    text = "\n".join(["size,weight,color,class", *rows]) + "\n"
    quoted = text.replace("red", '"r,""e""d"').replace("blue", "")
    return {
        "csv": [text.encode(), quoted.encode(), ("\ufeff" + text.replace("\n", "\r\n")).encode()],
        "tsv": [text.replace(",", "\t").encode()],
        "npy": [_npy(x), _npy(np.asfortranarray(x.astype(np.float32))), _npy(rng.integers(0, 9, (9, 2)))],
        "npz": [_npz(x=x, y=y), _npz(X=x.astype(np.float16), Y=y.astype("U3"))],
        "parquet": [_parquet(x, y, "zstd"), _parquet(x, y, "uncompressed")],
    }


def mutated(content: bytes, chance: random.Random) -> bytes:
    """The content after one to five changes."""
    changed = bytearray(content)
    for _ in range(chance.choice((1, 1, 1, 2, 5))):
        if not changed:
            break
        start = chance.randrange(len(changed))
        end = min(len(changed), start + chance.choice((1, 1, 2, 8, 64, 512)))
        piece = bytes(changed[start:end])
        way = chance.randrange(6)
        if way == 0:
            changed[start] ^= 1 << chance.randrange(8)
        elif way == 1:
            del changed[start:end]
        elif way == 2:
            changed[start:start] = piece * chance.randint(1, 50)
        elif way == 3:
            changed[start:end] = chance.randbytes(len(piece))
        elif way == 4:
            changed[start:end] = chance.choice(WORDS)
        else:
            del changed[chance.randrange(len(changed)) :]
    return bytes(changed)


def _npy(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def _npz(**arrays: Any) -> bytes:
    stream = io.BytesIO()
    np.savez(stream, **arrays)
    return stream.getvalue()


def _parquet(x: np.ndarray, y: np.ndarray, compression: Any) -> bytes:
    stream = io.BytesIO()
    columns = {"a": x[:, 0], "b": ["blue" if value else "red" for value in y], "class": y}
    pl.DataFrame(columns).write_parquet(stream, compression=compression)
    return stream.getvalue()


if __name__ == "__main__":
    main()
