"""The parts of a graph: calls of layers, and the tensors between them."""

from typing import NamedTuple

from jaxgd._types import Shape


class Input(NamedTuple):
    """One input, and the shape of one row of it."""

    name: str
    shape: Shape


class Ref(NamedTuple):
    """A tensor of a graph: one output of an input or of a call."""

    value: int
    """Inputs come first, then the calls, as they are listed."""
    output: int = 0


class Call(NamedTuple):
    """One use of a layer."""

    name: str
    """The layer's own name at its first use."""
    layer: int
    inputs: tuple[Ref, ...]


class Result(NamedTuple):
    """One output, and the tensor that it is."""

    name: str
    ref: Ref
