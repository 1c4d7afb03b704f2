"""What an update rule is to the diagnosis: a direction per step, as a function of unknown numbers."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from jaxgd.parity.diagnosing.problem import Problem

Numbers = Mapping[str, np.ndarray]
"""{parameter: [starts, 1]}: every simulation runs for several guesses at once."""


@dataclass(frozen=True)
class Parameter:
    """An unknown number of a rule.

    Args:
      name: Keras's word for it.
      kind: "share" (in [0, 1), searched along log(1 - value)), "positive" (along its
        logarithm), "signed", "non-negative", or "whole" (not searched: one of the guesses).
      guesses: where searches start.
    """

    name: str
    kind: str
    guesses: tuple[float, ...]


MOMENTUM = Parameter("momentum", "share", (0.9, 0.6))
BETA_1 = Parameter("beta_1", "share", (0.9, 0.6))
BETA_2 = Parameter("beta_2", "share", (0.999, 0.95))
RHO = Parameter("rho", "share", (0.9, 0.99))
EPSILON = Parameter("epsilon", "positive", (1e-7, 1e-4))
EPSILON_INSIDE = Parameter("epsilon", "positive", (1e-7, 1e-10))
ACCUMULATOR = Parameter("initial_accumulator_value", "positive", (0.1, 1e-4))


class UpdateRule:
    """An update rule: `change = offset - rate * direction`, with the rate left open.

    `arithmetic` is how much more than other rules it rounds; `corrected_by` names the share b whose 1 - b^t
    divides, as that difference loses digits in the first steps; `own_decay` forbids any other; a rule with
    `whole_leaves` cannot be tried on some elements alone; one that `is_hard` needs more starts and longer
    searches. A subclass sets these, starts its slots in `__init__`, and gives `move`. Slots depend on the
    recorded gradients and parameters alone, never on what the simulation predicted, so errors do not grow.

    Args:
      numbers: its parameters' values.
      problem: what is explained; for shapes.
    """

    name: ClassVar[str]
    form: ClassVar[str] = ""
    parameters: ClassVar[tuple[Parameter, ...]] = ()
    whole_leaves: ClassVar[bool] = False
    own_decay: ClassVar[bool] = False
    rate_is_bounded: ClassVar[bool] = False
    arithmetic: ClassVar[float] = 1.0
    corrected_by: ClassVar[str | None] = None
    is_hard: ClassVar[bool] = False
    keeps_rates: ClassVar[bool] = False

    def __init__(self, numbers: Numbers, problem: Problem) -> None:
        self.numbers = numbers
        self.problem = problem

    def __getattr__(self, name: str) -> np.ndarray:
        try:
            return self.__dict__["numbers"][name]
        except KeyError:
            raise AttributeError(name) from None

    def move(self, step: int, grad: np.ndarray, value: np.ndarray) -> tuple[Any, np.ndarray]:
        """Offset and direction [starts, elements] of a step, counted from 1."""
        raise NotImplementedError

    def settle(self, rate: np.ndarray) -> None:
        """Told the rate [starts, 1] of the step if the rule `keeps_rates` in its slots."""


def mean_of(old: Any, new: Any, kept: Any) -> Any:
    """kept old + (1 - kept) new."""
    return kept * old + (1 - kept) * new
