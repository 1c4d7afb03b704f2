"""`fit` of a source of rows: the same words, the same program."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxgd._checks import check_real, wrong
from jaxgd._types import PyTree
from jaxgd.checkpoints.rows import row_facts, show_rows
from jaxgd.model_base import Model
from jaxgd.scaling import hosts
from jaxgd.training.batching import Shuffled
from jaxgd.training.checkpointing import Checkpoint, Saver
from jaxgd.training.describing import describe_run, make_goal
from jaxgd.training.early_stopping import EarlyStopping
from jaxgd.training.objective import Objective, make_objective
from jaxgd.training.preparing import first_state, make_order, make_spec, ready_data, split_data
from jaxgd.training.progress import ProgressFn, reporting_to
from jaxgd.training.result import FitResult
from jaxgd.training.state import TrainState
from jaxgd.training.streaming.evaluating import StreamSums, first_row
from jaxgd.training.streaming.feed import Feed
from jaxgd.training.streaming.loop import StreamLoop
from jaxgd.training.streaming.order import StreamOrder
from jaxgd.training.streaming.source import Part, RowSource
from jaxgd.training.streaming.windows import WindowReader, ready_for, ready_rows, window_rows
from jaxgd.training.watching import WatchFn


class RowsOfRun(NamedTuple):
    """The arguments of `fit` that say which rows train and which validate."""

    source: RowSource
    y: Any
    sample_weight: Any
    class_weight: Mapping[Any, Any] | None
    validation_data: Any
    validation_split: float
    devices: Any

    def check(self) -> None:
        """Raises ValueError for what a source cannot have."""
        self.source.check_alone(self.y, self.sample_weight)
        if self.devices not in (None, 1, "auto") or hosts.num_processes() > 1:
            raise ValueError(
                "devices: a source trains in one process on one device; give arrays, memory-mapped ones say, "
                "to train on several."
            )

    def divided(self) -> tuple[RowSource, Any]:
        """The source of the training rows, and what validates: a source, arrays or None."""
        if self.validation_data is not None or not self.validation_split:
            return self.source, self.validation_data
        check_real("validation_split", self.validation_split, 0.0, 1.0)
        num_rows = self.source.num_rows
        first = math.floor(num_rows * (1.0 - self.validation_split))
        if not 0 < first < num_rows:
            got = f"{self.validation_split} of {num_rows} rows"
            raise wrong("validation_split", got, "rows on both sides")
        return Part(self.source, 0, first), Part(self.source, first, num_rows)


class RunOfRows(NamedTuple):
    """The other arguments of `fit`, checked by it."""

    optimizer: Any
    epochs: int
    batch_size: int
    shuffle: bool | str
    seed: Any
    params: Any
    state: TrainState | None
    initial_epoch: int
    early_stopping: EarlyStopping | None
    saving: Checkpoint | None
    halvings: int
    progress: ProgressFn | bool | None
    watch: WatchFn | None
    started: float


def fit_stream(model: Model, rows: RowsOfRun, of_objective: Mapping[str, Any], run: RunOfRows) -> FitResult:
    """Train on a source of rows. Raises as `fit`, and what the source raises."""
    rows.check()
    training, validating = rows.divided()
    for source in (training, validating):
        if isinstance(source, RowSource):
            source.expect_passes(run.epochs - run.initial_epoch)
    template = first_row(training, ready_rows(model, rows.class_weight))
    objective = make_objective(model, targets=template["y"], **of_objective)
    template = ready_data(objective, template)
    batch_size = min(run.batch_size, training.num_rows)
    streamed, validation, num_validation = _validation(model, objective, validating, batch_size)
    training_size, validation_size = _as_data(training.num_rows), _as_data(num_validation)
    spec = make_spec(
        objective, run.optimizer.rule, run.batch_size, training_size, validation_size, run.early_stopping
    )
    state, given = first_state(model, run.optimizer, run.seed, run.params, run.state, run.halvings)
    size = window_rows(training.window_rows, batch_size, training.num_rows, template)
    order = StreamOrder(training.block_rows, batch_size, size, _words(run.shuffle, run.seed))
    facts = {"training": training, "validation": validating if streamed else validation, "window": size}
    reader = WindowReader(training, order, ready_for(objective, rows.class_weight))
    with Feed(reader, max(run.epochs, 1)) as feed, reporting_to(run.progress) as report_to:
        loop = StreamLoop(
            feed,
            streamed,
            template,
            spec=spec,
            objective=objective,
            validation=validation,
            early_stopping=run.early_stopping,
            started=run.started,
            saver=_saver(objective, run, given, facts, num_validation),
            max_halvings=run.halvings,
            watch=run.watch,
        )
        return loop.until(run.epochs, run.initial_epoch, state, report_to)


def _as_data(num_rows: int | None) -> Any:
    """What stands for data where only the number of rows is looked at."""
    return None if num_rows is None else {"x": jax.ShapeDtypeStruct((num_rows,), np.float32)}


def _validation(
    model: Model, objective: Objective, given: Any, batch_size: int
) -> tuple[StreamSums | None, PyTree, int | None]:
    """What sums up a source that validates; or the arrays that do; and how many rows they have."""
    if isinstance(given, RowSource):
        size = min(batch_size, given.num_rows)
        return StreamSums(objective.at_inference(), given, size), None, given.num_rows
    if given is None:
        return None, None, None
    if not isinstance(given, Sequence) or len(given) not in (2, 3):
        raise wrong("validation_data", type(given), "a source, (x, y) or (x, y, sample_weight)")
    x, y, weight = [*given, None][:3]
    data = ready_data(objective, split_data(model, x, y, weight, None, None, 0.0)[0])
    return None, data, len(data["x"])


def _words(shuffle: bool | str, seed: Any) -> tuple[int, int] | None:
    """What the order of rows comes from. Raises ValueError for an order that a source cannot have."""
    if shuffle == "keras":
        raise wrong("shuffle", shuffle, "True or False for a source: Keras's order needs all rows at once")
    order = make_order(shuffle, seed, 1)
    if not isinstance(order, Shuffled):
        return None
    first, second = (int(word) for word in order.words)
    return first, second


def _saver(
    objective: Objective, run: RunOfRows, given: Any, facts: Mapping[str, Any], num_validation: int | None
) -> Saver | None:
    if run.saving is None:
        return None
    settings = {
        "batch_size": run.batch_size,
        "shuffle": run.shuffle,
        "seed": run.seed,
        "halvings": run.halvings,
        "initial_epoch": run.initial_epoch,
        "early_stopping": run.early_stopping,
    }
    rows = {name: _facts(value) for name, value in facts.items()}
    identity = describe_run(objective, run.optimizer, rows, given, settings)
    validates = num_validation is not None
    goal = make_goal(objective, run.saving.monitor, run.early_stopping, validates)
    return Saver(run.saving, identity, goal)


def _facts(value: Any) -> Any:
    """A source, the arrays that validate, None, or a number, in plain values."""
    if isinstance(value, RowSource):
        return dict(value.describe())
    return value if value is None or isinstance(value, int) else show_rows([row_facts(value)])
