"""What came of one member of a sweep."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from jaxgd._types import Params
from jaxgd.model import Sequential
from jaxgd.training.history import History

Status: TypeAlias = Literal["done", "diverged", "dropped", "not run"]


@dataclass(frozen=True, eq=False)
class Member:
    """One run of a sweep.

    Attributes:
      number: its place in the sweep, from 0.
      settings: {axis: value}.
      seed, fold: which of them; the fold is None without a cross-validation.
      model: the network.
      status: "done"; "diverged", with what was reached before; "dropped" by successive halving; "not run".
      params: as `fit` gives them, on the host; None if they were not kept.
      history: a value an epoch.
      best_epoch, stopped_early: as in `FitResult`.
      diverged_at: epoch and step, from 1, of the first that was not finite, or None.
      steps: how many were taken.
    """

    number: int
    settings: Mapping[str, Any]
    seed: int
    fold: int | None
    model: Sequential
    status: Status = "not run"
    params: Params | None = None
    history: History = field(default_factory=History)
    best_epoch: int | None = None
    stopped_early: bool = False
    restored: bool = False
    """Whether `params` are those of the best epoch instead of the last."""
    diverged_at: tuple[int, int] | None = None
    steps: int = 0

    def __repr__(self) -> str:
        fold = "" if self.fold is None else f", fold {self.fold}"
        facts = f"{dict(self.settings)}, seed {self.seed}{fold}, {self.status}"
        return f"Member({self.number}: {facts}, {self.history.summary()})"

    @property
    def epochs(self) -> int:
        """Finished epochs."""
        return self.history.epochs

    def value(self, column: str) -> float | None:
        """A column of the history at the epoch whose parameters were kept; None where there is none."""
        values = self.history.columns.get(column)
        if values is None or not len(values) or self.status == "diverged":
            return None
        place = self.best_epoch if self.restored and self.best_epoch is not None else len(values) - 1
        number = values[min(place, len(values) - 1)]
        return float(number) if getattr(number, "ndim", 0) == 0 and math.isfinite(number) else None
