"""Which dtype parameters are kept in, and which dtype the products are computed in."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxgd._checks import unknown_name


class Policy(NamedTuple):
    """A pair of dtypes: of the parameters, and of the computation."""

    params: jnp.dtype
    compute: jnp.dtype


_COMPUTE = {
    "float32": ("float32", "float32"),
    "float64": ("float64", "float64"),
    "mixed_bfloat16": ("float32", "bfloat16"),
    "mixed_float16": ("float32", "float16"),
}


def get(name: str) -> Policy:
    """The dtypes behind a policy's name, which is Keras's.

    Raises:
      ValueError: unknown name, or float64 while JAX has 64-bit types switched off.
    """
    if name in ("bfloat16", "float16"):
        raise ValueError(f"dtype: {name!r} parameters lose small updates; use 'mixed_{name}'.")
    if name not in _COMPUTE:
        raise unknown_name("dtype", name, _COMPUTE)
    if name == "float64" and not jax.config.read("jax_enable_x64"):
        raise ValueError("dtype: 'float64' needs jax.config.update('jax_enable_x64', True) first.")
    params, compute = _COMPUTE[name]
    return Policy(jnp.dtype(params), jnp.dtype(compute))
