"""What every layer is: a frozen description with a forward rule and a backward rule beside it."""

import dataclasses
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp

from jaxgd._types import Array, PyTree, Shape


@dataclass(frozen=True)
class Context:
    """What a layer is told besides its parameters and its input."""

    training: bool = False
    source: Any = None
    """Where this layer draws from; None where nothing is drawn."""
    row_mask: Array | None = None
    """bool[batch], False for rows that only pad a short batch; None when every row counts."""
    precision: str = "highest"
    params_dtype: Any = jnp.float32
    compute_dtype: Any = jnp.float32


class Output(NamedTuple):
    """What a layer gives back."""

    y: Array
    statistics: Mapping[str, Array] = {}
    """New values of the statistics, only while training."""
    logits: Array | None = None
    """The pre-activation, if `y` is exactly its sigmoid or softmax."""
    activity: Array | float = 0.0
    """The activity regularizers of a nested model."""


class Gradients(NamedTuple):
    """What the backward rule of a layer gives back."""

    x: PyTree
    """dL/dx, which flows on to the layer before; of a merge a tuple, one for each."""
    params: Mapping[str, Array] = {}
    delta: Array | None = None
    """dL/dz, z being the pre-activation; None for a layer without one."""


@dataclass(frozen=True, repr=False)
class Layer:
    """A frozen, hashable description of one layer, and a pytree whose leaves are its `scalars`.

    Because the scalars are leaves, a compiled program takes them as inputs: another dropout rate is
    not another program.
    """

    name: str | None = field(default=None, kw_only=True)
    trainable: bool = field(default=True, kw_only=True)

    scalars: ClassVar[tuple[str, ...]] = ()
    keeps_values: ClassVar[bool] = False
    """Whether logits survive this layer wherever its output is its very input, as a tensor does in Keras."""
    several_inputs: ClassVar[bool] = False
    """Whether `forward` takes a tuple of arrays; such a layer stands in a graph."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        jax.tree_util.register_pytree_node(cls, _flatten, lambda aux, leaves: _unflatten(cls, aux, leaves))

    @property
    def kind(self) -> str:
        """The layer's word: its class in snake case, as Keras names layers."""
        return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", type(self).__name__).lower()

    @property
    def word(self) -> str:
        """The function that makes such a layer."""
        return self.kind

    @property
    def class_name(self) -> str:
        """Keras's class of this layer."""
        return type(self).__name__

    def output_shape(self, input_shape: Shape) -> Shape:
        """Shape of one row's output, without the batch."""
        return input_shape

    def draws(self) -> tuple[str, ...]:
        """What Keras draws a seed for when it constructs this layer, in its order."""
        return ()

    def generator_seeds(self, drawn: Sequence[int]) -> list[int]:
        """The seeds that the layer's generators start from; `drawn` has one for each of `draws()`."""
        own = getattr(self, "seed", None)
        return [own if own is not None else (drawn[-1] if drawn else 0)]

    @property
    def num_outputs(self) -> int:
        """How many tensors `forward` gives: a tuple of them, if more than one."""
        return 1

    @property
    def num_generators(self) -> int:
        """How many seeds of a `KerasKey` are the layer's."""
        return 1

    def init(self, sources: Mapping[str, Any], input_shape: Shape, dtype: Any) -> dict[str, Any]:
        """The layer's leaves; `sources` has one entry for each of `draws()`."""
        return {}

    def forward(self, params: Mapping[str, Array], x: Array, context: Context) -> Output:
        """The output for `x`: [batch, ...]."""
        raise TypeError(f"{type(self).__name__} has no forward rule.")

    def pre_activation(self, params: Mapping[str, Array], x: Array, context: Context) -> Array | None:
        """z, what the layer's activation is applied to; None for a layer without one."""
        return None

    def backward(self, params: Mapping[str, Array], x: Array, upstream: Array, context: Context) -> Gradients:
        """The chain rule through this layer; `upstream` is dL/dy."""
        raise TypeError(f"{type(self).__name__} has no backward rule.")

    def backward_logits(
        self, params: Mapping[str, Array], x: Array, delta: Array, context: Context
    ) -> Gradients:
        """The chain rule from the pre-activation on; `delta` is dL/dz."""
        raise TypeError(f"{type(self).__name__} has no pre-activation.")

    def weight_regularizers(self) -> dict[str, Any]:
        """{leaf: regularizer}, in Keras's order."""
        return {}

    def penalties(self, params: Mapping[str, Array]) -> list[Array]:
        """The weight regularizers' values, in Keras's order."""
        return [rule(params[leaf]) for leaf, rule in self.weight_regularizers().items() if leaf in params]

    def output_regularizer(self) -> Any:
        """The activity regularizer, or None; its value is divided by the number of rows, as in Keras."""
        return None

    def constraints(self) -> dict[str, Any]:
        """{leaf: constraint} applied after every update."""
        return {}

    def constrain(self, params: Mapping[str, Any]) -> Mapping[str, Any]:
        """The leaves after their constraints; those that are None stay so."""
        rules = self.constraints()
        return {
            leaf: rules[leaf](value) if leaf in rules and value is not None else value
            for leaf, value in params.items()
        }

    @property
    def has_constraints(self) -> bool:
        """Whether any leaf is constrained."""
        return bool(self.constraints())

    def trained(self, mask: Mapping[str, Any]) -> Any:
        """Which leaves training moves, of those that `mask` says could move."""
        return jax.tree.map(lambda moves: moves and self.trainable, mask)

    def __repr__(self) -> str:
        shown = [f for f in dataclasses.fields(self) if f.init and f.repr]
        shown.sort(key=lambda f: bool(f.kw_only))  # those without a keyword come first
        parts = [_shown_field(self, f) for f in shown]
        return f"{self.word}({', '.join(part for part in parts if part)})"


def _shown_field(layer: Layer, f: dataclasses.Field) -> str:
    value = getattr(layer, f.name)
    if f.default is dataclasses.MISSING:
        return f"{value!r}"
    return "" if value is f.default or value == f.default else f"{f.name}={value!r}"


def _flatten(layer: Layer) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    leaves = tuple(getattr(layer, name) for name in layer.scalars)
    static = tuple(
        (f.name, getattr(layer, f.name)) for f in dataclasses.fields(layer) if f.name not in layer.scalars
    )
    return leaves, static


def _unflatten(cls: type, static: tuple[Any, ...], leaves: Any) -> Layer:
    layer = object.__new__(cls)
    for name, value in (*static, *zip(cls.scalars, leaves, strict=True)):
        object.__setattr__(layer, name, value)
    return layer


def sum_rows(values: Array, row_mask: Array | None) -> Array:
    """Sum over the batch axis of the rows that count."""
    if row_mask is None:
        return values.sum(axis=0)
    shape = (-1,) + (1,) * (values.ndim - 1)
    return jnp.where(row_mask.reshape(shape), values, jnp.zeros((), values.dtype)).sum(axis=0)


def count_rows(batch: int, row_mask: Array | None, dtype: Any) -> Array | float:
    """How many rows count: a Python number where that is known while tracing."""
    return float(batch) if row_mask is None else row_mask.sum(dtype=dtype)
