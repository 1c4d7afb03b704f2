"""The dot product of two inputs, row by row."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import jax

from jaxgd._checks import wrong
from jaxgd._types import Array, Shape
from jaxgd.layers.base import Context, Gradients, Output
from jaxgd.layers.merge import Merge, axis_of_row, check_axis
from jaxgd.layers.unit_normalization import unit_factor

_LARGEST_FACTOR = 1e7
"""1 / epsilon of Keras: a vector shorter than that is not made as long as 1."""


@dataclass(frozen=True, repr=False)
class Dot(Merge):
    """y = sum over an axis of x_1 * x_2, for each row; what is left of the first input's shape comes first.

    Args:
      axes: the axis of both inputs, or a pair, one of each; counted with the batch as axis 0.
      normalize: whether both are divided by their length along the axis first (cosine similarity).

    Raises:
      ValueError: not exactly two inputs, or axes of different sizes.
    Keras: `Dot`.
    >>> dot(-1).output_shape(((4,), (4,)))
    (1,)
    """

    axes: int | tuple[int, int]
    normalize: bool = False

    exactly: ClassVar[int | None] = 2

    def __post_init__(self) -> None:
        if isinstance(self.axes, tuple | list):
            object.__setattr__(self, "axes", tuple(self.axes))
        if len(self._pair()) != 2:
            raise wrong("axes", self.axes, "an axis, or one for each of the two inputs")
        for axis in self._pair():
            check_axis("axes", axis)

    def _pair(self) -> tuple[int, ...]:
        return self.axes if isinstance(self.axes, tuple) else (self.axes, self.axes)

    def _places(self, ranks: tuple[int, int]) -> tuple[int, int]:
        """The axes of the rows, from 0."""
        first, second = (
            axis_of_row("dot: axes", axis, rank) for axis, rank in zip(self._pair(), ranks, strict=True)
        )
        return first, second

    def output_shape(self, input_shape: Any) -> Shape:
        self.check_inputs(input_shape)
        one, other = input_shape
        i, j = self._places((len(one), len(other)))
        if one[i] != other[j]:
            raise ValueError(
                f"dot: expected equal sizes along the axes {self.axes}, got {one[i]} and {other[j]}."
            )
        return (*one[:i], *one[i + 1 :], *other[:j], *other[j + 1 :]) or (1,)

    def forward(self, params: Mapping[str, Array], x: Any, context: Context) -> Output:
        one, other = x
        i, j = (place + 1 for place in self._places((one.ndim - 1, other.ndim - 1)))
        if self.normalize:
            one, other = (x * unit_factor(x, axis, _LARGEST_FACTOR) for x, axis in ((one, i), (other, j)))
        y = jax.lax.dot_general(one, other, (((i,), (j,)), ((0,), (0,))), precision=context.precision)
        return Output(y.reshape(len(y), 1) if y.ndim == 1 else y)

    def backward(self, params: Mapping[str, Array], x: Any, upstream: Array, context: Context) -> Gradients:
        """By `jax.vjp`: the products of what is left of the axes have no shorter form."""
        _, pull = jax.vjp(lambda pair: self.forward(params, pair, context).y, tuple(x))
        return Gradients(*pull(upstream))


dot = Dot
