"""By what the members of a sweep are compared."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from jaxgd._checks import unknown_name
from jaxgd.sweeps.member import Member
from jaxgd.sweeps.trial import Trial

_MODES = ("auto", "min", "max")


@dataclass(frozen=True)
class Ranking:
    """A column of the history, and which direction is better.

    Attributes:
      monitor: the column.
      larger_is_better: whether a large value is good.
    """

    monitor: str
    larger_is_better: bool

    def key(self, value: float | None) -> tuple[bool, float]:
        """Sorts the best value first and None last."""
        return (value is None, 0.0 if value is None else -value if self.larger_is_better else value)

    def sorted(self, members: Sequence[Member]) -> tuple[Member, ...]:
        """The best first; behind it what halving dropped after fewer epochs; then what has no value."""
        return tuple(sorted(members, key=self._of))

    def _of(self, member: Member) -> tuple[Any, ...]:
        has_none, value = self.key(member.value(self.monitor))
        return has_none, member.status == "dropped", value, member.number


def make_ranking(trials: Sequence[Trial], monitor: str | None, mode: str) -> Ranking:
    """What the trials are compared by: the given column, that of early stopping, or the loss.

    Raises:
      ValueError: a column that some trial does not record, an unknown mode, a column without a known
        direction, or a loss to compare trials of different losses by.
    """
    if mode not in _MODES:
        raise unknown_name("mode", mode, _MODES)
    first = trials[0]
    if monitor is None and first.early_stopping is not None:
        monitor = first.early_stopping.monitor
    if monitor is None:
        monitor = "loss" if first.fold.validation is None else "val_loss"
    for trial in trials:
        if monitor not in trial.columns:
            raise unknown_name("monitor", monitor, trial.columns)
    bare = monitor.removeprefix("val_")
    if bare == "loss" and len({trial.objective.loss for trial in trials}) > 1:
        raise ValueError(f"monitor: {monitor} compares nothing between different losses; name a metric.")
    direction = "min" if bare == "loss" else first.objective.named_metrics[bare].direction
    direction = direction if mode == "auto" else mode
    if direction is None:
        raise ValueError(f"monitor: {monitor!r} may be better up or down; give mode.")
    return Ranking(monitor, direction == "max")
