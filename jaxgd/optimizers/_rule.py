"""The part that all update rules share: Keras's order of events in one `apply(grads)`.

unscale -> accumulate -> clip -> decay -> update -> average -> overwrite -> constrain -> count

A rule is static: which events happen, never with which numbers. All numbers come from the state.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, ClassVar, NamedTuple, TypeAlias

import jax.numpy as jnp
from jax import lax

from jaxgd._types import Array, PyTree
from jaxgd.optimizers._arithmetic import Constants, as_arrays, cast_constant, mix, rounded
from jaxgd.optimizers._clipping import Clipping, clip
from jaxgd.optimizers._leaves import Leaves, replaced, select, zeros_like
from jaxgd.optimizers._state import OptimizerState

Cast: TypeAlias = Callable[[Any], Any]
Slots: TypeAlias = dict[str, Any]
UNIT = (0.0, 1.0)
NON_NEGATIVE = (0.0, float("inf"))
ANY = (-float("inf"), float("inf"))


class Work(NamedTuple):
    """What one update reads and writes, for the active leaves only."""

    moved: list[Array]
    slots: list[Slots]
    shared: dict[str, Any]
    accumulator: list[Array] | None


@dataclass(frozen=True, kw_only=True)
class Rule:
    """The static side of an optimizer: equal rules share one compiled program.

    Attributes:
      decays, clipping, averages, overwrites, scales_loss, accumulates: which common options are active.
      excluded: regular expressions; a parameter whose path "layer/leaf" contains a match is not decayed.
      constants: "keras" or "exact", see the package docstring.
      schedule_fn: a bare function step -> learning rate, or None.
    """

    class_name: ClassVar[str]
    numbers: ClassVar[Mapping[str, tuple[float, float]]] = {}
    options: ClassVar[tuple[str, ...]] = ()
    slot_names: ClassVar[tuple[str, ...]] = ()
    additive: ClassVar[bool] = True
    reads_params: ClassVar[bool] = False

    decays: bool = False
    clipping: Clipping | None = None
    averages: bool = False
    overwrites: bool = False
    scales_loss: bool = False
    accumulates: bool = False
    excluded: tuple[str, ...] = ()
    constants: Constants = "keras"
    schedule_fn: Callable[[Array], Array] | None = None

    # What a rule defines.

    @classmethod
    def static_fields(cls, settings: Mapping[str, Any]) -> dict[str, Any]:
        """The rule's own static fields, from all arguments of its factory."""
        return {name: settings[name] for name in cls.options}

    def derive(self, values: Mapping[str, Any], cast: Cast) -> dict[str, Any]:
        """The constants that the update reads, from the hyperparameters; computed on the host, in double."""
        del cast
        return {name: values[name] for name in self.numbers}

    def active_slots(self) -> tuple[str, ...]:
        return self.slot_names

    def init_slot(self, name: str, path: str, value: Array, numbers: Mapping[str, Any]) -> Any:
        """The initial slot `name` of one parameter."""
        del name, path, numbers
        return jnp.zeros_like(value)

    def init_shared(self, dtype: Any) -> dict[str, Any]:
        del dtype
        return {}

    def per_step(
        self, n: SimpleNamespace, shared: Mapping[str, Any]
    ) -> tuple[dict[str, Array], dict[str, Any]]:
        """Scalars computed once a step and added to `n`; the shared values that changed."""
        del n, shared
        return {}, {}

    def leaf(self, n: SimpleNamespace, grad: Array, value: Array, slots: Slots) -> tuple[Array, Slots]:
        """What is added to one parameter (its new value, if the rule is not additive), and its slots."""
        raise NotImplementedError

    def decay_of(self, path: str, value: Array, n: SimpleNamespace) -> Array | None:
        """The decay of one parameter, or None."""
        del value
        return n.weight_decay if self.decays and not self.is_excluded(path) else None

    # What every rule does.

    def is_excluded(self, path: str) -> bool:
        return any(re.search(pattern, path) for pattern in self.excluded)

    def init(self, hyperparameters: Mapping[str, Any], params: PyTree) -> OptimizerState:
        """The state before the first update: zero slots, and every number as an array."""
        leaves = Leaves.of(params)
        values = leaves.flatten(params)
        dtype = leaves.dtype(values)
        numbers = self.arrays(hyperparameters, dtype)
        trained = leaves.trained(values)
        slots = {
            name: leaves.unflatten(
                [
                    None if value is None else self.init_slot(name, path, value, numbers)
                    for path, value in zip(leaves.paths, trained, strict=True)
                ]
            )
            for name in self.active_slots()
        }
        return OptimizerState(
            count=jnp.zeros((), jnp.int32),
            hyperparameters=numbers,
            slots=slots,
            shared=self.init_shared(dtype),
            accumulator=leaves.unflatten(zeros_like(trained)) if self.accumulates else None,
            average=leaves.unflatten(zeros_like(trained)) if self.averages else None,
        )

    def arrays(self, hyperparameters: Mapping[str, Any], dtype: Any) -> dict[str, Any]:
        """All numbers of a state: the hyperparameters in use, converted, and what is derived from them."""

        def cast(value: Any) -> Any:
            return cast_constant(value, dtype, self.constants)

        values = {name: hyperparameters[name] for name in self._common_names()}
        if self.decays:
            values["weight_decay"] = cast(values["weight_decay"])
        if self.clipping == "global_clipnorm":
            values["inverse_global_clipnorm"] = 1 / values["global_clipnorm"]
        return as_arrays({**values, **self.derive(hyperparameters, cast)}, dtype)

    def hyperparameter_names(self) -> list[str]:
        """The numbers in use: the active common ones and the rule's own."""
        return [*self._common_names(), *self.numbers]

    def _common_names(self) -> list[str]:
        active = {
            "learning_rate": self.schedule_fn is None,
            "weight_decay": self.decays,
            "ema_momentum": self.averages,
            "ema_overwrite_frequency": self.overwrites,
            "loss_scale_factor": self.scales_loss,
            "gradient_accumulation_steps": self.accumulates,
        }
        names = [name for name, is_active in active.items() if is_active]
        return [*names, self.clipping] if self.clipping else names

    def learning_rate(self, state: OptimizerState) -> Array:
        """The rate of the next update, a scalar."""
        if self.schedule_fn is not None:
            return jnp.asarray(self.schedule_fn(state.count))
        rate: Any = state.hyperparameters["learning_rate"]
        current: Any = rate(state.count) if callable(rate) else rate
        return current

    def scale_loss(self, loss: Array, state: OptimizerState) -> Array:
        """The loss whose gradients `apply` expects."""
        return loss * state.hyperparameters["loss_scale_factor"] if self.scales_loss else loss

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

    def has_own_decay(self) -> bool:
        """Whether the rule decays by other numbers than `weight_decay` (Muon)."""
        return False

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
        gradients = self._unscale(select(active, grads), state)
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
        return [grad / state.hyperparameters["loss_scale_factor"].astype(grad.dtype) for grad in grads]

    def _accumulate(
        self, paths: list[str], grads: list[Array], work: Work, state: OptimizerState, as_delta: bool
    ) -> Work:
        """Updates at once, or only when enough gradients were summed."""
        if work.accumulator is None:
            return self._update(paths, grads, work, state, as_delta)
        sums = [grad + total for grad, total in zip(grads, work.accumulator, strict=True)]
        num_steps = state.hyperparameters["gradient_accumulation_steps"]

        def release() -> Work:
            means = [total / num_steps.astype(total.dtype) for total in sums]
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
        n, shared = self._numbers(state)
        per_dtype: dict[Any, SimpleNamespace] = {}
        moved, slots = [], []
        for path, grad, value, old_slots in zip(paths, grads, work.moved, work.slots, strict=True):
            local = per_dtype.setdefault(value.dtype, _in_dtype(n, value.dtype))
            value = self._decayed(path, value, local)
            change, new_slots = self.leaf(local, grad.astype(value.dtype), value, old_slots)
            moved.append(value + change if self.additive and not as_delta else change)
            slots.append(new_slots)
        return work._replace(moved=moved, slots=slots, shared={**work.shared, **shared})

    def _numbers(self, state: OptimizerState) -> tuple[SimpleNamespace, dict[str, Any]]:
        """All scalars of this step: hyperparameters, the rate, the step from 1 on, and the rule's own."""
        n = SimpleNamespace(**state.hyperparameters)
        dtypes = [
            x.dtype for x in vars(n).values() if hasattr(x, "dtype") and jnp.issubdtype(x.dtype, jnp.inexact)
        ]
        dtype = jnp.result_type(*dtypes) if dtypes else jnp.zeros(()).dtype
        n.learning_rate = self.learning_rate(state).astype(dtype)
        n.step = (self._updates_so_far(state) + 1).astype(dtype)
        scalars, shared = self.per_step(n, state.shared)
        vars(n).update(scalars)
        return n, shared

    def _updates_so_far(self, state: OptimizerState) -> Array:
        if not self.accumulates:
            return state.count
        return state.count // state.hyperparameters["gradient_accumulation_steps"]

    def _decayed(self, path: str, value: Array, n: SimpleNamespace) -> Array:
        decay = self.decay_of(path, value, n)
        return value if decay is None else value - rounded(value * decay * n.learning_rate)

    def _average(
        self, leaves: Leaves, values: list[Any], state: OptimizerState
    ) -> tuple[list[Any], OptimizerState]:
        """The moving average of the trained parameters, and now and then the parameters overwritten by it."""
        if not self.averages:
            return values, state
        count = self._updates_so_far(state)
        keep = jnp.where(count == 0, 0, state.hyperparameters["ema_momentum"])
        averages = [
            None
            if average is None
            else mix(average, value, keep.astype(value.dtype), (1 - keep).astype(value.dtype))
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
    """The same scalars for a parameter of another dtype."""
    if n.learning_rate.dtype == dtype:
        return n
    return SimpleNamespace(
        **{
            name: value.astype(dtype) if hasattr(value, "astype") and value.dtype != jnp.int32 else value
            for name, value in vars(n).items()
        }
    )
