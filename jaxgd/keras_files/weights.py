"""Where the parameters stand in `model.weights.h5`: a group for each layer, a dataset for each leaf."""

import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxgd import layers
from jaxgd._types import Params, Shape
from jaxgd.keras_files.errors import KerasFileError, failing_in
from jaxgd.keras_files.hdf5 import ArrayFile
from jaxgd.keras_files.layer_configs import class_name_of
from jaxgd.metrics import snake_case
from jaxgd.model_base import Model

_ORDER = (
    "kernel", "bias", "gamma", "beta", "scale", "alpha",
    "moving_mean", "moving_variance", "mean", "variance", "count",
)  # fmt: skip
"""Keras's order of a layer's variables: those that are trained first."""


class Variable(NamedTuple):
    """One dataset and the leaf that it holds."""

    path: str
    keys: tuple[str, ...]
    """Where the parameters have it: layer, leaf; a nested model is one level deeper."""
    shape: Shape
    dtype: Any

    @property
    def file_dtype(self) -> Any:
        """Keras counts in int64."""
        return np.dtype(np.int64) if self.keys[-1] == "count" else self.dtype


class Placed(NamedTuple):
    """A layer, where its parameters stand, and where its weights do."""

    keys: tuple[str, ...]
    group: str
    layer: layers.Layer
    input_shape: Any


def placed(model: Model, keys: tuple[str, ...] = (), root: str = "") -> Iterator[Placed]:
    """Every layer in Keras's order; a nested model stands before its own layers."""
    counts: dict[str, int] = {}
    for index in model.layers_in_keras_order:
        layer = model.layers[index]
        kind = snake_case(class_name_of(layer))
        count = counts.get(kind, 0)
        counts[kind] = count + 1
        group = f"{root}layers/{kind}_{count}" if count else f"{root}layers/{kind}"
        place = (*keys, model.names[index])
        yield Placed(place, group, layer, model.layer_input_shapes[index])
        if isinstance(layer, layers.Nested):
            yield from placed(layer.model, place, f"{group}/")


def check_size(shapes: Params, max_bytes: int) -> None:
    """Raises if a model declares more bytes of parameters than that."""
    total = sum(math.prod(leaf.shape) * leaf.dtype.itemsize for leaf in jax.tree.leaves(shapes))
    if total > max_bytes:
        raise KerasFileError(f"the model declares {total:,} bytes, more than max_bytes={max_bytes:,}.")


def variables(model: Model, shapes: Params) -> list[Variable]:
    """Every dataset that holds parameters of a model, in Keras's order."""
    found = []
    for keys, group, layer, _ in placed(model):
        if _is_declared(layer) or isinstance(layer, layers.Nested):
            continue
        leaves = _at_or_empty(shapes, keys)
        for index, leaf in enumerate(sorted(leaves, key=_ORDER.index)):
            shape = leaves[leaf]
            found.append(Variable(f"{group}/vars/{index}", (*keys, leaf), tuple(shape.shape), shape.dtype))
    return found


def _at_or_empty(tree: Any, keys: Sequence[str]) -> Any:
    """What stands at `keys`; nothing, where a layer has no parameters."""
    for key in keys:
        tree = tree.get(key, {})
    return tree


def trained(model: Model, shapes: Params) -> list[Variable]:
    """The variables that an optimizer updates, in Keras's order."""
    mask = model.trainable(shapes)
    return [variable for variable in variables(model, shapes) if at(mask, variable.keys)]


def at(tree: Any, keys: Sequence[str]) -> Any:
    """What stands at `keys` in a nested mapping."""
    for key in keys:
        tree = tree[key]
    return tree


def _is_declared(layer: layers.Layer) -> bool:
    """Whether Keras keeps the layer's numbers in its configuration and has no variables for them."""
    return isinstance(layer, layers.Normalization) and layer.mean is not None


def read_params(model: Model, file: ArrayFile, known: Sequence[Variable]) -> dict[str, Any]:
    """The parameters of a model from its weights."""
    params: dict[str, Any] = {}
    for keys, _, layer, shape in placed(model):
        if _is_declared(layer):
            with failing_in(f"layer {keys[-1]!r}"):
                _put(params, keys, layer.init({}, shape, model.policy.params))
    for variable in known:
        array = file.read(variable.path, variable.shape, variable.file_dtype)
        _put(params, variable.keys, jnp.asarray(array, variable.dtype))
    return {name: params[name] for name in model.names if name in params}


def _put(tree: dict[str, Any], keys: Sequence[str], value: Any) -> None:
    for key in keys[:-1]:
        tree = tree.setdefault(key, {})
    tree[keys[-1]] = value


def check_params(shapes: Params, params: Params) -> None:
    """Raises unless `params` has exactly the model's leaves and shapes."""
    expected, found = named_leaves(shapes), named_leaves(params)
    if expected.keys() != found.keys():
        missing, extra = sorted(expected.keys() - found.keys()), sorted(found.keys() - expected.keys())
        raise KerasFileError(f"params: missing {missing}, unexpected {extra}.")
    for path, leaf in expected.items():
        if np.shape(found[path]) != leaf.shape:
            got = list(np.shape(found[path]))
            raise KerasFileError(f"params: {path}: expected shape {list(leaf.shape)}, got {got}.")


def named_leaves(params: Params) -> dict[str, Any]:
    """{"layer/leaf": array} of nested parameters."""
    entries, _ = jax.tree_util.tree_flatten_with_path(params)
    return {jax.tree_util.keystr(path, simple=True, separator="/"): leaf for path, leaf in entries}


def params_arrays(params: Params, known: Sequence[Variable]) -> dict[str, np.ndarray]:
    """{path: array} of a model's parameters."""
    return {
        variable.path: np.asarray(at(params, variable.keys)).astype(variable.file_dtype) for variable in known
    }


def group_names(model: Model, model_name: str) -> dict[str, str]:
    """{group: name} as Keras notes them."""
    return {**{f"{each.group}/vars": each.keys[-1] for each in placed(model)}, "vars": model_name}
