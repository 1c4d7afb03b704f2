"""The product of a batch and a kernel, in the form that is fastest for its size. Every form is the same sum.

On a CPU, per training step of three layers as wide as deep (microseconds of one core):

    batch x width       8 x 8   32 x 8   8 x 24   32 x 64
    plain               4.4     5.3      6.2      22.1
    summed              0.3     2.1      18.4     467
    transposed once     2.9     4.1      4.7      19.5

On other devices the plain form is kept.
"""

import jax
import jax.numpy as jnp
from jax import lax

from jaxgd._types import Array

_LARGEST_SUMMED = 2048
"""Multiplications up to which XLA keeps the sum in registers; just above, it is ten times slower."""


def product(x: Array, kernel: Array, precision: str) -> Array:
    """x @ kernel.

    Args:
      x: [..., inputs].
      kernel: [inputs, outputs], of the same dtype.
      precision: of the products, where the device has several.
    """
    if x.ndim != 2 or jax.default_backend() != "cpu":
        return jnp.dot(x, kernel, precision=precision)
    is_wide = x.dtype in (jnp.float32, jnp.float64)  # narrower ones are to be summed in float32
    if is_wide and len(x) * kernel.size <= _LARGEST_SUMMED:
        return _summed(x, kernel)
    return _transposed_once(x, kernel, precision)


def _summed(x: Array, kernel: Array) -> Array:
    """Products and their sum in one loop over the rows: no call of a matrix kernel for a few numbers."""
    return (kernel.T[:, :, None] * x.T[None]).sum(axis=1).T


def _transposed_once(x: Array, kernel: Array, precision: str) -> Array:
    """The plain form, whose gradient x^T delta is taken from a transposed copy of x.

    XLA would fold the transposition into the product, and its kernel for that takes half as long again.
    """

    @jax.custom_jvp
    def dot(x: Array, kernel: Array) -> Array:
        return jnp.dot(x, kernel, precision=precision)

    @dot.defjvp
    def tangent(primals: tuple[Array, Array], tangents: tuple[Array, Array]) -> tuple[Array, Array]:
        (x, kernel), (x_dot, kernel_dot) = primals, tangents
        rows_last = lax.optimization_barrier(x.T)
        by_kernel = lax.dot_general(rows_last, kernel_dot, (((0,), (0,)), ((), ())), precision=precision)
        return dot(x, kernel), jnp.dot(x_dot, kernel, precision=precision) + by_kernel

    return dot(x, kernel)
