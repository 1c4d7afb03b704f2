"""A checksum of rows that several processes can add up, each for those that it has read."""

from collections.abc import Mapping, Sequence
from typing import Any

from jaxgd._row_sums import rows_sum
from jaxgd.checkpoints.arrays import as_numpy, dtype_name, named_leaves, shown


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
