"""A trial: one call of `fit` that a sweep stands for, described and not yet run."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from jaxgd._types import Params
from jaxgd.optimizers import Optimizer
from jaxgd.training.early_stopping import EarlyStopping
from jaxgd.training.objective import Objective


@dataclass(frozen=True, eq=False)
class Fold:
    """The rows that some trials share.

    Attributes:
      number: which fold of a cross-validation, from 0; None without one.
      training, validation: arrays by name (`x`, `y`, perhaps `sample_weight`); the latter None if nothing
        validates.
      statistics: parameters that take the place of the initial ones, {layer: {leaf: array}}, such as
        those of a normalization layer.
    """

    number: int | None
    training: Mapping[str, Any]
    validation: Mapping[str, Any] | None
    statistics: Params = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Trial:
    """What `fit` would be called with.

    Attributes:
      settings: {axis: value}, for the table and the journal.
      objective: model, loss and metrics.
      optimizer, epochs, batch_size, shuffle, seed, early_stopping: as in `fit`.
      fold: the rows.
    """

    settings: Mapping[str, Any]
    objective: Objective
    optimizer: Optimizer
    epochs: int
    batch_size: int
    shuffle: bool | str
    seed: int
    early_stopping: EarlyStopping | None
    fold: Fold

    @property
    def model(self) -> Any:
        """The network."""
        return self.objective.model

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of its history."""
        plain = ("loss", *self.objective.named_metrics)
        return plain if self.fold.validation is None else (*plain, *(f"val_{name}" for name in plain))

    @property
    def steps_per_epoch(self) -> int:
        """How many batches an epoch has."""
        return -(-len(self.fold.training["x"]) // self.batch_size)
