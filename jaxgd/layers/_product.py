"""The product of a batch and a kernel, in the form that is fastest for its size. Every form is the same sum.

Microseconds of one core for a training step (batch 32; a busy machine, least of five):

                                  5-10-1, SGD   64-32-10, Adam   64-128-64-10, Adam
    kernel by kernel, plain       2.95
    kernel by kernel, as chosen   1.03          14.0             61
    one kernel, plain             0.72          14.3
    one kernel, as chosen         0.58          9.7              53 (not chosen: it would use one core only)

What one kernel is, and when, stands in `_one_kernel`. On other devices the plain form is kept.
"""

import math
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import jax
import jax.numpy as jnp
from jax import lax

from jaxgd import _one_kernel
from jaxgd._types import Array

_LARGEST_SUMMED = 2048
"""Multiplications up to which XLA keeps the sum in registers; just above, it is ten times slower."""
_LARGEST_COPIED = 65_536
"""Numbers of an input whose transposed copy stays in a cache. Beyond, writing it costs more than the product
saves: 784-1024-1024-10 takes 85 ms of processor time a step of 1,024 rows with copies and 73 without."""

_tracing = threading.local()


@contextmanager
def turned_kernels() -> Iterator[None]:
    """Inside, what is traced keeps its kernels transposed, and wants their gradients so."""
    before, _tracing.turned = getattr(_tracing, "turned", False), True
    try:
        yield
    finally:
        _tracing.turned = before


def product(x: Array, kernel: Array, precision: str) -> Array:
    """x @ kernel.

    Args:
      x: [..., inputs].
      kernel: [inputs, outputs], of the same dtype.
      precision: of the products, where the device has several.
    """
    if x.ndim != 2 or jax.default_backend() != "cpu":
        return jnp.dot(x, kernel, precision=precision)
    if _one_kernel.is_traced():
        return (
            _one_output(x, kernel) if kernel.shape[1] == 1 else _transposed_once(x, kernel, precision, True)
        )
    if getattr(_tracing, "turned", False):  # of many members at once: no layer is too small for a product
        return _turned(x, kernel, precision)
    is_wide = x.dtype in (jnp.float32, jnp.float64)  # narrower ones are to be summed in float32
    if is_wide and len(x) * kernel.size <= _LARGEST_SUMMED:
        return _summed(x, kernel)
    if x.size > _LARGEST_COPIED:
        return jnp.dot(x, kernel, precision=precision)
    return _transposed_once(x, kernel, precision)


def are_summed(batch_size: int, shapes: list[tuple[int, ...]]) -> bool:
    """Whether the products of a batch with kernels of these shapes are all sums in one loop."""
    kernels = [math.prod(shape) for shape in shapes if len(shape) > 1]
    return jax.default_backend() == "cpu" and all(batch_size * size <= _LARGEST_SUMMED for size in kernels)


def _one_output(x: Array, kernel: Array) -> Array:
    """A sum for each row."""
    return (x * kernel[:, 0]).sum(axis=1, keepdims=True)


def _summed(x: Array, kernel: Array) -> Array:
    """Products and their sum in one loop over the rows: no call of a matrix kernel for a few numbers."""
    return (kernel.T[:, :, None] * x.T[None]).sum(axis=1).T


def _turned(x: Array, kernel: Array, precision: str) -> Array:
    """The plain form, whose gradient is the transpose of delta^T x, with a copy of delta^T."""

    @jax.custom_jvp
    def dot(x: Array, kernel: Array) -> Array:
        return jnp.dot(x, kernel, precision=precision)

    @dot.defjvp
    def tangent(primals: tuple[Array, Array], tangents: tuple[Array, Array]) -> tuple[Array, Array]:
        (x, kernel), (x_dot, kernel_dot) = primals, tangents
        by_kernel = lax.dot_general(kernel_dot.T, x, (((1,), (1,)), ((), ())), precision=precision)
        by_x = jnp.dot(x_dot, kernel, precision=precision)
        return dot(x, kernel), by_x + lax.optimization_barrier(by_kernel).T

    return dot(x, kernel)


def _transposed_once(x: Array, kernel: Array, precision: str, kernel_too: bool = False) -> Array:
    """The plain form, whose gradient x^T delta is taken from a transposed copy of x.

    XLA would fold the transposition into the product, and its kernel for that takes half as long again. Where
    products are written out only as they stand, delta kernel^T is taken from a copy too.
    """

    @jax.custom_jvp
    def dot(x: Array, kernel: Array) -> Array:
        return jnp.dot(x, kernel, precision=precision)

    def by_x(x_dot: Array, kernel: Array) -> Array:
        if not kernel_too:
            return jnp.dot(x_dot, kernel, precision=precision)
        copied = lax.optimization_barrier(kernel.T)
        return lax.dot_general(x_dot, copied, (((1,), (1,)), ((), ())), precision=precision)

    @dot.defjvp
    def tangent(primals: tuple[Array, Array], tangents: tuple[Array, Array]) -> tuple[Array, Array]:
        (x, kernel), (x_dot, kernel_dot) = primals, tangents
        rows_last = lax.optimization_barrier(x.T)
        by_kernel = lax.dot_general(rows_last, kernel_dot, (((0,), (0,)), ((), ())), precision=precision)
        return dot(x, kernel), by_x(x_dot, kernel) + by_kernel

    return dot(x, kernel)
