"""Memory that arrays use again: only once nobody, a device included, holds it any more."""

import gc
import time

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgd import _aligned
from jaxgd._aligned import aligned_empty, used_again

SHAPE = (1000, 64)


def address(array):
    return array.ctypes.data


def eventually(condition):
    """Whether it comes true; JAX lets go of what it holds a little later than its array ends."""
    end = time.monotonic() + 30
    while not condition() and time.monotonic() < end:
        gc.collect()
        time.sleep(0.01)
    return condition()


def test_memory_is_used_again_and_what_is_held_is_not():
    with used_again():
        first = aligned_empty(SHAPE, np.float32)
        held, second = address(first), aligned_empty(SHAPE, np.float32)
        assert address(second) != held
        row = first[5]
        del first
        assert address(aligned_empty(SHAPE, np.float32)) != held, "a view of it is still there"
        del row
        assert address(aligned_empty(SHAPE, np.float32)) == held
    assert _aligned._of_thread.rooms is None


def test_an_array_of_a_device_holds_what_it_took_over():
    with used_again():
        rows = aligned_empty(SHAPE, np.float32)
        rows[:] = 1.0
        place = address(rows)
        on_device = jax.device_put(rows)
        assert on_device.unsafe_buffer_pointer() == place, "taken over without a copy"
        del rows
        loop = jax.jit(lambda x: jax.lax.fori_loop(0, 300, lambda i, x: jnp.sin(x) + i, x))
        running = loop(on_device)
        del on_device
        for _ in range(3):  # while the program may still read it
            aligned_empty(SHAPE, np.float32)[:] = np.nan
        assert np.isfinite(running).all()
        assert eventually(lambda: address(aligned_empty(SHAPE, np.float32)) == place)


def test_no_more_is_kept_than_was_held_at_once():
    with used_again():
        for rows in (10, 1000, 3, 400, 10, 1000):
            held = [aligned_empty((rows, 64), np.float32) for _ in range(2)]
            assert len({address(each) for each in held}) == 2
            del held
        assert len(_aligned._of_thread.rooms._all) <= 4


@pytest.mark.parametrize("dtype", ["float32", "float64", "int32"])
def test_without_it_every_array_has_its_own_memory(dtype):
    first, second = (aligned_empty((3, 5), dtype) for _ in range(2))
    assert first.dtype == dtype
    assert address(first) % 64 == address(second) % 64 == 0
    assert not np.shares_memory(first, second)
