"""A table of which each of 1, 2 and 4 processes reads its share: what comes of it, and what it takes.

    python scripts/scaling/shares.py

Prints JSON.
"""

import json
import sys
import tempfile
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2] / "tests" / "scaling"))

from processes import results, start  # pyright: ignore[reportMissingImports]
from sharing import CASES, ROWS, TRAINED, distance, write_tables  # pyright: ignore[reportMissingImports]

COUNTS = (1, 2, 4)
LARGE, WIDTH = 120_000, 32


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_tables(folder)
        small = {n: results(start(n, folder, program="sharing.py", train=True)) for n in COUNTS}
        write_large(folder / "large.csv")
        large = {n: results(start(n, folder, program="sharing.py", large="large.csv")) for n in COUNTS}
        size = (folder / "large.csv").stat().st_size
    print(
        json.dumps(
            {
                "rows": ROWS,
                "tables": list(CASES),
                "small": {count: compared(each, small[1][0]) for count, each in small.items()},
                "large": {"rows": LARGE, "columns": WIDTH + 1, "bytes": size, "plans": large},
            }
        )
    )


def compared(several: list, alone: dict) -> dict:
    """What the processes agree in with one, and how many rows each has read."""
    return {
        "equal": all(each[name]["same"] == alone[name]["same"] for each in several for name in CASES),
        "distance": max(distance(each[TRAINED]["close"], alone[TRAINED]["close"]) for each in several),
        "read": {name: [each[name]["read"] or ROWS for each in several] for name in CASES},
    }


def write_large(path: Path) -> None:
    """Numbers and a label, as text."""
    import polars as pl

    x = np.random.default_rng(0).normal(size=(LARGE, WIDTH))
    frame = pl.DataFrame(x, schema=[f"x{place}" for place in range(WIDTH)])
    frame.with_columns(y=pl.Series((x[:, 0] > 0).astype(int))).write_csv(path)


if __name__ == "__main__":
    main()
