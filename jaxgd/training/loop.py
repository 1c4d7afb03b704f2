"""`train`: any step over a schedule of rows, as one compiled program."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jax.extend.core import get_opaque_trace_state

from jaxgd import _one_kernel
from jaxgd._programs import IN_ORDER, compiled, in_order
from jaxgd._types import Array, PyTree
from jaxgd.training.batching import take
from jaxgd.training.state import TrainState
from jaxgd.training.step import Step


def train(step: Step, state: TrainState, data: PyTree, schedule: Any) -> tuple[TrainState, dict[str, Any]]:
    """Take `step` once for each row of `schedule`, in one compiled program.

    Args:
      step: from `make_step`.
      state: from `TrainState.create`; its buffers are donated, use the returned one afterwards.
      data: a pytree of arrays that share their first axis, the rows.
      schedule: int32[steps, batch] of row numbers (see `make_schedule`); -1 pads a short batch, which
        needs `data` to be a mapping: the batch then has a `row_mask`, which the objective
        must respect (that of `make_objective` does), else the padding counts as the first row.

    Returns: the new state, and the history: {"loss": [steps]} and, if the objective returns any, {"aux":
      its values stacked}. Nobody looks whether the numbers are finite: after a divergence they are NaN.
    Raises:
      ValueError: arrays of different lengths, a schedule that is not [steps, batch], or rows out of range.
    """
    num_rows = _common_length(data)
    if isinstance(schedule, Tracer):
        padded = isinstance(data, Mapping)  # its numbers are not known here
    else:
        padded = _check_schedule(schedule, num_rows)
    if padded and not isinstance(data, Mapping):
        raise ValueError("schedule: -1 needs data to be a mapping, so that the batch can hold a row_mask.")
    static, arguments = (step, padded), (state, data, jnp.asarray(schedule, jnp.int32))
    if _is_inside_a_transformation():  # which owns the buffers: there is nothing to donate
        return _run(static, *arguments)
    if _one_kernel.is_small(np.shape(schedule)[1], state.params):
        return compiled(_run, static, arguments, donate=(0,), small=True).call(*arguments)
    return in_order(lambda options: (_run_in_order if options else _run_donating)(static, *arguments))


def _run(
    static: tuple[Step, bool], state: TrainState, data: PyTree, schedule: Array
) -> tuple[TrainState, dict[str, Any]]:
    step, padded = static

    def body(state: TrainState, rows: Array) -> tuple[TrainState, dict[str, Any]]:
        batch = take(data, rows)
        if padded:
            batch = {**batch, "row_mask": rows >= 0}
        state, loss, record = step(state, batch)
        return state, {"loss": loss} if record is None else {"loss": loss, "aux": record}

    return jax.lax.scan(body, state, schedule)


_run_donating = jax.jit(_run, static_argnums=0, donate_argnums=1)
_run_in_order = jax.jit(_run, static_argnums=0, donate_argnums=1, compiler_options=IN_ORDER)


def _is_inside_a_transformation() -> bool:
    """Whether `jax.jit`, `jax.grad` or the like is at work: programs inside are not to be given options."""
    return get_opaque_trace_state(convention="nnx") != _outside()


@cache
def _outside() -> Any:
    """What a thread of its own sees, in which nothing else is at work."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(get_opaque_trace_state, "nnx").result()


def _common_length(data: PyTree) -> int:
    lengths = {np.shape(leaf)[0] if np.ndim(leaf) else -1 for leaf in jax.tree.leaves(data)}
    if len(lengths) != 1 or -1 in lengths:
        shapes = [list(np.shape(leaf)) for leaf in jax.tree.leaves(data)]
        raise ValueError(f"data: expected arrays that share their first axis, got shapes {shapes}.")
    return lengths.pop()


def _check_schedule(schedule: Any, num_rows: int) -> bool:
    """Whether any batch may be padded. Raises ValueError for a schedule that does not fit the data."""
    if np.ndim(schedule) != 2:
        raise ValueError(f"schedule: expected shape [steps, batch], got {list(np.shape(schedule))}.")
    rows = np.asarray(schedule)
    if rows.dtype.kind not in "iu":
        raise ValueError(f"schedule: expected integers, got {rows.dtype}.")
    if rows.size and (rows.min() < -1 or rows.max() >= num_rows):
        raise ValueError(
            f"schedule: expected rows in [-1, {num_rows - 1}], got [{rows.min()}, {rows.max()}]."
        )
    return bool((rows == -1).any())
