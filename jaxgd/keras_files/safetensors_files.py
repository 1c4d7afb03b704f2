"""Weights from and to `.safetensors`, named "layer/leaf", by the library of that name."""

import os
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import safetensors
from safetensors import numpy as arrays

from jaxgd._param_shapes import param_shapes
from jaxgd._types import Params
from jaxgd.keras_files.errors import KerasFileError, shown
from jaxgd.keras_files.weights import check_size, named_leaves
from jaxgd.model_base import Model

_MAX_HEADER = 2**20
_DTYPES = ("BF16", "F16", "F32", "F64", "I32", "I64")


def dumps(params: Params) -> bytes:
    """The bytes of a file with every parameter, in its own dtype."""
    return arrays.save({name: np.asarray(value, order="C") for name, value in named_leaves(params).items()})


def read(path: str | os.PathLike[str], model: Model, max_bytes: int) -> Params:
    """The parameters of a model.

    Raises:
      KerasFileError: a damaged file, or one whose arrays are not the model's.
    """
    _check_header(path)
    shapes = param_shapes(model)
    check_size(shapes, max_bytes)
    expected = named_leaves(shapes)
    try:
        with safetensors.safe_open(path, framework="numpy") as file:
            _check(file, expected)
            found = [jnp.asarray(file.get_tensor(name), leaf.dtype) for name, leaf in expected.items()]
            params = jax.tree.unflatten(jax.tree.structure(shapes), found)
            return {name: params[name] for name in model.names if name in params}
    except (safetensors.SafetensorError, TypeError, KeyError, AttributeError) as error:
        raise KerasFileError(f"damaged weights ({error}).") from error


def _check_header(path: str | os.PathLike[str]) -> None:
    """Raises for a header that would take much memory: the library reads it in one piece."""
    with open(path, "rb") as file:
        size = int.from_bytes(file.read(8), "little")
    if size > _MAX_HEADER:
        raise KerasFileError(f"a header of {size:,} bytes, more than {_MAX_HEADER:,}.")


def _check(file: Any, expected: Mapping[str, Any]) -> None:
    found = set(file.keys())
    missing, extra = sorted(expected.keys() - found), sorted(found - expected.keys())
    if missing or extra:
        raise KerasFileError(f"the weights: missing {shown(missing)}, unexpected {shown(extra)}.")
    for name, leaf in expected.items():
        declared = file.get_slice(name)
        if tuple(declared.get_shape()) != leaf.shape:
            got = declared.get_shape()
            raise KerasFileError(f"{shown(name)}: expected shape {list(leaf.shape)}, got {shown(got)}.")
        if declared.get_dtype() not in _DTYPES:
            raise KerasFileError(f"{shown(name)}: expected real numbers, got {declared.get_dtype()}.")
