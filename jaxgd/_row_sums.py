"""A checksum of rows that is a sum, so that it does not matter who has read which of them."""

import numpy as np

_BLOCK = 1 << 20
"""Words that are looked at together."""


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
