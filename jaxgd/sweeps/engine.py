"""The compiled programs of a family: one member a call, several one after the other, or several in step."""

import threading
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Literal, NamedTuple, TypeAlias

import jax
import numpy as np

from jaxgd._one_kernel import is_small
from jaxgd._param_shapes import param_shapes
from jaxgd._programs import compiled
from jaxgd._types import Array
from jaxgd.sweeps.family import Family, Members, on_device
from jaxgd.sweeps.lockstep import run_lockstep
from jaxgd.sweeps.trial import Fold
from jaxgd.training.run import Limits, RunSpec, RunState, run_chunk

Form: TypeAlias = Literal["sequential", "map", "vmap"]
_LEAST_CAPACITY = 64


class Advanced(NamedTuple):
    """What came of a call, on the host."""

    members: Members
    history: dict[str, np.ndarray]
    """{column: [members, capacity, ...]}."""
    filled: np.ndarray
    """int32[members], how many epochs of it count."""


class Engine:
    """A compiled program for `width` members of a family.

    Args:
      family: what it is for.
      form: "sequential" is the program of `fit`; "map" the same for several members, one after the other;
        "vmap" steps all of them together.
      width: members a call; 1 for "sequential".
    """

    def __init__(self, family: Family, form: Form, width: int) -> None:
        self.family = family
        self.form = form
        self.width = width
        self.spec = family.spec if form == "sequential" else replace(family.spec, capacity=_capacity(family))
        self.compilations = 0
        self.seconds = 0.0
        self._calls: dict[Any, Any] = {}
        self._data: dict[Any, Any] = {}
        self._lock = threading.Lock()

    def compile(self, members: Members) -> None:
        """Compile for members like these, if that was not done before."""
        with self._lock:
            if _device() not in self._calls:
                self._compile(members)

    def _compile(self, members: Members) -> None:
        arguments = self._arguments(members, self.family.example.fold, 0)
        small = is_small(self.spec.batch_size, param_shapes(self.family.objective.model))
        if self.form == "sequential":
            program = compiled(run_chunk, self.spec, arguments, small=small)
        elif self.form == "map":
            program = compiled(run_mapped, self.spec, arguments, small=small)
        else:
            program = compiled(run_lockstep, self.spec, arguments)
        self.compilations += program.compilations
        self.seconds += program.seconds
        self._calls[_device()] = program.call

    def advance(self, members: Members, fold: Fold, num_steps: Any) -> Advanced:
        """Take up to `num_steps` more steps with members of a fold.

        Args:
          members: `width` of them, compiled for.
          fold: whose rows are used.
          num_steps: an int; int[members] too, but for "vmap".
        """
        state, history, filled = self._calls[_device()](*self._arguments(members, fold, num_steps))
        state, history, filled = jax.device_get((state, history, filled))
        if self.form == "sequential":
            state, history = jax.tree.map(lambda leaf: np.asarray(leaf)[None], (state, history))
        filled = np.broadcast_to(filled, (self.width,))
        return Advanced(replace(members, state=state), history, filled)

    def _rows(self, fold: Fold) -> Any:
        """A fold's rows on the lane's device."""
        if _device() is None:
            return self.family.data(fold)
        key = id(fold), _device()
        if key not in self._data:
            self._data[key] = jax.device_put(self.family.data(fold), _device())
        return self._data[key]

    def _arguments(self, members: Members, fold: Fold, num_steps: Any) -> tuple[Any, ...]:
        training, validation = self._rows(fold)
        scalars, state, order, limits = members.scalars, members.state, members.order, members.limits
        until = np.minimum(limits.epoch, state.epoch + self.spec.capacity).astype(np.int32)
        limits = limits._replace(epoch=until)
        if self.form == "vmap":
            given = scalars, state, order, limits
            scalars, state, order, limits, steps = on_device((*given, np.int32(num_steps)))
            return scalars, state, training, validation, order, limits, steps
        step = np.minimum(state.train.step.astype(np.int64) + num_steps, np.iinfo(np.int32).max)
        limits = limits._replace(step=step.astype(np.int32))
        given = scalars, state, order, limits
        if self.form == "sequential":
            given = jax.tree.map(lambda leaf: leaf[0], given)
        scalars, state, order, limits = on_device(given)
        return scalars, state, training, validation, order, limits


def _device() -> Any:
    """The device of the lane that asks; None for the one that JAX takes."""
    return jax.config.jax_default_device  # pyright: ignore[reportAttributeAccessIssue]


def run_mapped(
    spec: RunSpec,
    scalars: list[Array],
    state: RunState,
    data: Mapping[str, Array],
    validation: Mapping[str, Array] | None,
    order: Any,
    limits: Limits,
) -> tuple[RunState, dict[str, Array], Array]:
    """`run_chunk` of several members, one after the other; all leaves but the data's are [members, ...]."""

    def one(member: tuple[Any, ...]) -> tuple[RunState, dict[str, Array], Array]:
        scalars, state, order, limits = member
        return run_chunk(spec, scalars, state, data, validation, order, limits)

    return jax.lax.map(one, (scalars, state, order, limits))


def _capacity(family: Family) -> int:
    """Epochs that one call can record: a power of two, so that few numbers mean another program."""
    power = 1 << max(family.longest - 1, 0).bit_length()
    return min(max(_LEAST_CAPACITY, power), family.spec.capacity)


class Engines:
    """The engines of some families, each made once."""

    def __init__(self) -> None:
        self._made: dict[tuple[Family, Form, int], Engine] = {}

    def get(self, family: Family, form: Form, width: int) -> Engine:
        """The engine of a family, form and width."""
        key = (family, form, width)
        if key not in self._made:
            self._made[key] = Engine(family, form, width)
        return self._made[key]

    def __iter__(self) -> Iterator[Engine]:
        return iter(self._made.values())
