"""The host's side of a run: it calls the compiled program chunk by chunk and collects what comes back."""

import time
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxgd._one_kernel import is_small
from jaxgd._programs import Compiled, compiled
from jaxgd._statistics import merge, partition
from jaxgd._types import Array, PyTree
from jaxgd.optimizers._scaling import scale_learning_rate
from jaxgd.scaling import hosts
from jaxgd.training import divergence
from jaxgd.training.batching import epoch_batches, steps_per_epoch
from jaxgd.training.checkpointing import Position, Saver
from jaxgd.training.divergence import Divergence
from jaxgd.training.early_stopping import EarlyStopping
from jaxgd.training.evaluation import Summed, fetch, model_scalars
from jaxgd.training.history import History
from jaxgd.training.leaving import leaving_on_sigterm
from jaxgd.training.objective import Objective
from jaxgd.training.pace import FOREVER, Pace
from jaxgd.training.placed_rows import Data, Rows, num_rows_of
from jaxgd.training.placement import Placement, run_placed
from jaxgd.training.progress import ProgressFn
from jaxgd.training.restoring import Anchor
from jaxgd.training.result import FitResult
from jaxgd.training.run import Limits, RunSpec, RunState, run_chunk, zero_sums
from jaxgd.training.state import TrainState, copy
from jaxgd.training.watching import Watcher, WatchFn


@dataclass
class Outlook:
    """How a run under way stands, besides its position."""

    program: Compiled
    pace: Pace
    divergence: Divergence | None = None
    interrupted: bool = False

    @property
    def ended(self) -> bool:
        """Whether it ends before its last epoch."""
        return self.interrupted or self.divergence is not None


class HostLoop:
    """The host's side of a run: calls the program chunk by chunk and collects the history."""

    def __init__(
        self,
        spec: RunSpec,
        objective: Objective,
        training: Data,
        validation: Data | Summed | None,
        order: Any,
        early_stopping: EarlyStopping | None,
        started: float,
        saver: Saver | None = None,
        max_halvings: int = 0,
        placement: Placement | None = None,
        watch: WatchFn | None = None,
    ) -> None:
        self.spec = spec
        self.objective = objective
        self.data = training
        self.validation = validation
        self.placement = placement or Placement()
        self.order = self.placement.inputs(order)
        self.stopping = (
            None if early_stopping is None else early_stopping.numbers(objective.model.policy.params)
        )
        self.started = started
        self.saver = saver
        self.max_halvings = max_halvings
        self.watch = watch
        self.num_rows = num_rows_of(training)
        self.steps_per_epoch = steps_per_epoch(self.num_rows, spec.batch_size)
        self.scalars = self.placement.inputs(model_scalars(objective.model))
        columns = ("loss", *objective.named_metrics)
        of_validation = () if validation is None else tuple(f"val_{name}" for name in columns)
        self.columns = (*columns, *of_validation)

    def until(
        self, epochs: int, initial_epoch: int, train: TrainState, progress: ProgressFn | None
    ) -> FitResult:
        """Run the epochs from `initial_epoch` up to `epochs`, or what is left of them after a checkpoint."""
        self.epochs, self.initial_epoch = epochs, initial_epoch
        self.watcher = None if self.watch is None else Watcher(self.watch, epochs)
        state = self._start(train, initial_epoch)
        anchor = Anchor.at(self._kept(state)) if self.max_halvings else None
        with ExitStack() as stack:
            if self.saver is not None:
                with hosts.together("opening the checkpoints"):
                    stack.enter_context(self.saver.open())
            with hosts.together("reading the checkpoints"):
                position = self._resumed(Position(state, History(), anchor))
            program = self._compile(position.state)
            data = time.perf_counter() - self.started - program.seconds
            outlook = Outlook(program, self._pace(int(train.step), position, progress))
            self._look(position.state)
            with hosts.lost_hosts():
                position = self._to_the_end(outlook, position, progress)
        seconds = {"data": data, "compile": program.seconds, "run": outlook.pace.elapsed()}
        if self.watcher is not None:
            seconds |= {"run": seconds["run"] - self.watcher.seconds, "watch": self.watcher.seconds}
        return self._result(position, outlook, seconds)

    def _resumed(self, start: Position) -> Position:
        """Where the run was saved, or its start."""
        if self.saver is None:
            return self._placed(start)
        position = self.saver.load(start, self.columns) or start
        self.saver.check_shared(position)
        self.saver.check_epochs(position, self.epochs)
        return self._placed(position)

    def _placed(self, position: Position) -> Position:
        """With its states where the program takes them."""
        anchor = position.anchor
        if anchor is not None:
            anchor = anchor._replace(state=self.placement.state(anchor.state))
        return position._replace(state=self.placement.state(position.state), anchor=anchor)

    def _storable(self, position: Position) -> Position:
        """With states whose every number this process has."""
        anchor = position.anchor
        if anchor is not None:
            anchor = anchor._replace(state=self.placement.storable(anchor.state))
        return position._replace(state=self.placement.storable(position.state), anchor=anchor)

    def _to_the_end(self, outlook: Outlook, position: Position, progress: ProgressFn | None) -> Position:
        """Chunk by chunk until the run ends; saved now and then, and at the end."""
        with leaving_on_sigterm(self.saver is not None, _interrupted(self.saver)) as leaving:
            try:
                while not outlook.ended and self._unfinished(position.state):
                    position = self._advance(outlook, position)
                    report = outlook.pace.report(position.state, position.history)
                    if outlook.divergence is None and progress is not None:
                        outlook.interrupted = progress(report) is False
                    outlook.interrupted = self.placement.any(outlook.interrupted or bool(leaving))
                    if self.saver is not None and not outlook.ended and self._is_due(self.saver, position):
                        self.saver.save(self._storable(position))
            except BaseException:  # of the progress function, or Ctrl-C
                self._save_what_is_left(position)
                raise
            if self.saver is not None:
                self.saver.save(self._storable(position))
        return position

    def _save_what_is_left(self, position: Position) -> None:
        """Save after an error, unless it came while a chunk ran, or others would have to take part."""
        is_whole = not any(leaf.is_deleted() for leaf in jax.tree.leaves(position.state))
        if self.saver is not None and is_whole and jax.process_count() == 1:
            self.saver.save(position)

    def _is_due(self, saver: Saver, position: Position) -> bool:
        return bool(self.placement.of_first(saver.is_due(position)))

    def _advance(self, outlook: Outlook, position: Position) -> Position:
        """One chunk further, as far as it is finite; or back to an earlier epoch."""
        before = self._kept(position.state)
        limits = self._limits(self._last_epoch(before), self._next_step(outlook, before))
        state, rows, _ = outlook.program.call(*self._arguments(position.state, limits))
        found = None
        if not bool(state.finite):
            state, found = self._before_divergence(outlook.program, before, state)
        finished = int(state.epoch) - int(before.epoch)
        values = {name: np.asarray(rows[name])[:finished] for name in self.columns}
        anchor = position.anchor and position.anchor.after(before, values["loss"])
        position = position._replace(state=state, history=position.history.extended(values), anchor=anchor)
        if found is not None and anchor is not None and len(position.restored) < self.max_halvings:
            return self._gone_back(outlook, position, anchor, found)
        outlook.divergence = found
        if found is None:
            self._look(position.state)
        return position

    def _kept(self, state: RunState) -> RunState:
        """A state that outlives its call: a copy on several devices, whose program takes the buffers over."""
        return state if self.placement.layout is None else copy(state)

    def _look(self, state: RunState) -> None:
        if self.watcher is not None:
            self.watcher.look(self.placement.whole(state))

    def _gone_back(self, outlook: Outlook, position: Position, anchor: Anchor, found: Divergence) -> Position:
        """The start of the best epoch, with half the learning rate."""
        state = self._kept(anchor.state)
        if anchor.best.epoch is not None:
            state = self._to_epoch(outlook.program, state, anchor.best.epoch)
        opt_state = scale_learning_rate(state.train.opt_state, 0.5)
        state = self.placement.state(replace(state, train=replace(state.train, opt_state=opt_state)))
        outlook.pace.back(state)
        return Position(
            state=state,
            history=position.history.first(int(state.epoch) - self.initial_epoch),
            anchor=Anchor.at(self._kept(state)),
            restored=(*position.restored, found),
        )

    def _to_epoch(self, program: Compiled, state: RunState, epoch: int) -> RunState:
        """The start of an epoch, computed from an earlier state, which is not to be read any more."""
        return program.call(*self._arguments(state, self._limits(epoch, FOREVER)))[0]

    def _start(self, train: TrainState, initial_epoch: int) -> RunState:
        rule = self.spec.early_stopping
        dtype = self.objective.model.policy.params
        epoch, batch, finite = jax.device_put((np.int32(initial_epoch), np.int32(0), np.True_))
        return RunState(
            train=train,
            sums=zero_sums(self.objective.at_inference(), train.params, self.data, self.spec.batch_size),
            epoch=epoch,
            batch=batch,
            stopping=None if rule is None else rule.start(train.params, dtype),
            finite=finite,
        )

    def _pace(self, first_step: int, position: Position, progress: ProgressFn | None) -> Pace:
        in_chunks = progress is not None or self.saver is not None
        step = int(position.state.train.step)
        return Pace(
            self.num_rows, self.steps_per_epoch, self.epochs, self.initial_epoch, first_step, step, in_chunks
        )

    def _next_step(self, outlook: Outlook, state: RunState) -> int:
        limit = outlook.pace.next_step()
        if self.saver is not None:
            limit = self.saver.next_step(int(state.train.step), limit)
        return self.placement.of_first(limit)

    def _last_epoch(self, state: RunState) -> int:
        due = self.epochs if self.watcher is None else self.watcher.next_epoch(int(state.epoch))
        return min(self.epochs, int(state.epoch) + self.spec.capacity, self.placement.of_first(due))

    def _limits(self, epoch: int, step: int) -> Limits:
        last_epoch, last_step = jax.device_put((np.int32(epoch), np.int32(step)))
        return self.placement.inputs(Limits(last_epoch, last_step, self.stopping))

    def _arguments(self, state: RunState, limits: Limits) -> tuple[PyTree, ...]:
        return self.scalars, state, self.data, self.validation, self.order, limits

    def _compile(self, state: RunState) -> Compiled:
        arguments = self._arguments(state, self._limits(0, 0))
        if self.placement.layout is not None:
            return compiled(run_placed, self.spec, arguments, donate=(1,))
        small = is_small(self.spec.batch_size, state.train.params)
        return compiled(run_chunk, self.spec, arguments, small=small)

    def _unfinished(self, state: RunState) -> bool:
        stopped = state.stopping is not None and bool(state.stopping.stopped)
        return int(state.epoch) < self.epochs and not stopped

    def _before_divergence(
        self, program: Compiled, before: RunState, after: RunState
    ) -> tuple[RunState, Divergence]:
        """The chunk again, up to its last finite step, and what happened in the step that follows."""
        state, following = self._bracket(program, before, int(after.train.step))
        order = epoch_batches(self.order, state.epoch, self.num_rows, self.spec.batch_size)
        rows = order.rows(state.batch)
        batch = self._batch(rows)
        state, following = self.placement.whole(state), self.placement.whole(following)
        found = divergence.explain(
            self.objective,
            self.spec.rule,
            state.train,
            following.train,
            batch,
            (int(state.epoch) + 1, int(state.batch) + 1),
            self._row_numbers(np.asarray(rows)[np.asarray(rows) >= 0]),
        )
        return state, found

    def _row_numbers(self, places: np.ndarray) -> np.ndarray:
        """The numbers by which a user knows the rows at these places of `data`."""
        return places

    def _batch(self, rows: Array) -> dict[str, Any]:
        if not isinstance(self.data, Rows):
            return fetch(self.data, rows, padded=bool((rows < 0).any()))
        rows = jnp.asarray(np.asarray(rows))
        batch = self.data.on_host(rows)
        return {**batch, "row_mask": rows >= 0} if bool((rows < 0).any()) else batch

    def _bracket(self, program: Compiled, before: RunState, bad: int) -> tuple[RunState, RunState]:
        """The last finite state, and the one a step later.

        Nearly always the step before the one whose loss was not finite. A saturated output can hide
        parameters that overflowed long before; bisection finds those.
        """

        def at(step: int) -> RunState:
            return program.call(*self._arguments(self._kept(before), self._limits(FOREVER, step)))[0]

        good, middle = int(before.train.step), bad - 1
        while bad - good > 1:
            good, bad = (middle, bad) if bool(at(middle).finite) else (good, middle)
            middle = (good + bad) // 2
        return at(good), at(good + 1)

    def _result(self, position: Position, outlook: Outlook, seconds: dict[str, float]) -> FitResult:
        position = position._replace(state=self.placement.whole(position.state))
        train = position.state.train
        mask = self.objective.model.trainable(train.params)
        moving, fixed = partition(train.params, mask)
        if int(train.step) > 0:  # before the first step there is no average yet
            moving = self.spec.rule.finalize(moving, train.opt_state)
        params = merge(moving, fixed)
        stopping = position.state.stopping
        if stopping is not None and stopping.best_params is not None and bool(stopping.seen):
            params = stopping.best_params
        return FitResult(
            params=params,
            state=replace(train, params=copy(params)),
            history=position.history,
            compilations=outlook.program.compilations,
            seconds=seconds,
            stopped_early=stopping is not None and bool(stopping.stopped),
            best_epoch=int(stopping.best_epoch) if stopping is not None and bool(stopping.seen) else None,
            divergence=outlook.divergence,
            interrupted=outlook.interrupted,
            restored=position.restored,
            layout=self.placement.layout,
        )


def _interrupted(saver: Saver | None) -> str:
    """What Ctrl-C ends a run with that saves itself."""
    folder = "" if saver is None else saver.settings.folder
    return f"the run is saved in {folder}: call fit again with the same arguments to go on"
