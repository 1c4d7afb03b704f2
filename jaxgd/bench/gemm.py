"""The best rate of matrix products that this machine gives, measured on the spot: the physical reference.

A program for `serving.py` as well, so that it is measured between the peers' rounds.
"""

import statistics
import time
from collections.abc import Callable, Sequence
from functools import partial
from itertools import product
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

_SQUARE = 1536
_REPEATED_SECONDS = 0.01
_LARGE = 10**7
_COPIES = 4
"""Left operands taken in turn, so that no product can be moved out of the loop."""

Timed = Callable[[], float]


def square_rate(size: int = _SQUARE, repeats: int = 3) -> float:
    """Floating-point operations a second of one large product of float32 matrices: the best of JAX and NumPy.

    Args:
      size: rows and columns.
      repeats: measurements, of which the fastest counts.
    """
    a = np.random.default_rng(0).standard_normal((size, size), dtype=np.float32)
    on_device, out = jnp.asarray(a), np.empty_like(a)
    multiply = jax.jit(partial(jnp.matmul, precision="highest"))
    ways: tuple[Callable[[], Any], ...] = (
        lambda: jax.block_until_ready(multiply(on_device, on_device)),
        lambda: np.matmul(a, a, out=out),
    )
    seconds = [_clock(way) for way in ways for _ in range(repeats + 1)]
    return 2 * size**3 / min(seconds)


def best_product(m: int, k: int, n: int) -> tuple[str, Timed]:
    """The fastest way to multiply [m, k] by [k, n], by name, and a function that times it once more.

    Tried are JAX inside a compiled loop, with each operand and the result as they are or transposed in
    memory, and NumPy. Large products are packed before they are multiplied: one form of them is tried.
    """
    forms = product((False, True), repeat=3) if m * k * n < _LARGE else [(False, False, False)]
    ways = {f"JAX{_shown(*form)}": _jax_product(m, k, n, *form) for form in forms}
    ways["NumPy"] = _numpy_product(m, k, n)
    seconds = {name: min(time_once() for _ in range(3)) for name, time_once in ways.items()}
    best = min(seconds, key=lambda name: seconds[name])
    return best, ways[best]


def _shown(a: bool, b: bool, c: bool) -> str:
    transposed = [name for name, is_so in (("left", a), ("right", b), ("result", c)) if is_so]
    return f", {' and '.join(transposed)} transposed" if transposed else ""


def _jax_product(m: int, k: int, n: int, a_is_t: bool, b_is_t: bool, c_is_t: bool) -> Timed:
    rng = np.random.default_rng(0)
    a = jnp.asarray(rng.standard_normal((_COPIES, *((k, m) if a_is_t else (m, k))), dtype=np.float32))
    b = jnp.asarray(rng.standard_normal((n, k) if b_is_t else (k, n), dtype=np.float32))
    axes = (0 if a_is_t else 1, 1 if b_is_t else 0)

    def one(a: jax.Array) -> jax.Array:
        left, right = (b, a) if c_is_t else (a, b)
        contracted = axes[::-1] if c_is_t else axes
        dimensions = (((contracted[0],), (contracted[1],)), ((), ()))
        return jax.lax.dot_general(left, right, dimensions, precision=jax.lax.Precision.HIGHEST)

    @jax.jit
    def repeated(times: jax.Array) -> jax.Array:
        body: Any = lambda i, _: one(jax.lax.dynamic_index_in_dim(a, i % _COPIES, keepdims=False))  # noqa: E731
        return jax.lax.fori_loop(0, times, body, one(a[0]))

    times = _times(m, k, n)
    jax.block_until_ready(repeated(times))
    return lambda: _clock(lambda: jax.block_until_ready(repeated(times))) / times


def _numpy_product(m: int, k: int, n: int) -> Timed:
    rng = np.random.default_rng(0)
    a, b = (rng.standard_normal(shape, dtype=np.float32) for shape in ((m, k), (k, n)))
    out, times = np.empty((m, n), np.float32), _times(m, k, n)

    def repeated() -> None:
        for _ in range(times):
            np.matmul(a, b, out=out)

    return lambda: _clock(repeated) / times


def _times(m: int, k: int, n: int) -> int:
    """So often that a loop takes about as long as it should at 100 GFLOP/s."""
    return max(1, min(2000, int(_REPEATED_SECONDS * 1e11 / (2 * m * k * n))))


def _clock(call: Callable[[], Any]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


class Gemm:
    """The products of one step of a network, each alone, and the large square."""

    def __init__(self, case: Any) -> None:
        shapes = _products(case.sizes, case.batch)
        found = {shape: best_product(*shape) for shape in dict.fromkeys(shapes)}
        self.products = [(shape, *found[shape]) for shape in shapes]

    def reset(self) -> None:
        """Nothing is kept from round to round."""

    def run(self, units: int) -> dict[str, Any]:
        """Seconds of all products together, each the median of three."""
        seconds = [statistics.median(time_once() for _ in range(3)) for _, _, time_once in self.products]
        each = [
            {"m": m, "k": k, "n": n, "way": way, "seconds": spent}
            for ((m, k, n), way, _), spent in zip(self.products, seconds, strict=True)
        ]
        return {"seconds": sum(seconds), "products": each, "square_rate": square_rate(repeats=1)}


def _products(sizes: Sequence[int], batch: int) -> tuple[tuple[int, int, int], ...]:
    from jaxgd.bench.workloads import products_of

    return products_of(sizes, batch)


def versions() -> dict[str, str]:
    """Of what is measured with."""
    return {"jax": jax.__version__, "numpy": np.__version__}


PEERS = {"matrix products": Gemm}
