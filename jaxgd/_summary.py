"""The table that `model.summary()` shows."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax

from jaxgd._param_shapes import param_shapes
from jaxgd._types import Shape

_HEADER = ("Layer (type)", "Output Shape", "Param #", "Connected to")


class Row(NamedTuple):
    """One layer."""

    name: str
    kind: str
    output_shape: Shape
    trainable: int
    """How many numbers training moves."""
    fixed: int
    """How many it leaves alone."""
    connected_to: str = ""
    """In a graph: where its inputs come from."""


def summary_of(model: Any, shapes: Sequence[Any], connected_to: Sequence[str] | None = None) -> str:
    """The table of a model whose layers give these shapes.

    Args:
      model: any model of jaxgd.
      shapes: of each layer's output, without the batch; a tuple of shapes for several outputs.
      connected_to: where each layer's inputs come from, in a graph.
    """
    params = param_shapes(model)
    mask = model.trainable(params)
    rows = []
    for index, (name, layer, shape) in enumerate(zip(model.names, model.layers, shapes, strict=True)):
        leaves = jax.tree.leaves(params.get(name, {}))
        sizes = [
            (leaf.size, moves)
            for leaf, moves in zip(leaves, jax.tree.leaves(mask.get(name, {})), strict=True)
        ]
        trainable = sum(size for size, moves in sizes if moves)
        fixed = sum(size for size, moves in sizes if not moves)
        origin = "" if connected_to is None else connected_to[index]
        rows.append(Row(name, layer.class_name, shape, trainable, fixed, origin))
    return summary(rows)


def summary(rows: Sequence[Row]) -> str:
    """Layer, output shape and parameters of each layer, and the totals, as Keras prints them."""
    columns = 4 if any(row.connected_to for row in rows) else 3
    cells = [_HEADER[:columns], *(_cells(row)[:columns] for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(columns)]
    lines = ["  ".join(map(_aligned, row, widths, range(columns))).rstrip() for row in cells]
    rule = "-" * (sum(widths) + 2 * (columns - 1))
    return "\n".join([lines[0], rule, *lines[1:], rule, *_totals(rows)])


def _aligned(cell: str, width: int, column: int) -> str:
    return f"{cell:>{width}}" if column == 2 else f"{cell:<{width}}"


def _cells(row: Row) -> tuple[str, ...]:
    return (
        f"{row.name} ({row.kind})",
        _shape(row.output_shape),
        f"{row.trainable + row.fixed:,}",
        row.connected_to,
    )


def _shape(shape: Any) -> str:
    if shape and isinstance(shape[0], tuple):
        return ", ".join(map(_shape, shape))
    return f"({', '.join(map(str, (None, *shape)))})"


def _totals(rows: Sequence[Row]) -> list[str]:
    trainable, fixed = sum(row.trainable for row in rows), sum(row.fixed for row in rows)
    return [
        f"Total params: {trainable + fixed:,}",
        f"Trainable params: {trainable:,}",
        f"Non-trainable params: {fixed:,}",
    ]
