"""A checksum of rows that several processes can add up, each for those that it has read."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from jaxgd.checkpoints.arrays import as_numpy, dtype_name, named_leaves, shown

_BLOCK = 1 << 20
"""Words that are looked at together."""


def row_facts(data: Any, first: int = 0, count: int | None = None) -> dict[str, list[Any]]:
    """{name: [dtype, shape of a row, rows, checksum]} of the arrays of a tree, as JSON takes it.

    Args:
      data: a pytree of arrays that share their first axis.
      first: the number of their first row among all rows.
      count: how many of them to take; None takes all.
    """
    facts = {}
    for name, leaf in named_leaves(data).items():
        array = as_numpy(leaf)[:count]
        facts[name] = [dtype_name(leaf), list(array.shape[1:]), len(array), rows_sum(array, first)]
    return facts


def show_rows(parts: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """The facts of all parts together, a text for each array, however the rows were divided.

    >>> a, b = np.arange(6.0).reshape(3, 2), np.arange(6.0, 10.0).reshape(2, 2)
    >>> whole = show_rows([row_facts({"x": np.concatenate([a, b])})])
    >>> whole == show_rows([row_facts({"x": a}), row_facts({"x": b}, first=3)])
    True
    """
    texts = {}
    for name, (dtype, shape, _, _) in parts[0].items():
        rows = sum(part[name][2] for part in parts)
        total = sum(part[name][3] for part in parts) % 2**64
        texts[name] = f"{shown(dtype, (rows, *shape))} {total:016x}"
    return texts


def rows_sum(array: np.ndarray, first: int = 0) -> int:
    """The sum modulo 2**64 of a checksum of each row and its number.

    A row's is a sum of its 32-bit words, each times an odd number of its column, mixed with the row's number.
    """
    if not array.size:
        return 0
    raw = np.ascontiguousarray(array).reshape(len(array), -1).view(np.uint8)
    raw = np.pad(raw, ((0, 0), (0, -raw.shape[1] % 4)))
    words = raw.view(np.uint32)
    factors = _mixed(np.arange(1, words.shape[1] + 1, dtype=np.uint64)) | np.uint64(1)
    step, total = max(_BLOCK // words.shape[1], 1), 0
    for begin in range(0, len(words), step):
        block = words[begin : begin + step].astype(np.uint64)
        numbers = np.arange(first + begin + 1, first + begin + 1 + len(block), dtype=np.uint64)
        sums = (block * factors).sum(axis=1, dtype=np.uint64)
        total += int(_mixed(sums ^ _mixed(numbers)).sum(dtype=np.uint64))
    return total % 2**64


def _mixed(words: np.ndarray) -> np.ndarray:
    """A bijection of the 64-bit words that scatters them; its constants are those known as splitmix64."""
    words = words * np.uint64(0x9E3779B97F4A7C15)
    words = (words ^ (words >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    words = (words ^ (words >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return words ^ (words >> np.uint64(31))
