"""The host's side of a run: it calls the compiled program chunk by chunk and collects what comes back."""

import time
from dataclasses import replace
from typing import Any

import jax.numpy as jnp
import numpy as np

from jaxgd._programs import Compiled, compiled
from jaxgd._statistics import merge, partition
from jaxgd._types import Array, PyTree
from jaxgd.training import divergence
from jaxgd.training.batching import batches, steps_per_epoch
from jaxgd.training.divergence import Divergence
from jaxgd.training.early_stopping import EarlyStopping
from jaxgd.training.evaluation import fetch, model_scalars
from jaxgd.training.history import History
from jaxgd.training.objective import Objective
from jaxgd.training.pace import FOREVER, Pace
from jaxgd.training.progress import ProgressFn
from jaxgd.training.result import FitResult
from jaxgd.training.run import Limits, RunSpec, RunState, run_chunk, zero_sums
from jaxgd.training.state import TrainState, copy


class HostLoop:
    """The host's side of a run: calls the program chunk by chunk and collects the history."""

    def __init__(
        self,
        spec: RunSpec,
        objective: Objective,
        training: dict[str, Array],
        validation: dict[str, Array] | None,
        order: Any,
        early_stopping: EarlyStopping | None,
        started: float,
    ) -> None:
        self.spec = spec
        self.objective = objective
        self.data = training
        self.validation = validation
        self.order = order
        self.stopping = (
            None if early_stopping is None else early_stopping.numbers(objective.model.policy.params)
        )
        self.started = started
        self.num_rows = len(training["x"])
        self.steps_per_epoch = steps_per_epoch(self.num_rows, spec.batch_size)
        self.scalars = model_scalars(objective.model)
        columns = ("loss", *objective.named_metrics)
        of_validation = () if validation is None else tuple(f"val_{name}" for name in columns)
        self.columns = (*columns, *of_validation)

    def until(
        self, epochs: int, initial_epoch: int, train: TrainState, progress: ProgressFn | None
    ) -> FitResult:
        """Run the epochs from `initial_epoch` up to `epochs`."""
        state = self._start(train, initial_epoch)
        program = self._compile(state)
        seconds = {"data": time.perf_counter() - self.started - program.seconds, "compile": program.seconds}
        history, interrupted, found = History(), False, None
        pace = Pace(self.num_rows, self.steps_per_epoch, epochs, initial_epoch, int(train.step))
        while not interrupted and self._unfinished(state, epochs):
            before = copy(state)
            limits = self._limits(
                min(epochs, int(state.epoch) + self.spec.capacity), pace.next_step(progress)
            )
            state, rows, filled = program.call(*self._arguments(state, limits))
            history = history.extended({k: np.asarray(rows[k])[: int(filled)] for k in self.columns})
            if not bool(state.finite):
                state, found = self._before_divergence(program, before, state)
                history = history.first(int(state.epoch) - initial_epoch)
                break
            if progress is not None:
                interrupted = progress(pace.report(state, history)) is False
        seconds["run"] = pace.elapsed()
        return self._result(state, history, program.compilations, seconds, found, interrupted)

    def _start(self, train: TrainState, initial_epoch: int) -> RunState:
        rule = self.spec.early_stopping
        dtype = self.objective.model.policy.params
        return RunState(
            train=train,
            sums=zero_sums(self.objective.at_inference(), train.params, self.data, self.spec.batch_size),
            epoch=jnp.int32(initial_epoch),
            batch=jnp.int32(0),
            stopping=None if rule is None else rule.start(train.params, dtype),
            finite=jnp.asarray(True),
        )

    def _limits(self, epoch: int, step: int) -> Limits:
        return Limits(jnp.int32(epoch), jnp.int32(step), self.stopping)

    def _arguments(self, state: RunState, limits: Limits) -> tuple[PyTree, ...]:
        return self.scalars, state, self.data, self.validation, self.order, limits

    def _compile(self, state: RunState) -> Compiled:
        arguments = self._arguments(state, self._limits(0, 0))
        return compiled(run_chunk, self.spec, arguments, donate=(1,))

    def _unfinished(self, state: RunState, epochs: int) -> bool:
        stopped = state.stopping is not None and bool(state.stopping.stopped)
        return int(state.epoch) < epochs and not stopped

    def _before_divergence(
        self, program: Compiled, before: RunState, after: RunState
    ) -> tuple[RunState, Divergence]:
        """The chunk again, up to its last finite step, and what happened in the step that follows."""
        state, following = self._bracket(program, before, int(after.train.step))
        schedule = batches(self.order.rows(state.epoch, self.num_rows), self.spec.batch_size)
        rows = schedule[state.batch]
        batch = fetch(self.data, rows, padded=bool((rows < 0).any()))
        layer, quantity = divergence.find(self.objective, state.train, batch, following.train.params)
        where = np.asarray(rows)[np.asarray(rows) >= 0]
        return state, Divergence(int(state.epoch) + 1, int(state.batch) + 1, layer, quantity, where)

    def _bracket(self, program: Compiled, before: RunState, bad: int) -> tuple[RunState, RunState]:
        """The last finite state, and the one a step later.

        Nearly always the step before the one whose loss was not finite. A saturated output can hide
        parameters that overflowed long before; bisection finds those.
        """

        def at(step: int) -> RunState:
            return program.call(*self._arguments(copy(before), self._limits(FOREVER, step)))[0]

        good, middle = int(before.train.step), bad - 1
        while bad - good > 1:
            good, bad = (middle, bad) if bool(at(middle).finite) else (good, middle)
            middle = (good + bad) // 2
        return at(good), at(good + 1)

    def _result(
        self,
        state: RunState,
        history: History,
        compilations: int,
        seconds: dict[str, float],
        found: Divergence | None,
        interrupted: bool,
    ) -> FitResult:
        train = state.train
        mask = self.objective.model.trainable(train.params)
        moving, fixed = partition(train.params, mask)
        if int(train.step) > 0:  # before the first step there is no average yet
            moving = self.spec.rule.finalize(moving, train.opt_state)
        params = merge(moving, fixed)
        stopping = state.stopping
        if stopping is not None and stopping.best_params is not None and bool(stopping.seen):
            params = stopping.best_params
        return FitResult(
            params=params,
            state=replace(train, params=copy(params)),
            history=history,
            compilations=compilations,
            seconds=seconds,
            stopped_early=stopping is not None and bool(stopping.stopped),
            best_epoch=int(stopping.best_epoch) if stopping is not None and bool(stopping.seen) else None,
            divergence=found,
            interrupted=interrupted,
        )
