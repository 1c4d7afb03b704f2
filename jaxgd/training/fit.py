"""`fit`: Keras's training loop as one compiled program."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from os import PathLike
from typing import Any

from jaxgd import optimizers
from jaxgd._checks import check_integer
from jaxgd._types import Params
from jaxgd.model_base import Model
from jaxgd.scaling import hosts
from jaxgd.training import divergence
from jaxgd.training.checkpointing import Checkpoint, Saver
from jaxgd.training.describing import describe_run, former_rows, make_goal
from jaxgd.training.early_stopping import EarlyStopping
from jaxgd.training.host_loop import HostLoop
from jaxgd.training.keras_words import explains_keras_words
from jaxgd.training.objective import make_objective
from jaxgd.training.placed_rows import num_rows_of
from jaxgd.training.placement import make_placement
from jaxgd.training.preparing import (
    check_kinds,
    check_model,
    check_on_divergence,
    first_state,
    make_order,
    make_spec,
    ready_data,
    split_data,
)
from jaxgd.training.progress import ProgressFn, reporting_to
from jaxgd.training.result import FitResult
from jaxgd.training.spreading import (
    check_devices,
    check_same,
    check_watch,
    choose_layout,
    describe_rows,
    given_rows,
    hosts_layout,
    placed,
)
from jaxgd.training.state import TrainState
from jaxgd.training.streaming.fitting import RowsOfRun, RunOfRows, fit_stream
from jaxgd.training.streaming.source import RowSource
from jaxgd.training.watching import WatchFn


@explains_keras_words
def fit(
    model: Model,
    x: Any,
    y: Any = None,
    *,
    loss: Any = "mean_squared_error",
    optimizer: Any = "sgd",
    epochs: int = 10,
    batch_size: int = 32,
    shuffle: bool | str = True,
    metrics: Any = (),
    weighted_metrics: Any = (),
    loss_weights: Any = None,
    validation_data: Sequence[Any] | None = None,
    validation_split: float = 0.0,
    sample_weight: Any = None,
    class_weight: Mapping[Any, Any] | None = None,
    seed: Any = 0,
    params: Params | None = None,
    state: TrainState | None = None,
    initial_epoch: int = 0,
    early_stopping: EarlyStopping | None = None,
    checkpoint: Checkpoint | str | PathLike[str] | None = None,
    on_divergence: str = "stop",
    max_halvings: int = 3,
    devices: Any = None,
    progress: ProgressFn | bool | None = False,
    watch: WatchFn | None = None,
) -> FitResult:
    """Train a model as Keras's `compile` and `fit` do.

    Learning rate and all other numbers of the optimizer, the seed, the number of epochs, patience and dropout
    rates are inputs of the compiled program: another value does not compile again.

    Args:
      model: from `mlp`, `sequential` or `graph`.
      x: [rows, features], numbers; for several inputs a list, or {name of the input: array}.
      y: one target a row; integer labels for a sparse cross-entropy. For several outputs a list, or
        {name of the output: array}; so are sample weights and, by names, class weights.
      loss: a name, a `losses.Loss`, or a function (y_true, y_pred) -> values. For several outputs one for
        all, a list, or a dict by names; None in them is an output without a loss.
      optimizer: a name, an optimizer of `jaxgd.optimizers`, or an optax transformation.
      epochs: passes over the rows; 0 trains nothing.
      batch_size: rows a step; the last batch of an epoch may be shorter. Above the rows: one batch.
      shuffle: True gives each epoch an order of its own, a pure function of seed and epoch; "keras" the
        order that Keras on TensorFlow takes after set_random_seed(seed), which is the same in every epoch.
      metrics, weighted_metrics: names or `metrics.Metric`; the latter use the sample weights. For several
        outputs a list with an entry (one or a list) for each, or a dict by names.
      loss_weights: for several outputs how much of each loss the total has, a list or a dict; None is 1 each.
      validation_data: (x, y) or (x, y, sample_weight), evaluated after each epoch.
      validation_split: share of the rows, the last ones, that validate instead of training.
      sample_weight: float[rows].
      class_weight: {label: weight}; not together with sample_weight.
      seed: an int: initial parameters and dropout masks are those Keras gives after set_random_seed; or a
        JAX key.
      params: initial parameters instead of new ones; the caller's arrays are left alone.
      state: go on from this state instead; its optimizer numbers are used, `optimizer` must be its kind.
      initial_epoch: the number of the first epoch, as far as shuffling and `epochs` are concerned.
      early_stopping: an `EarlyStopping`, carried in the program.
      checkpoint: a folder, or a `Checkpoint`: the run is saved there while it goes on, and continues from
        there, bit for bit, if it was saved there before. More epochs may be asked for; anything else that
        differs is refused.
      on_divergence: "stop"; or "restore": go back to the start of the epoch with the lowest training loss
        and on with half the learning rate.
      max_halvings: how often the latter may happen before the run stops.
      devices: how many share each batch, as one computation: the run differs by rounding alone. "auto" takes
        as many as are forecast to gain; a `jaxgd.scaling.Layout` says more. With several processes
        (`jaxgd.scaling.connect`) all of theirs take part, and each process reads its own rows alone.
      progress: True shows epochs, losses and the time left on stderr; or a function that is called between
        chunks of the run with a `Progress`, and ends the run by returning False.
      watch: watch(epochs finished, state), called at the start and after every epoch (of more than 200 epochs
        after 200 of them, evenly spread). It must not keep the state's arrays; no number of the run
        depends on it.

    Returns: a `FitResult`. A run that is not finite any more ends without an error, even in its first epoch,
      when the history is empty: a `DivergenceWarning` says so, and `result.divergence` (None if all went
      well) has the step, the layer and the rows.
    Raises:
      TypeError, ValueError: an argument that does not fit, or a checkpoint (`CheckpointError`); nothing has
        run then.
    Keras: `Model.compile` and `Model.fit`, row for row with shuffle=False or "keras".
    """
    started = time.perf_counter()
    layout = hosts_layout(check_devices(devices))
    with hosts.together("fit"):
        check_model(model)
        check_integer("epochs", epochs, 0)
        check_integer("batch_size", batch_size, 1)
        check_integer("initial_epoch", initial_epoch, 0)
        halvings = check_on_divergence(on_divergence, max_halvings)
        saving = Checkpoint.of(checkpoint)
        check_kinds(early_stopping, seed, params, state)
        chosen = optimizers.get(optimizer)
        if isinstance(x, RowSource):
            source = RowsOfRun(x, y, sample_weight, class_weight, validation_data, validation_split, devices)
            of_objective = {"loss": loss, "metrics": metrics, "weighted_metrics": weighted_metrics}
            run = RunOfRows(
                chosen, epochs, batch_size, shuffle, seed, params, state, initial_epoch, early_stopping,
                saving, halvings, progress, watch, started,
            )  # fmt: skip
            result = fit_stream(model, source, {**of_objective, "loss_weights": loss_weights}, run)
            divergence.warn(result.divergence)
            return result
        read = given_rows(layout, x, y, sample_weight, validation_data, validation_split)
        training, validation = split_data(model, *read[:3], class_weight, *read[3:5])
        objective = make_objective(
            model,
            loss,
            metrics=metrics,
            weighted_metrics=weighted_metrics,
            loss_weights=loss_weights,
            targets=training["y"],
        )
        training = ready_data(objective, training)
        validation = None if validation is None else ready_data(objective, validation)
        state, given = first_state(model, chosen, seed, params, state, halvings)
        rows = describe_rows(read, training, validation) if saving is not None or layout is not None else {}
        former = None if layout is not None else partial(former_rows, training, validation)
        chosen_layout = choose_layout(layout or devices, state.params, batch_size, training)
        check_watch(watch, chosen_layout.layout)
        if chosen_layout.layout is not None:
            training, validation = placed(read, chosen_layout.layout, training, validation)
        spec = make_spec(objective, chosen.rule, batch_size, training, validation, early_stopping)
        order = make_order(shuffle, seed, num_rows_of(training))
        settings = {"batch_size": spec.batch_size, "shuffle": shuffle, "seed": seed, "halvings": halvings}
        settings |= {"initial_epoch": initial_epoch, "early_stopping": early_stopping}
        saver, identity = None, {}
        if saving is not None or layout is not None:
            identity = describe_run(objective, chosen, rows, given, settings)
            if layout is not None:
                check_same(read, identity, epochs)
        if saving is not None:
            goal = make_goal(objective, saving.monitor, early_stopping, validation is not None)
            saver = Saver(saving, identity, goal, chosen_layout.num_devices, former)
    loop = HostLoop(
        spec,
        objective,
        training,
        validation,
        order,
        early_stopping,
        started,
        saver=saver,
        max_halvings=halvings,
        placement=make_placement(chosen_layout.layout),
        watch=watch,
    )
    with reporting_to(progress) as report_to:
        result = loop.until(epochs, initial_epoch, state, report_to)
    divergence.warn(result.divergence)
    return replace(result, forecast=chosen_layout.forecast)
