"""Many members of a family in one program, all taking the same step at the same time (`vmap`)."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxgd._types import Array, PyTree
from jaxgd.layers import _product
from jaxgd.sweeps.turning import may_turn, turned, turned_step
from jaxgd.training.batching import Part, batches, steps_per_epoch
from jaxgd.training.evaluation import add_batch, close, evaluate_batches, fetch
from jaxgd.training.finite import all_finite
from jaxgd.training.objective import Objective
from jaxgd.training.run import Limits, RunSpec, RunState, after_epoch
from jaxgd.training.step import Step


class _Carry(NamedTuple):
    state: RunState
    history: dict[str, Array]
    filled: Array
    taken: Array


def run_lockstep(
    spec: RunSpec,
    scalars: list[Array],
    state: RunState,
    data: Mapping[str, Array],
    validation: Mapping[str, Array] | None,
    order: Any,
    limits: Limits,
    num_steps: Array,
) -> tuple[RunState, dict[str, Array], Array]:
    """Go on until a member has ended, or for `num_steps` steps.

    Members whose epochs are over already when the call begins are carried along and mean nothing. The others
    stand at the same batch of an epoch. A member that is not finite goes on until its epoch is over; the
    others do not notice.

    Args:
      spec: of the family; its capacity bounds the epochs of one call.
      scalars, state, order, limits: of the members, leaves [members, ...]; `limits.step` is not read.
      data, validation: of all of them.
      num_steps: int32 scalar.

    Returns: the new state; {column: [members, capacity, ...]} of history; int32 scalar, epochs filled.
    """
    program = _Program(spec, data, validation)
    alive = program.goes_on(state, limits)

    def more_epochs(carry: _Carry) -> Array:
        none_ended = (program.goes_on(carry.state, limits) | ~alive).all()
        return none_ended & alive.any() & (carry.taken < num_steps) & (carry.filled < spec.capacity)

    def one_epoch(carry: _Carry) -> _Carry:
        first = jnp.max(jnp.where(alive, carry.state.batch, 0))
        last = program.steps_per_epoch(order, alive)
        state, place, taken = program.steps(scalars, carry, order, first, last, num_steps)
        carry = carry._replace(state=state, taken=taken)
        return jax.lax.cond(place == last, end_epoch, lambda carry: carry, carry)

    def end_epoch(carry: _Carry) -> _Carry:
        values = jax.vmap(program.results)(scalars, carry.state)
        history = {name: carry.history[name].at[:, carry.filled].set(value) for name, value in values.items()}
        state = jax.vmap(program.next_epoch)(carry.state, values, limits)
        return _Carry(state, history, carry.filled + 1, carry.taken)

    shapes: PyTree = jax.eval_shape(jax.vmap(program.results), scalars, state)
    empty = {k: jnp.zeros((v.shape[0], spec.capacity, *v.shape[1:]), v.dtype) for k, v in shapes.items()}
    start = _Carry(state, empty, jnp.int32(0), jnp.int32(0))
    state, history, filled, _ = jax.lax.while_loop(more_epochs, one_epoch, start)
    finite = state.finite & jax.vmap(all_finite)(state.train.params)
    return replace(state, finite=finite), history, filled


class _Program(NamedTuple):
    """The parts of the program; those that say nothing of members are of one member."""

    spec: RunSpec
    data: Mapping[str, Array]
    validation: Mapping[str, Array] | None

    @property
    def num_rows(self) -> int:
        return self.data["x"].shape[0]

    def steps_per_epoch(self, order: Any, alive: Array) -> Any:
        """Of the members that are alive, which are of one table."""
        if not isinstance(order, Part):
            return steps_per_epoch(self.num_rows, self.spec.batch_size)
        return jnp.max(jnp.where(alive, order.steps(self.spec.batch_size), 0))

    def goes_on(self, state: RunState, limits: Limits) -> Array:
        """bool[members]."""
        going = (state.epoch < limits.epoch) & state.finite
        return going if state.stopping is None else going & ~state.stopping.stopped

    def steps(
        self, scalars: list[Array], carry: _Carry, order: Any, first: Array, last: Any, num_steps: Array
    ) -> tuple[RunState, Array, Array]:
        """All members from batch `first` to `last`, the end of the epoch, or until `num_steps` were taken."""
        schedule = jax.vmap(self._batches)(order, carry.state.epoch)
        padded = isinstance(order, Part) or self.num_rows % self.spec.batch_size != 0

        def more(walk: tuple[RunState, Array, Array]) -> Array:
            return (walk[1] < last) & (walk[2] < num_steps)

        def step(walk: tuple[RunState, Array, Array]) -> tuple[RunState, Array, Array]:
            state, place, taken = walk
            rows = jax.lax.dynamic_index_in_dim(schedule, place, axis=1, keepdims=False)
            moved = jax.vmap(partial(self._step, padded))(scalars, state, rows)
            return moved, place + 1, taken + 1

        if not self._turns(scalars):
            return jax.lax.while_loop(more, step, (carry.state, first, carry.taken))
        with _product.turned_kernels():
            start = replace(carry.state, train=turned(carry.state.train))
            state, place, taken = jax.lax.while_loop(more, step, (start, first, carry.taken))
        return replace(state, train=turned(state.train)), place, taken

    def results(self, scalars: list[Array], state: RunState) -> dict[str, Array]:
        """The columns of an epoch."""
        objective = self._objective(scalars)
        values = close(objective, state.sums)
        if self.validation is None:
            return values
        of_validation = evaluate_batches(
            objective.at_inference(), state.train.params, self.validation, self.spec.validation_batch_size
        )
        return values | {f"val_{name}": value for name, value in of_validation.items()}

    def next_epoch(self, state: RunState, values: dict[str, Array], limits: Limits) -> RunState:
        """The state at the start of the next epoch."""
        return after_epoch(self.spec, state, values, limits)

    def _turns(self, scalars: list[Array]) -> bool:
        return may_turn(self._objective(scalars).model, self.spec.rule)

    def _objective(self, scalars: list[Array]) -> Objective:
        model = jax.tree.unflatten(self.spec.model, scalars)
        return Objective(model, self.spec.loss, self.spec.metrics, self.spec.weighted_metrics)

    def _batches(self, order: Any, epoch: Array) -> Array:
        return batches(order.rows(epoch, self.num_rows), self.spec.batch_size)

    def _step(self, padded: bool, scalars: list[Array], state: RunState, rows: Array) -> RunState:
        objective = self._objective(scalars)
        batch = fetch(self.data, rows, padded=padded)
        make_step = turned_step if self._turns(scalars) else Step
        train, loss, record = make_step(objective, self.spec.rule)(state.train, batch)
        sums = add_batch(state.sums, loss, objective.rows(batch), record)
        finite = state.finite & jnp.isfinite(loss)
        return replace(state, train=train, sums=sums, batch=state.batch + 1, finite=finite)
