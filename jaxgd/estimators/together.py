"""Many trainings of estimators as one sweep: collected first, trained together, then handed out."""

import hashlib
from collections import defaultdict, deque
from collections.abc import Hashable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from jaxgd._types import Params
from jaxgd.checkpoints import describe
from jaxgd.estimators.trained import Outcome, Training, trained
from jaxgd.model import Sequential
from jaxgd.sweeps.campaign import Campaign
from jaxgd.sweeps.ranking import Ranking
from jaxgd.sweeps.sweep import lanes_of
from jaxgd.sweeps.table import SweepTable
from jaxgd.sweeps.trial import Fold, Trial
from jaxgd.training.objective import make_objective
from jaxgd.training.preparing import split_data


class Seeds:
    """The seeds that equal trainings get one after the other; without any each keeps its own."""

    def __init__(self, seeds: Sequence[int] | None) -> None:
        self.seeds = seeds
        self._count: dict[Hashable, int] = defaultdict(int)

    def give(self, training: Training) -> Training:
        """The training with the seed that is its turn."""
        if self.seeds is None:
            return training
        key = key_of(replace(training, seed=0))
        turn, self._count[key] = self._count[key], self._count[key] + 1
        return replace(training, seed=self.seeds[turn % len(self.seeds)])


class Collector:
    """A trainer that trains nothing yet."""

    def __init__(self, seeds: Sequence[int] | None) -> None:
        self.seeds = Seeds(seeds)
        self.trainings: list[Training] = []

    def __call__(self, training: Training) -> None:
        """Take the training down."""
        self.trainings.append(self.seeds.give(training))


class Dispenser:
    """A trainer that hands out what was trained before; what was not foreseen is trained on the spot."""

    def __init__(self, sweep: "Together | None", seeds: Sequence[int] | None) -> None:
        self.seeds = Seeds(seeds)
        self.sweep = sweep
        self._numbers: dict[Hashable, deque[int]] = defaultdict(deque)
        for number, training in enumerate([] if sweep is None else sweep.trainings):
            self._numbers[key_of(training)].append(number)

    def __call__(self, training: Training) -> Outcome:
        """The outcome of an equal training."""
        known = self._numbers.get(key_of(self.seeds.give(training)))
        if self.sweep is None:
            return trained(training)
        return self.sweep.outcomes[known.popleft()] if known else self.sweep.one_more(training)

    def stand_in(self, model: Sequential, params: Params) -> tuple[Sequential, Params]:
        """A network whose program others share; the same one if these parameters are not the sweep's."""
        return (model, params) if self.sweep is None else self.sweep.stand_in(model, params)


def key_of(training: Training) -> Hashable:
    """Equal for trainings that give the same numbers."""
    names = ("model", "loss", "metrics", "weighted_metrics", "epochs", "batch_size", "shuffle", "seed")
    optimizer = training.optimizer
    return (
        *(getattr(training, name) for name in (*names, "early_stopping")),
        optimizer.rule,
        *((name, _hashable(value)) for name, value in optimizer.settings.items()),
        *_rows_of(training),
    )


def _hashable(value: Any) -> Hashable:
    try:
        hash(value)
    except TypeError:
        return repr(describe(value))
    return value


def _rows_of(training: Training) -> tuple[Hashable, ...]:
    """Checksums of the rows that train and validate."""
    return tuple(
        None if array is None else _digest(array)
        for array in (training.x, training.y, training.sample_weight, *(training.validation_data or ()))
    )


def _digest(array: np.ndarray) -> Hashable:
    whole = hashlib.blake2b(np.ascontiguousarray(array).data, digest_size=16)
    return array.shape, array.dtype.str, whole.digest()


class Together:
    """Several trainings, run as one sweep.

    Args:
      trainings: that begin with new parameters.
      plan, lanes, memory_budget: as in `jaxgd.sweep`.
      room: rows of a training that may follow.

    Attributes:
      outcomes: of the trainings, in their order.
      table: the sweep's.

    Raises:
      ValueError: too little memory, or a plan that is unknown.
    """

    def __init__(
        self,
        trainings: Sequence[Training],
        plan: Any,
        lanes: int | None,
        memory_budget: int | None,
        room: int = 0,
    ) -> None:
        self.trainings = trainings
        folds: dict[Hashable, Fold] = {}
        trials = [_trial(number, training, folds) for number, training in enumerate(trainings)]
        self._campaign = Campaign(
            trials,
            Ranking("loss", larger_is_better=False),
            choice=plan,
            lanes=lanes_of(lanes, len(trials)),
            memory_budget=memory_budget,
            keep="all",
            pad=True,
            room=room,
        )
        self.table: SweepTable = self._campaign.run(None)
        if self.table.interrupted:
            raise KeyboardInterrupt
        by_number = sorted(self.table.members, key=lambda member: member.number)
        self.outcomes = [Outcome.of_member(member) for member in by_number]
        self._numbers = {id(outcome.params): number for number, outcome in enumerate(self.outcomes)}

    def one_more(self, training: Training) -> Outcome:
        """The outcome of a training that is not among them, by one of their programs if that serves it."""
        found = None if training.params is not None else self._campaign.one_more(_trial(0, training, {}))
        return trained(training) if found is None else Outcome.of_member(*found)

    def stand_in(self, model: Sequential, params: Params) -> tuple[Sequential, Params]:
        """A network that computes the same, whose program it shares with others of the sweep."""
        number = self._numbers.get(id(params))
        return (model, params) if number is None else self._campaign.stand_in(number, params)


def _trial(number: int, training: Training, folds: dict[Hashable, Fold]) -> Trial:
    rows = _rows_of(training)
    if rows not in folds:
        split = split_data(
            training.model,
            training.x,
            training.y,
            training.sample_weight,
            None,
            training.validation_data,
            0.0,
        )
        folds[rows] = Fold(len(folds), *split)
    return Trial(
        settings={"fit": number},
        objective=make_objective(
            training.model,
            training.loss,
            metrics=training.metrics,
            weighted_metrics=training.weighted_metrics,
            targets=folds[rows].training["y"],
        ),
        optimizer=training.optimizer,
        epochs=training.epochs,
        batch_size=training.batch_size,
        shuffle=training.shuffle,
        seed=training.seed,
        early_stopping=training.early_stopping,
        fold=folds[rows],
    )
