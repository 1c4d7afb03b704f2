"""What every model is: layers with names, their parameters, and the pure functions that both stand for."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxgd import _policy, random
from jaxgd._checks import unknown_name
from jaxgd._param_shapes import param_shapes
from jaxgd._statistics import trainable_mask
from jaxgd._types import Array, Params, PyTree, Shape
from jaxgd.layers import Context, Layer, Nested
from jaxgd.model_parts import layer_names, merge_statistics

PRECISIONS = ("default", "high", "highest")
"""What a model's `precision` may be: how exactly an accelerator multiplies float32 matrices."""


class Forward(NamedTuple):
    """A forward pass: the output, and what came to light on the way."""

    y: Any
    """An array; of a model with several outputs, a tuple of them."""
    logits: Any
    """What `y` is the sigmoid or softmax of, if nothing changed the values since; a tuple like `y`."""
    statistics: dict[str, Mapping[str, Any]]
    """{layer: {leaf: new value}} of the statistics that training moves."""
    activity: Array | float
    """Sum of the activity regularizers, each divided by the number of rows."""


class Model:
    """The part that `Sequential` and `Graph` share: everything but the way from layer to layer."""

    layers: tuple[Layer, ...]
    dtype: str
    precision: str
    kind: ClassVar[str]
    """Keras's word for a model of this class, which is its name unless it has another."""
    class_name: ClassVar[str]

    @property
    def names(self) -> tuple[str, ...]:
        """The layers' names in `params`: given, or numbered per kind as Keras does."""
        return layer_names(self.layers)

    @property
    def input_shapes(self) -> tuple[Shape, ...]:
        """The shape of one row of each input."""
        raise NotImplementedError

    @property
    def input_names(self) -> tuple[str, ...]:
        """One name for each input."""
        raise NotImplementedError

    @property
    def output_shapes(self) -> tuple[Shape, ...]:
        """The shape of one row of each output."""
        raise NotImplementedError

    @property
    def layer_input_shapes(self) -> tuple[Any, ...]:
        """What each layer takes: the shape of one row, or a tuple of shapes."""
        raise NotImplementedError

    @property
    def output_names(self) -> tuple[str, ...]:
        """One name for each output, as Keras names them in its logs."""
        raise NotImplementedError

    @property
    def layers_in_keras_order(self) -> tuple[int, ...]:
        """Places in `layers` in the order in which Keras lists them."""
        return tuple(range(len(self.layers)))

    @property
    def policy(self) -> _policy.Policy:
        """Dtypes of the parameters and of the computation."""
        return _policy.get(self.dtype)

    def inputs_of(self, x: Any) -> tuple[Any, ...]:
        """The arrays of each input, however `x` holds them. Raises ValueError if some are missing."""
        raise NotImplementedError

    def like_outputs(self, y: Sequence[Any]) -> Any:
        """The arrays of each output in the form that `apply` gives them in."""
        raise NotImplementedError

    def run(
        self,
        params: Params,
        x: Any,
        *,
        training: bool = False,
        key: Any = None,
        row_mask: Array | None = None,
    ) -> Forward:
        """The forward pass with all that a training step wants to know; see `Forward`."""
        raise NotImplementedError

    def outputs(
        self, params: Params, x: Any, *, training: bool, key: Any, row_mask: Array | None = None
    ) -> Iterator[tuple[str, Any]]:
        """The name and the output of each layer, in the order in which they run."""
        raise NotImplementedError

    def init(self, seed: Any = 0) -> dict[str, dict[str, Any]]:
        """New parameters.

        Args:
          seed: an int for the numbers that Keras draws after `keras.utils.set_random_seed(seed)`; a
            JAX key for JAX's own.

        Returns: {layer name: {leaf: array}}, in the parameter dtype; layers without leaves are left out, and
          a nested model is one level deeper.
        """
        sources = tuple(self._init_sources(seed, index) for index in range(len(self.layers)))
        if isinstance(seed, int | np.integer):
            drawn = random.drawn_on_host(lambda: self.init_from(sources))
            if drawn is not None:
                return drawn
        leaves, structure = jax.tree.flatten(self)
        return _init(structure, leaves, sources)

    def init_from(self, sources: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
        """New parameters from the sources of each layer's draws."""
        params = {}
        for name, layer, source, shape in zip(
            self.names, self.layers, sources, self.layer_input_shapes, strict=True
        ):
            leaves = layer.init(source, shape, self.policy.params)
            if leaves:
                params[name] = leaves
        return params

    def check_params(self, params: Params) -> None:
        """Raises ValueError unless `params` has this model's layers, leaves and shapes, and no others."""
        expected, got = _leaf_shapes(param_shapes(self)), _leaf_shapes(params)
        for place in (*expected, *got):
            if expected.get(place) != got.get(place):
                want, have = (_shown(shapes.get(place)) for shapes in (expected, got))
                where = "".join(f"[{key!r}]" for key in place)
                raise ValueError(f"params{where}: expected {want}, got {have}.")

    def _init_sources(self, seed: Any, index: int) -> dict[str, Any]:
        draws = self.layers[index].draws()
        if isinstance(seed, int | np.integer):
            seeds = self._keras_seeds(int(seed))[index]
            return {leaf: random.keras_seed(each) for leaf, each in zip(draws, seeds, strict=True)}
        if jnp.issubdtype(jnp.result_type(seed), jnp.integer) and not jnp.ndim(seed):
            raise TypeError(
                "seed: expected an int or a JAX key, got an array of ints. Under jax.vmap or jax.jit give "
                "keys: jax.random.split(jax.random.key(0), n)."
            )
        key = jax.random.fold_in(seed, index)
        return {leaf: jax.random.fold_in(key, position) for position, leaf in enumerate(draws)}

    def _keras_seeds(self, seed: int) -> list[list[int]]:
        """The seeds that Keras draws while it constructs the layers, one list a layer."""
        counts = [len(layer.draws()) for layer in self.layers]
        drawn = iter(random.keras_layer_seeds(seed, sum(counts)))
        return [[next(drawn) for _ in range(count)] for count in counts]

    def key(self, seed: int) -> random.KerasKey:
        """The seeds of Keras's dropout and noise layers after `keras.utils.set_random_seed(seed)`."""
        drawn = self._keras_seeds(seed)
        pairs = zip(self.layers, drawn, strict=True)
        return random.keras_key(
            [each for layer, of_layer in pairs for each in layer.generator_seeds(of_layer)]
        )

    def context(
        self, index: int, *, training: bool, key: Any, row_mask: Array | None, call: int = 0, calls: int = 1
    ) -> Context:
        """What layer number `index` is told in its call number `call` of `calls`."""
        source = None if key is None else self._source(key, index)
        if source is not None and calls > 1:
            source = random.nth_call(source, call, calls)
        policy = self.policy
        return Context(training, source, row_mask, self.precision, policy.params, policy.compute)

    def _source(self, key: Any, index: int) -> Any:
        """Where a layer draws from: a nested model has a key of its own, a part of the model's."""
        if not any(isinstance(layer, Nested) for layer in self.layers):
            return random.fold_source(key, index)
        first = sum(layer.num_generators for layer in self.layers[:index])
        if isinstance(self.layers[index], Nested):
            return random.fold_key(key, index, first, self.layers[index].num_generators)
        return random.fold_source(key, first if isinstance(key, random.KerasKey) else index)

    def apply(self, params: Params, x: Any) -> Any:
        """Inference: the output for `x` [batch, features].

        A model with several inputs takes a list or {input name: array}; one with several outputs gives back
        a list, or a dict if it was described so.

        Raises:
          ValueError: the shape of `x` or of a parameter is not the model's.
        """
        return self._formed(self.run(params, x).y)

    def forward(
        self,
        params: Params,
        x: Any,
        *,
        training: bool = False,
        key: Any = None,
        row_mask: Array | None = None,
    ) -> tuple[Any, Params]:
        """The output, and the parameters with the statistics that training moved.

        Args:
          params: as `init` gives them.
          x: [batch, features], or several as `apply` takes them.
          training: whether dropout drops, noise is added and batch statistics are used.
          key: a JAX key or a `KerasKey`; needed while training if a layer draws.
          row_mask: bool[batch]; rows that are False do not count in any statistic.
        """
        result = self.run(params, x, training=training, key=key, row_mask=row_mask)
        return self._formed(result.y), merge_statistics(params, result.statistics)

    def _formed(self, y: Any) -> Any:
        return self.like_outputs(y if isinstance(y, tuple) else (y,))

    def penalty(self, params: Params) -> Array | float:
        """Sum of the weight regularizers of the trainable layers, in Keras's order."""
        total: Array | float = 0.0
        for name, layer in zip(self.names, self.layers, strict=True):
            for value in layer.penalties(params.get(name, {})) if layer.trainable else ():
                total = total + value
        return total

    def constrain(self, params: Params) -> Params:
        """The parameters after the layers' constraints; leaves that are None stay so."""
        constrained = dict(params)
        for name, layer in zip(self.names, self.layers, strict=True):
            if layer.has_constraints and name in params:
                constrained[name] = layer.constrain(params[name])
        return constrained

    @property
    def has_constraints(self) -> bool:
        """Whether any layer constrains its parameters."""
        return any(layer.has_constraints for layer in self.layers)

    def trainable(self, params: Params) -> PyTree:
        """A tree of bool: False for statistics and for layers with trainable=False."""
        layers, mask = dict(zip(self.names, self.layers, strict=True)), trainable_mask(params)
        return {
            name: layers[name].trained(leaves) if name in layers else leaves for name, leaves in mask.items()
        }


def as_layers(each: Sequence[Any], dtype: str, precision: str) -> tuple[Layer, ...]:
    """Layers, models among them wrapped as layers. Raises TypeError or ValueError for what cannot be one."""
    stack = tuple(Nested(one) if isinstance(one, Model) else one for one in each)
    for position, layer in enumerate(stack):
        if not isinstance(layer, Layer):
            raise TypeError(f"layers[{position}]: expected a layer, got {layer!r} ({type(layer).__name__}).")
        if isinstance(layer, Nested) and (layer.model.dtype, layer.model.precision) != (dtype, precision):
            raise ValueError(
                f"layers[{position}]: a nested model of dtype {layer.model.dtype!r} and precision "
                f"{layer.model.precision!r} in one of {dtype!r} and {precision!r}; give both the same."
            )
    if precision not in PRECISIONS:
        raise unknown_name("precision", precision, PRECISIONS)
    _policy.get(dtype)
    return stack


@partial(jax.jit, static_argnums=0)
def _init(
    structure: Any, leaves: list[Any], sources: tuple[dict[str, Any], ...]
) -> dict[str, dict[str, Any]]:
    """New parameters as one program, which another seed or dropout rate does not compile again."""
    return jax.tree.unflatten(structure, leaves).init_from(sources)


def _leaf_shapes(params: Params) -> dict[tuple[str, ...], Shape]:
    found, pending = {}, [((), params)]
    while pending:
        place, node = pending.pop()
        if isinstance(node, Mapping):
            pending += [((*place, key), child) for key, child in reversed(list(node.items()))]
        else:
            found[place] = tuple(jnp.shape(node))
    return found


def _shown(shape: Shape | None) -> str:
    return "nothing" if shape is None else str(list(shape))
