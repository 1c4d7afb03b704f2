"""What a step costs on so many devices, forecast from the products of its layers.

A stand-in for the step is run for a moment on each number of devices: every kernel's product with a batch,
its gradients, one all-reduce of them, and a plain update. What optimizers, activations and metrics cost
is left out, and is the same on each device.
"""

import time
from collections.abc import Iterator, Sequence
from functools import lru_cache, partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jax.sharding import PartitionSpec

from jaxgd._types import Array
from jaxgd.scaling.layout import DATA, Layout

_SECONDS, _ROUNDS = 0.02, 3
_GAIN = 1.05
"""What several devices must be faster by to be worth it."""


class ScalingWarning(UserWarning):
    """More devices were asked for than are worth it."""


class Forecast(NamedTuple):
    """Seconds of a step by number of devices.

    >>> Forecast({1: 2e-5, 4: 9e-5}).best
    1
    """

    seconds: dict[int, float]

    @property
    def best(self) -> int:
        """The fewest devices that are about as fast as any."""
        fastest = min(self.seconds.values())
        return min(count for count, each in self.seconds.items() if each <= _GAIN * fastest)

    def __str__(self) -> str:
        return ", ".join(f"{each * 1e6:.3g} us on {count}" for count, each in self.seconds.items())


def forecast(kernels: Sequence[tuple[int, int]], batch_size: int, counts: Sequence[int]) -> Forecast:
    """Measure the stand-in of a step.

    Args:
      kernels: [fan_in, fan_out] of each layer.
      batch_size: rows of all devices together.
      counts: numbers of devices to look at.

    Raises:
      ValueError: more devices than there are.
    """
    programs = {count: _program(tuple(kernels), batch_size, count) for count in counts}
    rounds = [{count: min(_timed(*each)) for count, each in programs.items()} for _ in range(_ROUNDS)]
    return Forecast({count: min(each[count] for each in rounds) for count in counts})


def counts_up_to(count: int) -> list[int]:
    """1, 2, 4, ... and the number itself."""
    return sorted(
        {1, count, *(1 << i for i in range(count.bit_length()))} - set(range(count + 1, 2 * count + 2))
    )


@lru_cache(maxsize=16)
def _program(kernels: tuple[tuple[int, int], ...], batch_size: int, count: int) -> tuple[Any, ...]:
    layout = Layout(count)
    rows = -(-batch_size // count)
    params = layout.spread([jnp.full(shape, 0.01, jnp.float32) for shape in kernels])
    inputs = [jnp.full((rows * count, fan_in), 0.01, jnp.float32) for fan_in, _ in kernels]
    inputs = [jax.device_put(each, layout.by_rows) for each in inputs]
    program = jax.jit(partial(_steps, layout))
    run = program.lower(params, inputs, layout.spread(jnp.int32(1))).compile()
    return run, params, inputs, layout


def _timed(run: Any, params: Any, inputs: Any, layout: Layout) -> Iterator[float]:
    """Seconds a step of ever longer calls, until one has lasted long enough."""
    steps = 1
    while True:
        limit = layout.spread(jnp.int32(steps))
        started = time.perf_counter()
        jax.block_until_ready(run(params, inputs, limit))
        taken = time.perf_counter() - started
        if steps > 1 or taken > _SECONDS:
            yield taken / steps
        if taken > _SECONDS:
            return
        steps *= 4


def _steps(layout: Layout, params: list[Array], inputs: list[Array], steps: Array) -> list[Array]:
    specs = (PartitionSpec(), PartitionSpec(DATA), PartitionSpec())

    @partial(jax.shard_map, mesh=layout.mesh, in_specs=specs, out_specs=PartitionSpec(), check_vma=False)
    def run(params: list[Array], inputs: list[Array], steps: Array) -> list[Array]:
        def loss(params: list[Array], inputs: list[Array]) -> Array:
            squares = [jnp.square(x @ kernel).sum() for x, kernel in zip(inputs, params, strict=True)]
            return jnp.stack(squares).sum()

        def step(_: Array, carry: tuple[list[Array], list[Array]]) -> tuple[list[Array], list[Array]]:
            params, inputs = carry
            grads, passed_on = jax.grad(loss, (0, 1))(params, inputs)
            if layout.num_devices > 1:
                grads = lax.psum(grads, DATA)
            params = [kernel - 1e-6 * grad for kernel, grad in zip(params, grads, strict=True)]
            return params, [x - 1e-6 * dx for x, dx in zip(inputs, passed_on, strict=True)]

        return lax.fori_loop(0, steps, step, (params, inputs))[0]

    return run(params, inputs, steps)
