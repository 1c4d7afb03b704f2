"""Compiled programs, kept by what they depend on, and counted.

JAX's own cache does the same work, but does not tell how often it compiled and how long that took.
"""

import os
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, NamedTuple, TypeVar

import jax

from jaxgd import _one_kernel
from jaxgd._types import PyTree

T = TypeVar("T")

_CAPACITY = 128
_ORDER = "xla_cpu_scheduler_type"
IN_ORDER: dict[str, str | bool] = {_ORDER: "CPU_SCHEDULER_TYPE_MEMORY_OPTIMIZED"}
"""XLA starts operations that do not wait for one another side by side, which takes longer than those of a
small step do: 5-10-1 with Adam 5.4 us of two cores in place of 2.9 of one. Products still use all cores."""
_TRACED = ("jax_default_matmul_precision", "jax_default_prng_impl", "jax_numpy_dtype_promotion")
_programs: OrderedDict[Hashable, Callable[..., Any]] = OrderedDict()


class Compiled(NamedTuple):
    """An executable, and what it cost to have it."""

    call: Callable[..., Any]
    compilations: int
    """1 if it was compiled now, 0 if it was there."""
    seconds: float
    """Spent on tracing and compiling now."""


def compiled(
    function: Callable[..., Any],
    static: Hashable,
    arguments: tuple[PyTree, ...],
    donate: tuple[int, ...] = (),
    small: bool = False,
) -> Compiled:
    """`function(static, *arguments)` as an executable for arguments of these shapes and dtypes.

    Args:
      function: pure; its first argument is static.
      static: everything the program depends on besides its arguments; compared by value.
      arguments: pytrees of arrays.
      donate: positions in `arguments` whose buffers the program may overwrite.
      small: whether it may be worth a single kernel (see `_one_kernel`).
    """
    leaves, treedef = jax.tree.flatten(arguments)
    types = tuple(_type_of(leaf) for leaf in leaves)
    key = (function, static, treedef, types, donate, small, *_settings())
    if key in _programs:
        _programs.move_to_end(key)
        return Compiled(_programs[key], 0, 0.0)
    start = time.perf_counter()
    numbers = tuple(1 + i for i in donate)
    alone = _on_one_device(leaves)
    executable = _in_one_kernel(function, static, arguments, numbers) if small and alone else None
    if executable is None:
        jitted = jax.jit(function, static_argnums=0, donate_argnums=numbers)
        lowered = jitted.lower(static, *arguments)
        executable = in_order(lowered.compile) if alone else lowered.compile()
    _programs[key] = executable
    if len(_programs) > _CAPACITY:
        _programs.popitem(last=False)
    return Compiled(executable, 1, time.perf_counter() - start)


def in_order(call: Callable[[dict[str, str | bool] | None], T]) -> T:
    """What `call` gives for the compiler's options by which operations start in their order.

    They are None but on a CPU, where the user's XLA_FLAGS speak of it, or this version of XLA has no such.
    """
    if jax.default_backend() != "cpu" or _ORDER in os.environ.get("XLA_FLAGS", ""):
        return call(None)
    try:
        return call(IN_ORDER)
    except jax.errors.JaxRuntimeError as error:
        if "No such compile option" not in str(error):
            raise
        return call(None)


def _settings() -> tuple[Any, ...]:
    """Of JAX, on which a program depends; `jax.jit` minds them by itself."""
    return jax.config.read("jax_enable_x64"), *(getattr(jax.config, name) for name in _TRACED)


def _in_one_kernel(
    function: Callable[..., Any], static: Hashable, arguments: tuple[PyTree, ...], donated: tuple[int, ...]
) -> Callable[..., Any] | None:
    """The executable as one kernel; None if it does not fit, or this version of XLA does not know how."""
    with _one_kernel.tracing():
        whole = jax.jit(_one_kernel.as_one_kernel(function), static_argnums=0, donate_argnums=donated)
        traced = whole.trace(static, *arguments)
    if not _one_kernel.fits(traced.jaxpr):
        return None
    try:
        return traced.lower().compile(compiler_options=_one_kernel.OPTIONS)
    except jax.errors.JaxRuntimeError:
        return None


def _on_one_device(leaves: list[Any]) -> bool:
    shardings = [leaf.sharding for leaf in leaves if isinstance(leaf, jax.Array)]
    return all(len(each.device_set) == 1 for each in shardings)


def _type_of(leaf: Any) -> Hashable:
    return jax.typeof(leaf), getattr(leaf, "sharding", None)
