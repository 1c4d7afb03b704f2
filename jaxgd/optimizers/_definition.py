"""What an update rule declares, and how its hyperparameters become the arrays of a state."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, ClassVar, TypeAlias

import jax.numpy as jnp
import numpy as np

from jaxgd._types import Array, PyTree
from jaxgd.optimizers._arithmetic import Constants, as_arrays, cast_constant
from jaxgd.optimizers._clipping import Clipping
from jaxgd.optimizers._leaves import Leaves, blank, from_host, zeros_like
from jaxgd.optimizers._state import OptimizerState

Cast: TypeAlias = Callable[[Any], Any]
Slots: TypeAlias = dict[str, Any]
Range: TypeAlias = tuple[float, float]
UNIT: Range = (0.0, 1.0)
NON_NEGATIVE: Range = (0.0, float("inf"))
ANY: Range = (-float("inf"), float("inf"))


@dataclass(frozen=True, kw_only=True)
class RuleDefinition:
    """The static side of an optimizer, without the order of events.

    Attributes:
      class_name: Keras's.
      numbers: the rule's own hyperparameters and the range of each.
      options: the rule's own static arguments.
      slot_names: what is kept for every parameter.
      additive: whether `leaf` returns an increment, and not the new parameter.
      reads_params: whether the increment depends on the parameters.
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
        return blank(value)

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

    def has_own_decay(self) -> bool:
        """Whether the rule decays by other numbers than `weight_decay` (Muon)."""
        return False

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
        state = OptimizerState(
            count=np.zeros((), np.int32),  # pyright: ignore[reportArgumentType]
            hyperparameters=numbers,
            slots=slots,
            shared=self.init_shared(dtype),
            accumulator=leaves.unflatten(zeros_like(trained)) if self.accumulates else None,
            average=leaves.unflatten(zeros_like(trained)) if self.averages else None,
        )
        return from_host(state)

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
