"""The order of events in one update, the same for every rule, as Keras has it.

unscale -> accumulate -> clip -> decay -> update -> average -> overwrite -> constrain -> count

A rule is static: which events happen, never with which numbers. All numbers come from the state.
"""

from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, NamedTuple

import jax.numpy as jnp
from jax import lax

from jaxgd._types import Array, PyTree
from jaxgd.optimizers._arithmetic import divide_by_shared, mix, opaque_zero, rounded
from jaxgd.optimizers._clipping import clip
from jaxgd.optimizers._definition import RuleDefinition, Slots
from jaxgd.optimizers._leaves import Leaves, replaced, select, zeros_like
from jaxgd.optimizers._state import OptimizerState


class Work(NamedTuple):
    """What one update reads and writes, for the active leaves only."""

    moved: list[Array]
    slots: list[Slots]
    shared: dict[str, Any]
    accumulator: list[Array] | None


@dataclass(frozen=True, kw_only=True)
class Rule(RuleDefinition):
    """The static side of an optimizer: equal rules share one compiled program."""

    def scale_loss(self, loss: Array, state: OptimizerState) -> Array:
        """The loss whose gradients `apply` expects."""
        if not self.scales_loss:
            return loss
        return loss * state.hyperparameters["loss_scale_factor"].astype(loss.dtype)

    def finalize(self, params: PyTree, state: OptimizerState) -> PyTree:
        """The parameters at the end of a training: the average, with `use_ema`."""
        if not self.averages:
            return params
        leaves = Leaves.of(params)
        pairs = zip(leaves.flatten(params), leaves.flatten(state.average), strict=True)
        return leaves.unflatten([value if average is None else average for value, average in pairs])

    def apply(
        self,
        grads: PyTree,
        state: OptimizerState,
        params: PyTree,
        constrain: Callable[[PyTree], PyTree] | None = None,
    ) -> tuple[PyTree, OptimizerState]:
        """One update, in Keras's arithmetic and order.

        Args:
          grads: like `params`; None for a parameter without a gradient, which is then left as it is.
          state: from `init` or the update before.
          params: nested mappings of arrays. Statistics among them are left alone.
          constrain: applied to the new parameters last, after the averaging.

        Returns:
          The new parameters and the new state.
        """
        leaves = Leaves.of(params)
        values = leaves.flatten(params)
        gradients = leaves.flatten(grads)
        active = leaves.active(gradients)
        moved, state = self._advance(leaves, active, gradients, state, values, as_delta=False)
        values, state = self._average(leaves, replaced(values, active, moved), state)
        new_params = leaves.unflatten(values)
        if constrain is not None:
            new_params = constrain(new_params)
        return new_params, state._replace(count=state.count + 1)

    def update(
        self, grads: PyTree, state: OptimizerState, params: PyTree | None
    ) -> tuple[PyTree, OptimizerState]:
        """optax's form of `apply`: what has to be added to the parameters.

        The exact increment where the rule is additive and nothing else touches the parameters (then `params`
        may be None, unless the rule reads them); else the difference of new and old.
        """
        plain = self.additive and not (self.decays or self.overwrites or self.has_own_decay())
        if params is None and (self.reads_params or self.averages or not plain):
            raise ValueError(f"params: {self.class_name} with these options needs the parameters, got None.")
        leaves = Leaves.of(grads if params is None else params)
        gradients = leaves.flatten(grads)
        values = gradients if params is None else leaves.flatten(params)
        active = leaves.active(gradients)
        moved, state = self._advance(leaves, active, gradients, state, values, as_delta=plain)
        deltas = replaced(zeros_like(gradients), active, moved)
        if plain:
            moved = [values[i] + deltas[i] for i in active] if self.averages else moved
        new_values, state = self._average(leaves, replaced(values, active, moved), state)
        if not plain:
            deltas = _differences(gradients, new_values, values)
        return leaves.unflatten(deltas), state._replace(count=state.count + 1)

    def _advance(
        self,
        leaves: Leaves,
        active: list[int],
        grads: list[Any],
        state: OptimizerState,
        values: list[Any],
        as_delta: bool,
    ) -> tuple[list[Array], OptimizerState]:
        """Everything up to the averaging, on the active leaves. Returns what moved, and the state."""
        slots = {name: leaves.flatten(tree) for name, tree in state.slots.items()}
        sums = leaves.flatten(state.accumulator) if self.accumulates else []
        work = Work(
            moved=select(active, values),
            slots=[{name: column[i] for name, column in slots.items()} for i in active],
            shared=state.shared,
            accumulator=select(active, sums) if self.accumulates else None,
        )
        paths = [leaves.paths[i] for i in active]
        gradients = [grads[i].astype(values[i].dtype) for i in active]
        gradients = self._unscale(gradients, state)
        work = self._accumulate(paths, gradients, work, state, as_delta)
        new_slots = {
            name: leaves.unflatten(replaced(column, active, [leaf[name] for leaf in work.slots]))
            for name, column in slots.items()
        }
        if work.accumulator is not None:
            state = state._replace(accumulator=leaves.unflatten(replaced(sums, active, work.accumulator)))
        return work.moved, state._replace(slots=new_slots, shared=work.shared)

    def _unscale(self, grads: list[Array], state: OptimizerState) -> list[Array]:
        if not self.scales_loss:
            return grads
        factor = state.hyperparameters["loss_scale_factor"]
        return [divide_by_shared(grad, factor.astype(grad.dtype)) for grad in grads]

    def _accumulate(
        self, paths: list[str], grads: list[Array], work: Work, state: OptimizerState, as_delta: bool
    ) -> Work:
        """Updates at once, or only when enough gradients were summed."""
        if work.accumulator is None:
            return self._update(paths, grads, work, state, as_delta)
        sums = [grad + total for grad, total in zip(grads, work.accumulator, strict=True)]
        num_steps = state.hyperparameters["gradient_accumulation_steps"]

        def release() -> Work:
            means = [divide_by_shared(total, num_steps.astype(total.dtype)) for total in sums]
            done = self._update(paths, means, work, state, as_delta)
            return done._replace(accumulator=zeros_like(sums))

        def collect() -> Work:
            return work._replace(accumulator=sums, moved=zeros_like(work.moved) if as_delta else work.moved)

        return lax.cond((state.count + 1) % num_steps == 0, release, collect)

    def _update(
        self, paths: list[str], grads: list[Array], work: Work, state: OptimizerState, as_delta: bool
    ) -> Work:
        """Clips, decays, and applies the rule to every leaf."""
        grads = clip(self.clipping, grads, state.hyperparameters)
        n, shared = self._numbers(state, jnp.result_type(*work.moved))
        per_dtype: dict[Any, SimpleNamespace] = {}
        moved, slots = [], []
        for path, grad, value, old_slots in zip(paths, grads, work.moved, work.slots, strict=True):
            local = per_dtype.setdefault(value.dtype, _in_dtype(n, value.dtype))
            value = self._decayed(path, value, local)
            change, new_slots = self.leaf(local, grad.astype(value.dtype), value, old_slots)
            moved.append(value + change if self.additive and not as_delta else change)
            slots.append(new_slots)
        return work._replace(moved=moved, slots=slots, shared={**work.shared, **shared})

    def _numbers(self, state: OptimizerState, dtype: Any) -> tuple[SimpleNamespace, dict[str, Any]]:
        """All scalars of this step: hyperparameters, the rate, the step from 1 on, and the rule's own."""
        n = _in_dtype(SimpleNamespace(**state.hyperparameters), dtype)
        n.learning_rate = self.learning_rate(state).astype(dtype)
        n.step = (self._updates_so_far(state) + 1).astype(dtype)
        n.zero = opaque_zero(n.step)
        scalars, shared = self.per_step(n, state.shared)
        vars(n).update(scalars)
        return n, shared

    def _updates_so_far(self, state: OptimizerState) -> Array:
        if not self.accumulates:
            return state.count
        return state.count // state.hyperparameters["gradient_accumulation_steps"]

    def _decayed(self, path: str, value: Array, n: SimpleNamespace) -> Array:
        decay = self.decay_of(path, value, n)
        return value if decay is None else value - rounded(value * decay * n.learning_rate, n.zero)

    def _average(
        self, leaves: Leaves, values: list[Any], state: OptimizerState
    ) -> tuple[list[Any], OptimizerState]:
        """The moving average of the trained parameters, and now and then the parameters overwritten by it."""
        if not self.averages:
            return values, state
        count = self._updates_so_far(state)
        keep = jnp.where(count == 0, 0, state.hyperparameters["ema_momentum"])
        scalars = keep, 1 - keep, opaque_zero(count).astype(keep.dtype)
        averages = [
            None if average is None else mix(average, value, *[x.astype(value.dtype) for x in scalars])
            for average, value in zip(leaves.flatten(state.average), values, strict=True)
        ]
        if self.overwrites:
            due = (count + 1) % state.hyperparameters["ema_overwrite_frequency"] == 0
            values = [
                value if average is None else jnp.where(due, average, value)
                for average, value in zip(averages, values, strict=True)
            ]
        return values, state._replace(average=leaves.unflatten(averages))


def _differences(grads: list[Any], new: list[Any], old: list[Any]) -> list[Any]:
    """New minus old, None where there was no gradient."""
    return [None if g is None else n - o for g, n, o in zip(grads, new, old, strict=True)]


def _in_dtype(n: SimpleNamespace, dtype: Any) -> SimpleNamespace:
    """The same scalars for a parameter of another dtype; counts and schedules stay what they are."""

    def cast(value: Any) -> Any:
        is_number = hasattr(value, "dtype") and jnp.issubdtype(value.dtype, jnp.inexact)
        return value.astype(dtype) if is_number else value

    return SimpleNamespace(**{name: cast(value) for name, value in vars(n).items()})
