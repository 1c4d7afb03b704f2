"""Outputs for any number of rows from few compiled programs."""

import numpy as np

from jaxgd._types import Params
from jaxgd.model import Sequential
from jaxgd.training.evaluation import predict

_LEAST = 32
_BATCH = 1024


def padded_count(num_rows: int) -> int:
    """A number of rows not below the given one: one of few, and at most an eighth above it beyond 256.

    >>> [padded_count(rows) for rows in (1, 33, 360, 1437)]
    [32, 64, 384, 1536]
    """
    step = max(_LEAST, 1 << max(num_rows.bit_length() - 4, 0))
    return -(-num_rows // step) * step


def outputs(model: Sequential, params: Params, x: np.ndarray) -> np.ndarray:
    """The outputs at inference: [rows, outputs].

    Rows are filled up with zeros to one of few counts, so that folds and requests of different sizes share a
    program.
    """
    count = padded_count(len(x))
    padded = np.zeros((count, x.shape[1]), x.dtype)
    padded[: len(x)] = x
    return predict(model, params, padded, batch_size=min(count, _BATCH))[: len(x)]
