"""The table that `model.summary()` shows."""

from collections.abc import Sequence
from typing import NamedTuple

from jaxgd._types import Shape

_HEADER = ("Layer (type)", "Output Shape", "Param #")


class Row(NamedTuple):
    """One layer."""

    name: str
    kind: str
    output_shape: Shape
    trainable: int
    """How many numbers training moves."""
    fixed: int
    """How many it leaves alone."""


def summary(rows: Sequence[Row]) -> str:
    """Layer, output shape and parameters of each layer, and the totals, as Keras prints them."""
    cells = [_HEADER, *(_cells(row) for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(3)]
    lines = [
        f"{name:<{widths[0]}}  {shape:<{widths[1]}}  {size:>{widths[2]}}".rstrip()
        for name, shape, size in cells
    ]
    rule = "-" * (sum(widths) + 4)
    return "\n".join([lines[0], rule, *lines[1:], rule, *_totals(rows)])


def _cells(row: Row) -> tuple[str, str, str]:
    shape = ", ".join(map(str, (None, *row.output_shape)))
    return f"{row.name} ({row.kind})", f"({shape})", f"{row.trainable + row.fixed:,}"


def _totals(rows: Sequence[Row]) -> list[str]:
    trainable, fixed = sum(row.trainable for row in rows), sum(row.fixed for row in rows)
    return [
        f"Total params: {trainable + fixed:,}",
        f"Trainable params: {trainable:,}",
        f"Non-trainable params: {fixed:,}",
    ]
