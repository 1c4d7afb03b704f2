"""Layers that make one tensor of several: element by element, or one beside the other."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import accumulate
from typing import Any, ClassVar

import jax.numpy as jnp

from jaxgd._checks import wrong
from jaxgd._types import Array, Shape
from jaxgd.layers.base import Context, Gradients, Layer, Output


@dataclass(frozen=True, repr=False)
class Merge(Layer):
    """A layer of several inputs: its `forward` takes a tuple of arrays, its `output_shape` one of shapes.

    Shapes that differ are broadcast as Keras does it: a shorter shape gets ones behind the batch, and a
    size of 1 stands for any size.
    """

    several_inputs: ClassVar[bool] = True
    exactly: ClassVar[int | None] = None
    """The number of inputs, where only one number is right."""

    def check_inputs(self, shapes: Sequence[Shape]) -> None:
        """Raises ValueError for too few inputs, or too many."""
        if self.exactly is not None and len(shapes) != self.exactly:
            raise wrong(self.kind, f"{len(shapes)} inputs", f"{self.exactly} inputs")
        if not shapes:
            raise wrong(self.kind, "no inputs", "a list of inputs")

    def output_shape(self, input_shape: Any) -> Shape:
        self.check_inputs(input_shape)
        rank = max(map(len, input_shape))
        padded = [(1,) * (rank - len(shape)) + shape for shape in input_shape]
        return tuple(self._size(sizes, input_shape) for sizes in zip(*padded, strict=True))

    def _size(self, sizes: Sequence[int], shapes: Sequence[Shape]) -> int:
        distinct = {size for size in sizes if size != 1}
        if len(distinct) > 1:
            listed = ", ".join(str([None, *shape]) for shape in shapes)
            raise ValueError(f"{self.kind}: expected inputs of one shape, got {listed}.")
        return distinct.pop() if distinct else 1

    def forward(self, params: Mapping[str, Array], x: Any, context: Context) -> Output:
        return Output(self.merge(_one_rank(x)))

    def merge(self, x: Sequence[Array]) -> Array:
        """The merged tensor of inputs of one rank."""
        raise TypeError(f"{type(self).__name__} has no rule.")

    def backward(self, params: Mapping[str, Array], x: Any, upstream: Array, context: Context) -> Gradients:
        """dL/dx of each input, a tuple; of an input that was broadcast, the sum over its copies."""
        slopes = self.slopes(_one_rank(x), upstream)
        return Gradients(tuple(map(_summed_like, slopes, x)))

    def slopes(self, x: Sequence[Array], upstream: Array) -> Sequence[Array]:
        """dL/dx of each input of one rank, in the shape of the output."""
        raise TypeError(f"{type(self).__name__} has no backward rule.")


@dataclass(frozen=True, repr=False)
class Add(Merge):
    """y = x_1 + x_2 + ...

    Keras: `Add`.
    >>> add().output_shape(((4,), (4,)))
    (4,)
    """

    def merge(self, x: Sequence[Array]) -> Array:
        return reduce(jnp.add, x)

    def slopes(self, x: Sequence[Array], upstream: Array) -> Sequence[Array]:
        return [upstream] * len(x)


@dataclass(frozen=True, repr=False)
class Subtract(Merge):
    """y = x_1 - x_2, of exactly two inputs.

    Keras: `Subtract`.
    """

    exactly: ClassVar[int | None] = 2

    def merge(self, x: Sequence[Array]) -> Array:
        return x[0] - x[1]

    def slopes(self, x: Sequence[Array], upstream: Array) -> Sequence[Array]:
        return [upstream, -upstream]


@dataclass(frozen=True, repr=False)
class Multiply(Merge):
    """y = x_1 * x_2 * ..., element by element.

    Keras: `Multiply`.
    """

    def merge(self, x: Sequence[Array]) -> Array:
        return reduce(jnp.multiply, x)

    def slopes(self, x: Sequence[Array], upstream: Array) -> Sequence[Array]:
        others = [[*x[:place], *x[place + 1 :]] for place in range(len(x))]
        return [reduce(jnp.multiply, each, upstream) for each in others]


@dataclass(frozen=True, repr=False)
class Average(Merge):
    """y = (x_1 + x_2 + ...) / number of inputs.

    Keras: `Average`.
    """

    def merge(self, x: Sequence[Array]) -> Array:
        return reduce(jnp.add, x) / len(x)

    def slopes(self, x: Sequence[Array], upstream: Array) -> Sequence[Array]:
        return [upstream / len(x)] * len(x)


@dataclass(frozen=True, repr=False)
class Maximum(Merge):
    """The largest of the inputs, element by element; at a tie the gradient goes to the first.

    Keras: `Maximum`.
    """

    def merge(self, x: Sequence[Array]) -> Array:
        return reduce(_larger, x)

    def slopes(self, x: Sequence[Array], upstream: Array) -> Sequence[Array]:
        return _to_the_first_of(x, self.merge(x), upstream)


@dataclass(frozen=True, repr=False)
class Minimum(Merge):
    """The smallest of the inputs, element by element; at a tie the gradient goes to the first.

    Keras: `Minimum`.
    """

    def merge(self, x: Sequence[Array]) -> Array:
        return reduce(_smaller, x)

    def slopes(self, x: Sequence[Array], upstream: Array) -> Sequence[Array]:
        return _to_the_first_of(x, self.merge(x), upstream)


@dataclass(frozen=True, repr=False)
class Concatenate(Merge):
    """The inputs one beside the other, along one axis.

    Args:
      axis: counted with the batch as axis 0, which it must not be; -1 is the last.

    Raises:
      ValueError: inputs that differ elsewhere than along the axis.
    Keras: `Concatenate`.
    >>> concatenate().output_shape(((4,), (3,)))
    (7,)
    """

    axis: int = -1

    def __post_init__(self) -> None:
        check_axis("axis", self.axis)

    def output_shape(self, input_shape: Any) -> Shape:
        self.check_inputs(input_shape)
        first = input_shape[0]
        axis = axis_of_row("concatenate: axis", self.axis, len(first))
        for shape in input_shape:
            if len(shape) != len(first) or _without(shape, axis) != _without(first, axis):
                listed = ", ".join(str([None, *shape]) for shape in input_shape)
                raise ValueError(
                    f"concatenate: expected shapes that differ only along axis {self.axis}, got {listed}."
                )
        return (*first[:axis], sum(shape[axis] for shape in input_shape), *first[axis + 1 :])

    def forward(self, params: Mapping[str, Array], x: Any, context: Context) -> Output:
        return Output(jnp.concatenate(x, axis=self.axis))

    def backward(self, params: Mapping[str, Array], x: Any, upstream: Array, context: Context) -> Gradients:
        ends = list(accumulate(each.shape[self.axis] for each in x))[:-1]
        return Gradients(tuple(jnp.split(upstream, ends, axis=self.axis)))


def check_axis(name: str, axis: Any) -> None:
    """Raises TypeError or ValueError unless `axis` is a whole number other than the batch's, 0."""
    if isinstance(axis, bool) or not isinstance(axis, int):
        raise TypeError(f"{name}: expected an integer, got {axis!r}.")
    if axis == 0:
        raise wrong(name, axis, "another axis than the batch's")


def axis_of_row(name: str, axis: int, rank: int) -> int:
    """The axis of a row, from 0, for one that counts the batch as axis 0; `rank` is the row's."""
    place = axis - 1 if axis > 0 else rank + axis
    if not 0 <= place < rank:
        raise wrong(name, axis, f"an axis of a row of rank {rank}, and not the batch's")
    return place


def _without(shape: Shape, axis: int) -> Shape:
    return shape[:axis] + shape[axis + 1 :]


def _one_rank(x: Sequence[Array]) -> list[Array]:
    """The inputs with ones behind the batch, until all have the rank of the largest."""
    rank = max(each.ndim for each in x)
    return [each.reshape(each.shape[0], *(1,) * (rank - each.ndim), *each.shape[1:]) for each in x]


def _summed_like(slope: Array, x: Array) -> Array:
    """What flowed into an input, given what flowed into the copies that broadcasting made of it."""
    shape = (x.shape[0], *(1,) * (slope.ndim - x.ndim), *x.shape[1:])
    copied = tuple(axis for axis, size in enumerate(shape) if size == 1 and slope.shape[axis] != 1)
    return slope.sum(axis=copied, keepdims=True).reshape(x.shape)


def _to_the_first_of(x: Sequence[Array], y: Array, upstream: Array) -> list[Array]:
    """All of what comes from upstream to the first input that is the output, element by element."""
    slopes, left = [], jnp.ones(y.shape, bool)
    for each in x:
        chosen = left & ((each == y) | (jnp.isnan(each) & jnp.isnan(y)))
        slopes.append(jnp.where(chosen, upstream, jnp.zeros((), upstream.dtype)))
        left = left & ~chosen
    return slopes


def _choose(comes_first: Callable[[Array, Array], Array], a: Array, b: Array) -> Array:
    a, b = jnp.broadcast_arrays(a, b)
    return jnp.where(comes_first(a, b) | jnp.isnan(a), a, b)


def _larger(a: Array, b: Array) -> Array:
    return _choose(jnp.greater_equal, a, b)


def _smaller(a: Array, b: Array) -> Array:
    return _choose(jnp.less_equal, a, b)


add = Add
subtract = Subtract
multiply = Multiply
average = Average
maximum = Maximum
minimum = Minimum
concatenate = Concatenate
