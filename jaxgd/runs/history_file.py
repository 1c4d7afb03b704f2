"""history.csv: a row an epoch, every number as short as it can be without losing a bit."""

import csv
import io
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from jaxgd._atomic import write_text


def write_history(path: Path, columns: Mapping[str, np.ndarray], epochs: np.ndarray | None = None) -> None:
    """Write `epoch` and every scalar column of a history.

    Args:
      path: of the file.
      columns: {name: [rows]}.
      epochs: int[rows], the epoch of each row; None counts from 1.
    """
    scalars = {name: values for name, values in columns.items() if np.ndim(values) == 1}
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(["epoch", *scalars])
    rows = list(zip(*scalars.values(), strict=True))
    numbers = range(1, len(rows) + 1) if epochs is None else epochs
    for epoch, row in zip(numbers, rows, strict=False):  # there are epochs without a column of numbers
        writer.writerow([int(epoch), *(str(value) for value in row)])
    write_text(path, stream.getvalue())


def read_history(path: Path) -> dict[str, np.ndarray]:
    """The columns without `epoch`: float64[epochs] each.

    Raises:
      ValueError: not such a file.
      OSError: it cannot be read.
    """
    rows = list(csv.reader(path.read_text(encoding="utf-8").splitlines()))
    if not rows or rows[0][:1] != ["epoch"] or any(len(row) != len(rows[0]) for row in rows):
        raise ValueError(f"{path}: expected a header that begins with epoch, and rows as long.")
    numbers = np.array([[float(cell) for cell in row[1:]] for row in rows[1:]], np.float64)
    numbers = numbers.reshape(len(rows) - 1, len(rows[0]) - 1)
    return {name: numbers[:, place] for place, name in enumerate(rows[0][1:])}
