"""Successive halving: all settings for a few epochs, the better share of them for longer, and so on."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from jaxgd._checks import check_integer, check_real
from jaxgd.sweeps.member import Member
from jaxgd.sweeps.ranking import Ranking


@dataclass(frozen=True)
class Halving:
    """After `first` epochs one in `factor` of the settings goes on for `factor` times as many, and so on.

    A setting is judged by the mean over its seeds and folds; one with a member that diverged goes last. Runs
    are continued where they stood, so that a survivor ends as if it had been trained in one go.

    Args:
      factor: above 1.
      first: epochs before the first decision, at least 1.

    Raises:
      TypeError, ValueError: a number out of range.
    References: Jamieson and Talwalkar (2016), "Non-stochastic best arm identification".
    >>> Halving(3, 2).rungs(30)
    [2, 6, 18, 30]
    """

    factor: float = 3.0
    first: int = 1

    def __post_init__(self) -> None:
        check_real("factor", self.factor)
        if self.factor <= 1:
            raise ValueError(f"factor: expected a number above 1, got {self.factor!r}.")
        check_integer("first", self.first, 1)

    def rungs(self, epochs: int) -> list[int]:
        """The epochs after which it is decided who goes on; the last rung is the end."""
        rungs, at = [], float(self.first)
        while at < epochs:
            rungs.append(math.floor(at))
            at = max(at * self.factor, at + 1)
        return [*rungs, epochs]

    def survivors(self, members: Sequence[Member], ranking: Ranking) -> list[int]:
        """The numbers of the members whose settings go on, in order; one setting at least."""
        groups: dict[str, list[Member]] = {}
        for member in sorted(members, key=lambda member: member.number):
            groups.setdefault(repr(member.settings), []).append(member)
        best_first = sorted(groups.values(), key=lambda group: ranking.key(_mean(group, ranking)))
        kept = best_first[: max(1, math.ceil(len(groups) / self.factor))]
        return sorted(member.number for group in kept for member in group if member.status != "diverged")


def _mean(group: Sequence[Member], ranking: Ranking) -> float | None:
    values = [member.value(ranking.monitor) for member in group]
    numbers = [value for value in values if value is not None]
    return sum(numbers) / len(numbers) if len(numbers) == len(values) else None
