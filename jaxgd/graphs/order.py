"""In which order Keras runs the calls of a graph and lists its layers: both follow from the graph alone.

The order of calls decides which draws of its generator a shared dropout gets; that of layers decides where
weights stand in a file. Keras walks from the outputs back, and sorts by the distance to them.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import NamedTuple

from jaxgd.graphs.parts import Call, Ref


class Order(NamedTuple):
    """Both orders."""

    calls: tuple[int, ...]
    """Numbers of calls, those that lead to an output, first to last."""
    layers: tuple[int, ...]
    """Numbers of layers; an input counts as -1 - its number."""


@lru_cache(maxsize=256)
def keras_order(num_inputs: int, calls: tuple[Call, ...], results: tuple[Ref, ...]) -> Order:
    """The orders of a graph.

    Args:
      num_inputs: values below this number are inputs.
      calls: each after those that it takes its inputs from.
      results: the outputs.
    """

    def owner(value: int) -> int:
        return -1 - value if value < num_inputs else calls[value - num_inputs].layer

    def parents(value: int) -> Sequence[Ref]:
        return () if value < num_inputs else calls[value - num_inputs].inputs

    found, rank = _walk_back(results, parents, owner)
    value_depth, owner_depth = _depths(found, parents, owner)
    for value in range(num_inputs):
        if owner(value) not in owner_depth:  # an input that is not used
            value_depth[value] = owner_depth[owner(value)] = 0
            rank[owner(value)] = -1
    by_depth = sorted(value_depth, key=lambda value: -value_depth[value])
    layers = sorted(owner_depth, key=lambda each: (-owner_depth[each], rank[each]))
    return Order(tuple(v - num_inputs for v in by_depth if v >= num_inputs), tuple(layers))


def _walk_back(
    results: Sequence[Ref], parents: Callable[[int], Sequence[Ref]], owner: Callable[[int], int]
) -> tuple[list[int], dict[int, int]]:
    """Every value that leads to a result, inputs before what uses them, and when each layer was first met."""
    found: dict[int, None] = {}
    rank: dict[int, int] = {}
    pending: list[tuple[int, bool]] = [(ref.value, False) for ref in reversed(results)]
    while pending:
        value, is_done = pending.pop()
        if is_done:
            found[value] = None
        elif value not in found:
            rank.setdefault(owner(value), len(rank))
            pending.append((value, True))
            pending += [(ref.value, False) for ref in reversed(parents(value))]
    return list(found), rank


def _depths(
    found: Sequence[int], parents: Callable[[int], Sequence[Ref]], owner: Callable[[int], int]
) -> tuple[dict[int, int], dict[int, int]]:
    """How far from the outputs values and layers are; a shared layer is as far as its farthest use yet."""
    of_values: dict[int, int] = {}
    of_owners: dict[int, int] = {}
    for value in reversed(found):
        depth = max(of_values.setdefault(value, 0), of_owners.get(owner(value), 0))
        of_values[value] = of_owners[owner(value)] = depth
        for parent in parents(value):
            of_values[parent.value] = max(depth + 1, of_values.get(parent.value, 0))
    return of_values, of_owners
