"""Small programs as a single kernel of the CPU, in which an operation costs nothing but its arithmetic.

XLA runs a program on a CPU kernel by kernel, and starting one takes about as long as a few hundred
multiplications. A network of a few dozen units spends most of its time there. A call that carries the
attribute `xla_cpu_small_call` is compiled to one kernel instead, loops and all. Such a kernel uses one core
and knows only the operations of `_KNOWN`; a program that is too large for it, needs others, or is refused by
the compiler, is compiled as ever. The arithmetic is the same, to rounding.

It is an experiment, on only with JAXGD_ONE_KERNEL=1 in the environment: some programs (a run over one row is
one) fail a check inside XLA 0.10.2 that ends the process, which no caller can catch.
"""

import math
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.experimental.xla_metadata import set_xla_metadata
from jax.extend.core import ClosedJaxpr, Jaxpr, Var

from jaxgd._types import PyTree

OPTIONS = {"xla_cpu_experimental_ynn_fusion_type": "", "xla_cpu_multi_thread_eigen": False}
"""Matrix products of a few rows and columns are written out in the kernel, and call no library."""

LARGEST_PRODUCT = 65_536
"""Multiplications up to which a product written out beats a call, if neither operand is transposed."""
_LARGEST_TRANSPOSED = 16_384
"""The same for other products, which are slower there."""
_LARGEST_ARRAY = 65_536
"""Entries up to which an array that a program computes is not worth two cores."""
_ATTRIBUTES = {"inlineable": "false", "xla_cpu_small_call": "true"}
_KNOWN = frozenset(
    word
    for line in (
        "abs add add_any clamp div integer_pow max min mul mulhi neg pow rem sign square sub",
        "ceil cos erf erfc exp exp2 expm1 floor is_finite log log1p logistic round rsqrt sin sqrt tanh",
        "and eq ge gt le lt ne not or select_n shift_left shift_right_logical xor",
        "bitcast_convert_type broadcast_in_dim concatenate convert_element_type copy iota pad reshape",
        "dynamic_slice dynamic_update_slice gather slice squeeze stack transpose",
        "argmax argmin dot_general reduce_and reduce_max reduce_min reduce_or reduce_sum",
        "cond custom_jvp_call custom_vjp_call jit optimization_barrier scan stop_gradient while",
    )
    for word in line.split()
)
_COPY = "optimization_barrier"
_tracing = threading.local()


def is_small(batch_size: int, params: PyTree) -> bool:
    """Whether one kernel is worth trying: it is switched on, and all products of a batch are small.

    Args:
      batch_size: rows of a step.
      params: arrays, or anything that has their shapes.
    """
    if os.environ.get("JAXGD_ONE_KERNEL") != "1":
        return False
    shapes = [np.shape(leaf) for leaf in jax.tree.leaves(params)]
    largest = max((math.prod(shape) for shape in shapes if len(shape) > 1), default=0)
    return jax.default_backend() == "cpu" and batch_size * largest <= LARGEST_PRODUCT


def is_traced() -> bool:
    """Whether what is traced now shall become one kernel: products then stay as they are."""
    return getattr(_tracing, "on", False)


@contextmanager
def tracing() -> Iterator[None]:
    """What is traced inside shall become one kernel."""
    before, _tracing.on = is_traced(), True
    try:
        yield
    finally:
        _tracing.on = before


@cache
def as_one_kernel(function: Callable[..., PyTree]) -> Callable[..., PyTree]:
    """`function(static, *arguments)` as one call, marked to be one kernel."""

    def body(
        static: Any, *arguments: PyTree
    ) -> PyTree:  # not `function`: JAX keeps what it traced by identity
        return function(static, *arguments)

    inner = jax.jit(body, static_argnums=0)

    def call(static: Any, *arguments: PyTree) -> PyTree:
        results = inner(static, *arguments)
        return jax.tree.map(lambda leaf: set_xla_metadata(leaf, **_ATTRIBUTES), results)

    call.__name__ = function.__name__
    return call


def fits(program: ClosedJaxpr) -> bool:
    """Whether a traced program can be one kernel and gains from it: it loops over small, known operations."""
    operations = list(_operations(program.jaxpr))
    loops = any(each.equation.primitive.name in ("while", "scan") for each in operations)
    return loops and all(_is_small_and_known(each) for each in operations)


class _Operation(NamedTuple):
    equation: Any
    takes_copy: bool
    """Whether an operand is a copy that the compiler has to make."""


def _operations(jaxpr: Jaxpr) -> Iterator[_Operation]:
    copies = {out for each in jaxpr.eqns if each.primitive.name == _COPY for out in each.outvars}
    for equation in jaxpr.eqns:
        yield _Operation(equation, any(isinstance(v, Var) and v in copies for v in equation.invars))
        for value in equation.params.values():
            for inner in value if isinstance(value, tuple | list) else (value,):
                if isinstance(inner, ClosedJaxpr):
                    yield from _operations(inner.jaxpr)
                elif isinstance(inner, Jaxpr):
                    yield from _operations(inner)


def _is_small_and_known(operation: _Operation) -> bool:
    equation = operation.equation
    name = equation.primitive.name
    if name == "xla_metadata_value":
        return True
    results = [variable.aval for variable in equation.outvars]
    if name not in _KNOWN or not all(_is_plain(each) for each in results):
        return False
    if name == "dot_general":
        return _is_small_product(operation)
    return _carries(name) or all(each.size <= _LARGEST_ARRAY for each in results)


def _is_small_product(operation: _Operation) -> bool:
    """Whether XLA writes a product out in the kernel, and that is fast."""
    (left_axes, right_axes), (batch_axes, _) = operation.equation.params["dimension_numbers"]
    left, right = (variable.aval for variable in operation.equation.invars)
    if batch_axes or left.ndim != 2 or right.ndim != 2:
        return False
    k = left.shape[left_axes[0]]
    m, n = left.size // k, right.size // k
    stands = (left_axes, right_axes) == ((1,), (0,))
    is_fast = (stands or operation.takes_copy) and (is_narrow(m, k, n) or is_narrow(n, k, m))
    return m * k * n <= (LARGEST_PRODUCT if is_fast else _LARGEST_TRANSPOSED)


def is_narrow(m: int, k: int, n: int) -> bool:
    """Whether XLA writes out [m, k] @ [k, n]."""
    return k <= 128 and ((m <= 32 and n <= 128) or (m <= 128 and n <= 32))


def _carries(name: str) -> bool:
    """Whether an operation hands arrays on that others computed, or updates them in place."""
    return name in (
        "while",
        "scan",
        "cond",
        "jit",
        "dynamic_update_slice",
        "custom_jvp_call",
        "custom_vjp_call",
    )


def _is_plain(aval: Any) -> bool:
    """Whether XLA's kernels for single numbers know the type."""
    return getattr(aval, "dtype", None) in _DTYPES


_DTYPES = ("float32", "float64", "int32", "int64", "uint32", "uint64", "bool")
