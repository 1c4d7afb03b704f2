"""The one program of a `fit`: epochs, steps, validation, early stopping and history.

It is called for a chunk of the run at a time; how far a chunk goes is a traced number, so that all chunks of
all runs of one shape are the same executable.
"""

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, NamedTuple

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np

from jaxgd._checks import wrong
from jaxgd._types import Array, PyTree
from jaxgd.optimizers._scaling import slots_of
from jaxgd.training import early_stopping
from jaxgd.training.batching import epoch_batches
from jaxgd.training.evaluation import Summed, add_batch, close, evaluate_batches, fetch
from jaxgd.training.finite import all_finite
from jaxgd.training.objective import Objective
from jaxgd.training.placed_rows import Data, Rows, num_rows_of
from jaxgd.training.state import TrainState
from jaxgd.training.step import Step


@dataclass(frozen=True)
class RunSpec:
    """What the program depends on: structure only, no number that a user varies."""

    model: Any
    """The model's pytree structure."""
    loss: Any
    metrics: tuple[Any, ...]
    weighted_metrics: tuple[Any, ...]
    rule: Any
    batch_size: int
    validation_batch_size: int
    early_stopping: early_stopping.Rule | None
    capacity: int
    """Epochs whose history one call can hold."""


@flax.struct.dataclass
class RunState:
    """Where a run stands; a pytree. Enough to go on from, in the middle of an epoch too."""

    train: TrainState
    sums: PyTree
    """Of the epoch so far."""
    epoch: Array
    batch: Array
    """Batches of this epoch that were taken."""
    stopping: early_stopping.Progress | None
    finite: Array
    """False once a step's loss was not finite (that step is the last one taken), or the last parameters or
    slots."""


class Limits(NamedTuple):
    """How far one call goes; all int32 scalars."""

    epoch: Array
    """No epoch from this one on."""
    step: Array
    """No step from this one on."""
    stopping: early_stopping.Numbers | None


class _Carry(NamedTuple):
    state: RunState
    history: dict[str, Array]
    filled: Array


def zero_sums(objective: Objective, params: PyTree, data: Data, batch_size: int) -> PyTree:
    """The sums of an epoch before its first batch; the objective is that of validation."""

    leaves, structure = jax.tree.flatten(
        jax.tree.map(_shape_of, (params, data if isinstance(data, Rows) else dict(data)))
    )
    shapes = _shapes_of_sums(objective, batch_size, structure, tuple(leaves))
    return jax.device_put(jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), shapes))


@lru_cache(maxsize=64)
def _shapes_of_sums(objective: Objective, batch_size: int, structure: Any, leaves: tuple[Any, ...]) -> PyTree:
    def one_batch(params: PyTree, data: Data) -> PyTree:
        batch = fetch(data, jnp.zeros(batch_size, jnp.int32), padded=False)
        loss, aux = objective(params, batch)
        return add_batch(None, loss, objective.rows(batch), aux.record)

    return jax.eval_shape(one_batch, *jax.tree.unflatten(structure, leaves))


def _shape_of(leaf: Any) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(jnp.shape(leaf), jnp.result_type(leaf))


def run_chunk(
    spec: RunSpec,
    scalars: list[Array],
    state: RunState,
    data: Data,
    validation: Data | Summed | None,
    order: Any,
    limits: Limits,
) -> tuple[RunState, dict[str, Array], Array]:
    """Go on from `state` until a limit, early stopping or a loss that is not finite.

    Returns: the new state; {column: [capacity, ...]} of history; how many epochs of it are filled.
    """
    model = jax.tree.unflatten(spec.model, scalars)
    objective = Objective(model, spec.loss, spec.metrics, spec.weighted_metrics)
    step = Step(objective, spec.rule)
    num_rows = num_rows_of(data)

    def results(state: RunState) -> dict[str, Array]:
        values = close(objective, state.sums)
        if validation is None:
            return values
        if isinstance(validation, Summed):
            of_validation = close(objective, validation.sums)
        else:
            of_validation = evaluate_batches(
                objective.at_inference(), state.train.params, validation, spec.validation_batch_size
            )
        return values | {f"val_{name}": value for name, value in of_validation.items()}

    def goes_on(carry: _Carry) -> Array:
        state = carry.state
        going = (state.epoch < limits.epoch) & state.finite & (state.train.step < limits.step)
        return going if state.stopping is None else going & ~state.stopping.stopped

    def one_epoch(carry: _Carry) -> _Carry:
        state = carry.state
        batches = epoch_batches(order, state.epoch, num_rows, spec.batch_size)

        def more(state: RunState) -> Array:
            return (state.batch < batches.steps) & state.finite & (state.train.step < limits.step)

        def one_step(state: RunState) -> RunState:
            batch = fetch(data, batches.rows(state.batch), batches.padded)
            train, loss, record = step(state.train, batch)
            sums = add_batch(state.sums, loss, objective.rows(batch), record)
            return replace(state, train=train, sums=sums, batch=state.batch + 1, finite=jnp.isfinite(loss))

        state = jax.lax.while_loop(more, one_step, state)
        finished = (state.batch == batches.steps) & state.finite
        return jax.lax.cond(finished, end_epoch, lambda carry: carry, carry._replace(state=state))

    def end_epoch(carry: _Carry) -> _Carry:
        values = results(carry.state)
        history = {name: put_row(carry.history[name], value, carry.filled) for name, value in values.items()}
        state = after_epoch(spec, carry.state, values, limits)
        return _Carry(state, history, carry.filled + 1)

    shapes = jax.eval_shape(results, state)
    empty = {k: jnp.zeros((spec.capacity, *v.shape), v.dtype) for k, v in shapes.items()}
    state, history, filled = jax.lax.while_loop(goes_on, one_epoch, _Carry(state, empty, jnp.int32(0)))
    # The last update has no loss after it; and a slot may overflow that only freezes its parameter.
    finite = state.finite & all_finite((state.train.params, slots_of(state.train.opt_state)))
    return replace(state, finite=finite), history, filled


def put_row(rows: Array, row: Array, place: Array) -> Array:
    """`rows` with one of them replaced; `at[place].set` would be a scatter, which no single kernel has."""
    return jax.lax.dynamic_update_index_in_dim(rows, row, place, axis=0)


def after_epoch(spec: RunSpec, state: RunState, values: dict[str, Array], limits: Limits) -> RunState:
    """The state at the start of the next epoch, early stopping brought up to date."""
    stopping = state.stopping
    if spec.early_stopping is not None and stopping is not None and limits.stopping is not None:
        monitor = spec.early_stopping.monitor
        current = values[monitor]
        if current.ndim:
            raise wrong("early_stopping", monitor, "a monitor with one number an epoch")
        stopping = spec.early_stopping.update(
            stopping, current, state.epoch, state.train.params, limits.stopping
        )
    return replace(
        state,
        sums=jax.tree.map(jnp.zeros_like, state.sums),
        epoch=state.epoch + 1,
        batch=jnp.zeros_like(state.batch),
        stopping=stopping,
    )
