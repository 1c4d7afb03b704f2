"""The types that every module shares. Nothing here computes."""

from collections.abc import Mapping
from typing import Any, TypeAlias

import jax

Array: TypeAlias = jax.Array
Scalar: TypeAlias = jax.Array | float
Shape: TypeAlias = tuple[int, ...]
PyTree: TypeAlias = Any
Params: TypeAlias = Mapping[str, Mapping[str, Any]]
"""{layer name: {leaf name: array}}; a nested model is one level deeper."""
