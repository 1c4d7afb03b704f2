"""Models: frozen, hashable descriptions of a stack of layers, and the pure functions they stand for."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxgd import _policy, layers, random
from jaxgd._checks import check_integer, unknown_name
from jaxgd._statistics import trainable_mask
from jaxgd._summary import Row, summary
from jaxgd._types import Array, Params, PyTree, Shape
from jaxgd.layers import Context, Layer
from jaxgd.layers.base import count_rows

PRECISIONS = ("default", "high", "highest")


class Forward(NamedTuple):
    """A forward pass: the output, and what came to light on the way."""

    y: Array
    logits: Array | None
    """What `y` is the sigmoid or softmax of, if nothing changed the values since."""
    statistics: dict[str, Mapping[str, Array]]
    """{layer: {leaf: new value}} of the statistics that training moves."""
    activity: Array | float
    """Sum of the activity regularizers, each divided by the number of rows."""


@dataclass(frozen=True, repr=False)
class Sequential:
    """A stack of layers applied one after the other. Made by `sequential` and `mlp`.

    A pytree too: its leaves are the layers' scalars (dropout rates and the like), which a compiled
    program therefore takes as inputs.
    """

    layers: tuple[Layer, ...]
    input_shape: Shape
    dtype: str = "float32"
    precision: str = "highest"

    @property
    def names(self) -> tuple[str, ...]:
        """The layers' names in `params`: given, or numbered per kind as Keras does."""
        return _layer_names(self.layers)

    @property
    def shapes(self) -> tuple[Shape, ...]:
        """Shapes of one row before the first layer and after each."""
        shapes = [self.input_shape]
        for layer in self.layers:
            shapes.append(layer.output_shape(shapes[-1]))
        return tuple(shapes)

    @property
    def output_shape(self) -> Shape:
        """Shape of one row of the output."""
        return self.shapes[-1]

    @property
    def policy(self) -> _policy.Policy:
        """Dtypes of the parameters and of the computation."""
        return _policy.get(self.dtype)

    def init(self, seed: Any = 0) -> dict[str, dict[str, Array]]:
        """New parameters.

        Args:
          seed: an int for the numbers that Keras draws after `keras.utils.set_random_seed(seed)`; a
            JAX key for JAX's own.

        Returns: {layer name: {leaf: array}}, in the parameter dtype; layers without leaves are left out.
        """
        sources = tuple(self._init_sources(seed, index) for index in range(len(self.layers)))
        leaves, structure = jax.tree.flatten(self)
        return _init(structure, leaves, sources)

    def check_params(self, params: Params) -> None:
        """Raises ValueError unless `params` has this model's layers, leaves and shapes, and no others."""
        expected = _shapes(jax.tree.structure(self))
        got = {
            (name, leaf): tuple(jnp.shape(value)) for name, of in params.items() for leaf, value in of.items()
        }
        for place in (*expected, *got):
            if expected.get(place) != got.get(place):
                want, have = (_shown(shapes.get(place)) for shapes in (expected, got))
                raise ValueError(f"params[{place[0]!r}][{place[1]!r}]: expected {want}, got {have}.")

    def _init_sources(self, seed: Any, index: int) -> dict[str, Any]:
        draws = self.layers[index].draws()
        if isinstance(seed, int | np.integer):
            seeds = self._keras_seeds(int(seed))[index]
            return {leaf: random.keras_seed(each) for leaf, each in zip(draws, seeds, strict=True)}
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
        seeds = []
        for layer, of_layer in zip(self.layers, drawn, strict=True):
            own = getattr(layer, "seed", None)
            seeds.append(own if own is not None else (of_layer[-1] if of_layer else 0))
        return random.keras_key(seeds)

    def run(
        self,
        params: Params,
        x: Array,
        *,
        training: bool = False,
        key: Any = None,
        row_mask: Array | None = None,
    ) -> Forward:
        """The forward pass with all that a training step wants to know; see `Forward`."""
        self.check_params(params)
        y = self.checked_input(x)
        logits, statistics, activity = None, {}, 0.0
        for name, layer, context in self.steps(training=training, key=key, row_mask=row_mask):
            output = layer.forward(params.get(name, {}), y, context)
            logits = logits if layer.keeps_values and output.y is y else output.logits
            y = output.y
            if output.statistics:
                statistics[name] = output.statistics
            rule = layer.output_regularizer()
            if rule is not None:
                activity = activity + rule(without_padding(y, row_mask)) / count_rows(
                    len(y), row_mask, y.dtype
                )
        return Forward(y, logits, statistics, activity)

    def steps(
        self, *, training: bool, key: Any, row_mask: Array | None = None
    ) -> Iterator[tuple[str, Layer, Context]]:
        """Each layer with its name and what it is told, first to last."""
        policy = self.policy
        for index, (name, layer) in enumerate(zip(self.names, self.layers, strict=True)):
            source = None if key is None else random.fold_source(key, index)
            yield (
                name,
                layer,
                Context(training, source, row_mask, self.precision, policy.params, policy.compute),
            )

    def checked_input(self, x: Any) -> Array:
        """`x` in the compute dtype. Raises ValueError if its shape is not [batch, *input_shape]."""
        x = jnp.asarray(x)
        if x.shape[1:] != self.input_shape or x.ndim == 0:
            expected = ", ".join(("batch", *map(str, self.input_shape)))
            raise ValueError(f"x: expected shape [{expected}], got {list(x.shape)}.")
        return x.astype(self.policy.compute)

    def apply(self, params: Params, x: Array) -> Array:
        """Inference: the output for `x` [batch, features].

        Raises:
          ValueError: the shape of `x` or of a parameter is not the model's.
        """
        return self.run(params, x).y

    def forward(
        self,
        params: Params,
        x: Array,
        *,
        training: bool = False,
        key: Any = None,
        row_mask: Array | None = None,
    ) -> tuple[Array, Params]:
        """The output, and the parameters with the statistics that training moved.

        Args:
          params: as `init` gives them.
          x: [batch, features].
          training: whether dropout drops, noise is added and batch statistics are used.
          key: a JAX key or a `KerasKey`; needed while training if a layer draws.
          row_mask: bool[batch]; rows that are False do not count in any statistic.
        """
        result = self.run(params, x, training=training, key=key, row_mask=row_mask)
        return result.y, merge_statistics(params, result.statistics)

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
            rules = layer.constraints()
            if rules and name in params:
                constrained[name] = {
                    leaf: rules[leaf](value) if leaf in rules and value is not None else value
                    for leaf, value in params[name].items()
                }
        return constrained

    @property
    def has_constraints(self) -> bool:
        """Whether any layer constrains its parameters."""
        return any(layer.constraints() for layer in self.layers)

    def trainable(self, params: Params) -> PyTree:
        """A tree of bool: False for statistics and for layers with trainable=False."""
        frozen = {n for n, layer in zip(self.names, self.layers, strict=True) if not layer.trainable}
        mask = trainable_mask(params)
        return {
            name: jax.tree.map(lambda keep, name=name: keep and name not in frozen, leaves)
            for name, leaves in mask.items()
        }

    def adapt(self, params: Params, x: Array) -> Params:
        """`params` in which every normalization layer standardises what `x` gives it."""
        adapted = dict(params)
        y = self.checked_input(x)
        for name, layer, context in self.steps(training=False, key=None):
            if isinstance(layer, layers.Normalization) and layer.mean is None:
                adapted[name] = layer.measure(y, self.policy.params)
            y = layer.forward(adapted.get(name, {}), y, context).y
        return adapted

    def summary(self) -> str:
        """A table like Keras's: layer, output shape, parameters."""
        params = jax.eval_shape(self.init)
        mask = self.trainable(params)
        rows = []
        for name, layer, shape in zip(self.names, self.layers, self.shapes[1:], strict=True):
            flags = mask.get(name, {})
            sizes = [(leaf.size, flags[key]) for key, leaf in params.get(name, {}).items()]
            trainable = sum(size for size, moves in sizes if moves)
            fixed = sum(size for size, moves in sizes if not moves)
            rows.append(Row(name, layer.class_name, shape, trainable, fixed))
        return summary(rows)

    def __repr__(self) -> str:
        size = self.input_shape[0] if len(self.input_shape) == 1 else self.input_shape
        settings = "".join(
            f", {name}={value!r}"
            for name, value, default in (
                ("dtype", self.dtype, "float32"),
                ("precision", self.precision, "highest"),
            )
            if value != default
        )
        return f"sequential([{', '.join(map(repr, self.layers))}], input_size={size!r}{settings})"


jax.tree_util.register_dataclass(
    Sequential, data_fields=["layers"], meta_fields=["input_shape", "dtype", "precision"]
)


def sequential(
    layers: Sequence[Layer],
    input_size: int | Sequence[int],
    *,
    dtype: str = "float32",
    precision: str = "highest",
) -> Sequential:
    """A stack of layers.

    Args:
      layers: at least one, from `jaxgd.layers`.
      input_size: features of one row, or the shape of one row.
      dtype: "float32", "float64", "mixed_bfloat16" or "mixed_float16" (parameters stay float32).
      precision: of the matrix products, "highest", "high" or "default"; a GPU's or TPU's shorter
        products are used only if asked for.

    Raises:
      TypeError: something that is not a layer.
      ValueError: no layer, two of one name, an unknown dtype or precision.
    Keras: `Sequential`.
    >>> import jaxgd
    >>> jaxgd.sequential([jaxgd.layers.dense(10, "relu"), jaxgd.layers.dense(1)], input_size=5)
    sequential([dense(10, activation='relu'), dense(1)], input_size=5)
    """
    stack = tuple(layers)
    if not stack:
        raise ValueError("layers: expected at least one layer, got none.")
    for position, layer in enumerate(stack):
        if not isinstance(layer, Layer):
            raise TypeError(f"layers[{position}]: expected a layer, got {layer!r} ({type(layer).__name__}).")
    if precision not in PRECISIONS:
        raise unknown_name("precision", precision, PRECISIONS)
    _policy.get(dtype)
    sizes = input_size if isinstance(input_size, Sequence) else (input_size,)
    shape = tuple(check_integer("input_size", size, 1) for size in sizes)
    model = Sequential(stack, shape, dtype, precision)
    _ = model.names, model.shapes  # both raise for a stack that does not fit
    return model


def mlp(
    sizes: Sequence[int],
    activation: Any = "relu",
    output_activation: Any = None,
    *,
    dropout: float = 0.0,
    kernel_initializer: Any = "glorot_uniform",
    dtype: str = "float32",
    precision: str = "highest",
) -> Sequential:
    """A multilayer perceptron: dense layers of the given sizes.

    Args:
      sizes: features, then the width of each layer; at least two numbers.
      activation: of the hidden layers.
      output_activation: of the last layer; None is linear.
      dropout: rate of a dropout layer behind each hidden layer; 0 adds none.
      kernel_initializer: of every kernel.
      dtype, precision: see `sequential`.

    Raises:
      ValueError: fewer than two sizes, or a size below 1.
    >>> import jaxgd
    >>> jaxgd.mlp([5, 10, 1], activation="relu", output_activation="sigmoid")
    sequential([dense(10, activation='relu'), dense(1, activation='sigmoid')], input_size=5)
    """
    if len(sizes) < 2:
        raise ValueError(f"sizes: expected the features and at least one layer, got {list(sizes)!r}.")
    stack: list[Layer] = []
    for units in sizes[1:-1]:
        stack.append(layers.dense(units, activation, kernel_initializer=kernel_initializer))
        if dropout:
            stack.append(layers.dropout(dropout))
    stack.append(layers.dense(sizes[-1], output_activation, kernel_initializer=kernel_initializer))
    return sequential(stack, sizes[0], dtype=dtype, precision=precision)


@partial(jax.jit, static_argnums=0)
def _init(
    structure: Any, leaves: list[Any], sources: tuple[dict[str, Any], ...]
) -> dict[str, dict[str, Array]]:
    """New parameters as one program, which another seed or dropout rate does not compile again."""
    model = jax.tree.unflatten(structure, leaves)
    params = {}
    for name, layer, source, shape in zip(model.names, model.layers, sources, model.shapes, strict=False):
        leaves = layer.init(source, shape, model.policy.params)
        if leaves:
            params[name] = leaves
    return params


@lru_cache(maxsize=256)
def _shapes(structure: Any) -> dict[tuple[str, str], Shape]:
    """{(layer, leaf): shape} of a model of this structure."""
    model = jax.tree.unflatten(structure, [0.0] * structure.num_leaves)
    params = jax.eval_shape(model.init)
    return {(name, leaf): value.shape for name, of in params.items() for leaf, value in of.items()}


def _shown(shape: Shape | None) -> str:
    return "nothing" if shape is None else str(list(shape))


def merge_statistics(params: Params, statistics: Mapping[str, Mapping[str, Array]]) -> Params:
    """`params` with new values of some statistics, each kept in the parameter's dtype."""
    merged = dict(params)
    for name, leaves in statistics.items():
        kept = {leaf: value.astype(params[name][leaf].dtype) for leaf, value in leaves.items()}
        merged[name] = {**params[name], **kept}
    return merged


def without_padding(y: Array, row_mask: Array | None) -> Array:
    """`y` with zeros in the rows that only pad."""
    if row_mask is None:
        return y
    return jnp.where(row_mask.reshape((-1,) + (1,) * (y.ndim - 1)), y, jnp.zeros((), y.dtype))


def _layer_names(stack: Sequence[Layer]) -> tuple[str, ...]:
    counts: dict[str, int] = {}
    names = []
    for layer in stack:
        if layer.name is not None:
            names.append(layer.name)
            continue
        count = counts.get(layer.kind, 0)
        counts[layer.kind] = count + 1
        names.append(f"{layer.kind}_{count}" if count else layer.kind)
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"layers: expected distinct names, got {twice[0]!r} twice.")
    return tuple(names)
