"""The table that `model.summary()` shows."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import jax

if TYPE_CHECKING:
    from jaxgd.model import Sequential

HEADER = ("Layer (type)", "Output Shape", "Param #")


def summary(model: "Sequential") -> str:
    """Layer, output shape and parameters of each layer, and the totals, as Keras prints them."""
    shapes = jax.eval_shape(lambda: model.init(0))
    rows: list[tuple[str, str, str]] = [HEADER]
    for name, layer, shape in zip(model.names, model.layers, model.shapes[1:], strict=True):
        leaves = jax.tree.leaves(shapes.get(name, {}))
        size = sum(math.prod(leaf.shape) for leaf in leaves)
        rows.append(
            (f"{name} ({type(layer).__name__})", f"(None, {', '.join(map(str, shape))})", f"{size:,}")
        )
    return "\n".join([*_table(rows), *_totals(model, shapes)])


def _table(rows: Sequence[tuple[str, str, str]]) -> list[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    lines = [
        f"{name:<{widths[0]}}  {shape:<{widths[1]}}  {size:>{widths[2]}}".rstrip()
        for name, shape, size in rows
    ]
    rule = "-" * (sum(widths) + 4)
    return [lines[0], rule, *lines[1:], rule]


def _totals(model: "Sequential", shapes: dict) -> list[str]:
    mask = model.trainable(shapes)
    pairs = zip(jax.tree.leaves(shapes), jax.tree.leaves(mask), strict=True)
    sizes = [(math.prod(leaf.shape), keep) for leaf, keep in pairs]
    trainable = sum(size for size, keep in sizes if keep)
    rest = sum(size for size, keep in sizes if not keep)
    return [
        f"Total params: {trainable + rest:,}",
        f"Trainable params: {trainable:,}",
        f"Non-trainable params: {rest:,}",
    ]
