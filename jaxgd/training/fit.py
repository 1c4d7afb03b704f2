"""`fit`: Keras's training loop as one compiled program."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxgd import optimizers
from jaxgd._checks import check_integer, wrong
from jaxgd._programs import Compiled, compiled
from jaxgd._statistics import merge, partition
from jaxgd._types import Array, Params, PyTree
from jaxgd.model import Sequential
from jaxgd.random import keras_epoch_order
from jaxgd.training import divergence, inputs
from jaxgd.training.batching import Fixed, InOrder, Shuffled, batches, steps_per_epoch
from jaxgd.training.divergence import Divergence
from jaxgd.training.early_stopping import EarlyStopping
from jaxgd.training.evaluation import fetch, model_scalars
from jaxgd.training.history import History
from jaxgd.training.objective import Objective, make_objective
from jaxgd.training.progress import Progress, ProgressFn
from jaxgd.training.run import Limits, RunSpec, RunState, run_chunk, zero_sums
from jaxgd.training.state import TrainState, copy

HISTORY_CAPACITY = 4096
"""Epochs that one call of the program can record."""
_SECONDS_A_CHUNK = 0.25
_FOREVER = np.iinfo(np.int32).max


@dataclass(frozen=True)
class FitResult:
    """What a run gives back.

    Attributes:
      params: the trained parameters: the last, the best (early stopping that restores), or, after a
        divergence, the last before it.
      state: to go on from: `fit(..., state=result.state, initial_epoch=...)`.
      history: a value an epoch of the loss and the metrics.
      compilations: how many programs were compiled for this call.
      seconds: {"data", "compile", "run"}.
      stopped_early: whether early stopping ended the run.
      best_epoch: the best epoch, counted from 0, if early stopping looked for it.
      divergence: where the loss stopped being finite, or None.
      interrupted: whether the progress function ended the run.
    """

    params: Params
    state: TrainState
    history: History
    compilations: int
    seconds: dict[str, float]
    stopped_early: bool = False
    best_epoch: int | None = None
    divergence: Divergence | None = None
    interrupted: bool = False


def fit(
    model: Sequential,
    x: Any,
    y: Any,
    *,
    loss: Any = "mean_squared_error",
    optimizer: Any = "sgd",
    epochs: int = 10,
    batch_size: int = 32,
    shuffle: bool | str = True,
    metrics: Sequence[Any] = (),
    weighted_metrics: Sequence[Any] = (),
    validation_data: Sequence[Any] | None = None,
    validation_split: float = 0.0,
    sample_weight: Any = None,
    class_weight: Mapping[int, float] | None = None,
    seed: Any = 0,
    params: Params | None = None,
    state: TrainState | None = None,
    initial_epoch: int = 0,
    early_stopping: EarlyStopping | None = None,
    progress: ProgressFn | None = None,
) -> FitResult:
    """Train a model as Keras's `compile` and `fit` do.

    Learning rate and all other numbers of the optimizer, the seed, the number of epochs, patience and dropout
    rates are inputs of the compiled program: another value does not compile again.

    Args:
      model: from `mlp` or `sequential`.
      x: [rows, features], numbers.
      y: one target a row; integer labels for a sparse cross-entropy.
      loss: a name, a `losses.Loss`, or a function (y_true, y_pred) -> values.
      optimizer: a name, an optimizer of `jaxgd.optimizers`, or an optax transformation.
      epochs: passes over the rows; 0 trains nothing.
      batch_size: rows a step; the last batch of an epoch may be shorter. Above the rows: one batch.
      shuffle: True gives each epoch an order of its own, a pure function of seed and epoch; "keras" the
        order that Keras on TensorFlow takes after set_random_seed(seed), which is the same in every epoch.
      metrics, weighted_metrics: names or `metrics.Metric`; the latter use the sample weights.
      validation_data: (x, y) or (x, y, sample_weight), evaluated after each epoch.
      validation_split: share of the rows, the last ones, that validate instead of training.
      sample_weight: float[rows].
      class_weight: {label: weight}; not together with sample_weight.
      seed: an int: initial parameters and dropout masks are those Keras gives after set_random_seed; or a
        JAX key.
      params: initial parameters instead of new ones; the caller's arrays are left alone.
      state: go on from this state instead; its optimizer numbers are used.
      initial_epoch: the number of the first epoch, as far as shuffling and `epochs` are concerned.
      early_stopping: an `EarlyStopping`, carried in the program.
      progress: called between chunks of the run with a `Progress`; returning False ends the run.

    Returns: a `FitResult`.
    Raises:
      TypeError, ValueError: an argument that does not fit; nothing has run then.
    Keras: `Model.compile` and `Model.fit`, row for row with shuffle=False or "keras".
    """
    started = time.perf_counter()
    check_integer("epochs", epochs, 0)
    check_integer("batch_size", batch_size, 1)
    check_integer("initial_epoch", initial_epoch, 0)
    training, validation = _data(model, x, y, sample_weight, class_weight, validation_data, validation_split)
    objective = make_objective(
        model, loss, metrics=metrics, weighted_metrics=weighted_metrics, targets=training["y"]
    )
    training = _ready(objective, training)
    validation = None if validation is None else _ready(objective, validation)
    chosen = optimizers.get(optimizer)
    if state is None:
        state = _new_state(model, chosen, seed, params)
    spec = _spec(objective, chosen.rule, batch_size, training, validation, early_stopping)
    run = _Run(
        spec,
        objective,
        training,
        validation,
        _order(shuffle, seed, len(training["x"])),
        early_stopping,
        started,
    )
    return run.until(epochs, initial_epoch, copy(state), progress)


class _Run:
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
        pace = _Pace(self, epochs, initial_epoch, int(train.step))
        while not interrupted and self._unfinished(state, epochs):
            before = copy(state)
            limits = self._limits(min(epochs, int(state.epoch) + HISTORY_CAPACITY), pace.next_step(progress))
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
            return program.call(*self._arguments(copy(before), self._limits(_FOREVER, step)))[0]

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
            state=replace(train, params=params),
            history=history,
            compilations=compilations,
            seconds=seconds,
            stopped_early=stopping is not None and bool(stopping.stopped),
            best_epoch=None if stopping is None else int(stopping.best_epoch),
            divergence=found,
            interrupted=interrupted,
        )


class _Pace:
    """How long the next chunk shall be, and how long the rest will take."""

    def __init__(self, run: _Run, epochs: int, initial_epoch: int, first_step: int) -> None:
        self.run = run
        self.epochs = epochs
        self.first_step = first_step
        self.steps = max(epochs - initial_epoch, 0) * run.steps_per_epoch
        self.start = time.perf_counter()
        self.done = 0
        self.chunk = 16
        self.chunk_start = self.start

    def next_step(self, progress: ProgressFn | None) -> int:
        """The step at which the next chunk ends."""
        self.chunk_start = time.perf_counter()
        return _FOREVER if progress is None else self.first_step + self.done + self.chunk

    def report(self, state: RunState, history: History) -> Progress:
        """After a chunk: its length is mended so that the next takes a quarter of a second."""
        now = time.perf_counter()
        done = int(state.train.step) - self.first_step
        share = _SECONDS_A_CHUNK / max(now - self.chunk_start, 1e-6)
        self.chunk = max(1, int((done - self.done) * min(share, 8.0)))
        self.done = done
        rate = done / max(now - self.start, 1e-6)
        return Progress(
            epoch=int(state.epoch),
            epochs=self.epochs,
            step=done,
            steps=self.steps,
            rows_per_second=rate * self.run.num_rows / self.run.steps_per_epoch,
            seconds_left=(self.steps - done) / max(rate, 1e-6),
            history=history,
        )

    def elapsed(self) -> float:
        """Seconds since the first chunk began."""
        return time.perf_counter() - self.start


def _data(
    model: Sequential,
    x: Any,
    y: Any,
    sample_weight: Any,
    class_weight: Mapping[int, float] | None,
    validation_data: Sequence[Any] | None,
    validation_split: float,
) -> tuple[dict[str, Any], dict[str, Any] | None]:
    if class_weight is not None and sample_weight is not None:
        raise ValueError("class_weight: expected not together with sample_weight.")
    training, validation = _rows(model, x, y, sample_weight), None
    if validation_data is not None:
        if len(validation_data) not in (2, 3):
            raise wrong("validation_data", f"{len(validation_data)} items", "(x, y) or (x, y, sample_weight)")
        validation = _rows(model, *validation_data, *[None] * (3 - len(validation_data)))
    elif validation_split:
        training, validation = inputs.split_validation(training, validation_split)
    if class_weight is not None:  # weighs the rows that train, never those that validate
        weight = inputs.class_weights(class_weight, training["y"])
        training["sample_weight"] = inputs.check_sample_weight(weight, model.policy.params)
    return training, validation


def _rows(model: Sequential, x: Any, y: Any, sample_weight: Any) -> dict[str, Any]:
    weight = inputs.check_sample_weight(sample_weight, model.policy.params)
    return inputs.check_rows({"x": inputs.model_input(model, x), "y": np.asarray(y), "sample_weight": weight})


def _ready(objective: Objective, data: dict[str, Any]) -> dict[str, Any]:
    """`data` with targets that the loss takes; a shape that it refuses is refused here, by its own words."""
    ready = {**data, "y": inputs.check_targets(objective, data["y"])}
    first = {name: array[:1] for name, array in ready.items()}
    params = jax.eval_shape(objective.model.init)
    jax.eval_shape(objective.at_inference(), params, first)
    return ready


def _new_state(model: Sequential, optimizer: Any, seed: Any, params: Params | None) -> TrainState:
    if isinstance(seed, int | np.integer):
        init_seed, key = int(seed), model.key(int(seed))
    else:
        init_seed, key = jax.random.fold_in(seed, 0), jax.random.fold_in(seed, 1)
    if params is None:
        params = model.init(init_seed)
    given: Params = jax.tree.map(lambda leaf: jnp.asarray(leaf, model.policy.params), params)
    return TrainState.create(params=given, optimizer=optimizer, key=key, trainable=model.trainable(given))


def _order(shuffle: bool | str, seed: Any, num_rows: int) -> Any:
    is_int = isinstance(seed, int | np.integer)
    if shuffle == "keras":
        if not is_int:
            raise ValueError(f"shuffle: 'keras' needs an int seed, got {seed!r}.")
        return Fixed(jnp.asarray(keras_epoch_order(int(seed), num_rows), jnp.int32))
    if not isinstance(shuffle, bool):
        raise wrong("shuffle", shuffle, "True, False or 'keras'")
    if not shuffle:
        return InOrder()
    return Shuffled.from_seed(seed if is_int else jax.random.fold_in(seed, 2))


def _spec(
    objective: Objective,
    rule: Any,
    batch_size: int,
    training: dict[str, Any],
    validation: dict[str, Any] | None,
    early_stopping: EarlyStopping | None,
) -> RunSpec:
    num_validation = batch_size if validation is None else len(validation["x"])
    return RunSpec(
        model=jax.tree.structure(objective.model),
        loss=objective.loss,
        metrics=objective.metrics,
        weighted_metrics=objective.weighted_metrics,
        rule=rule,
        batch_size=min(batch_size, len(training["x"])),
        validation_batch_size=min(batch_size, num_validation),
        early_stopping=_stopping_rule(objective, early_stopping, validation is not None),
        capacity=HISTORY_CAPACITY,
    )


def _stopping_rule(objective: Objective, early_stopping: EarlyStopping | None, validates: bool) -> Any:
    if early_stopping is None:
        return None
    directions = {"loss": "min", **{name: m.direction for name, m in objective.named_metrics.items()}}
    if validates:
        directions |= {f"val_{name}": direction for name, direction in directions.items()}
    if early_stopping.monitor not in directions:
        known = ", ".join(directions)
        raise ValueError(
            f"early_stopping: monitor {early_stopping.monitor!r} is not recorded; there are {known}."
        )
    return early_stopping.rule(directions[early_stopping.monitor])
