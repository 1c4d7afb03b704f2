"""One hypothesis about a run: a rule, what is done to gradients before it, its decay, its schedule."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from jaxgd.parity.diagnosing.problem import Problem
from jaxgd.parity.diagnosing.rules import Parameter, UpdateRule
from jaxgd.parity.diagnosing.rules._rule import Numbers
from jaxgd.parity.diagnosing.schedules import Schedule

CLIPPINGS = ("global_clipnorm", "clipnorm", "clipvalue")
_BOUNDS = {
    "share": (-12.0, 0.0),
    "positive": (-75.0, 30.0),
    "signed": (-np.inf, np.inf),
    "non-negative": (0.0, np.inf),
    "whole": (1.0, np.inf),
}
_INCREMENTS = {"share": 1e-6, "positive": 1e-6, "signed": 1e-7, "non-negative": 1e-7, "whole": 1e-7}
_DECAY, _VECTOR_DECAY = (
    Parameter("weight_decay", "signed", (0.0,)),
    Parameter("vector_decay", "signed", (0.0,)),
)
_DECAYS = {"none": (), "all": (_DECAY,), "matrices": (_DECAY,), "each": (_DECAY, _VECTOR_DECAY)}


def to_unknown(parameter: Parameter, value: Any) -> Any:
    """A parameter's value as the number that is searched for."""
    if parameter.kind == "share":
        return np.log1p(-np.minimum(value, 1 - 1e-9))
    return np.log(value) if parameter.kind == "positive" else value


def to_value(parameter: Parameter, unknown: Any) -> Any:
    """The inverse of `to_unknown`; infinite where it is beyond every float."""
    with np.errstate(over="ignore"):
        if parameter.kind == "share":
            return -np.expm1(unknown)
        return np.exp(unknown) if parameter.kind == "positive" else unknown


@dataclass(frozen=True)
class Model:
    """A hypothesis; see `Model.residuals`.

    Args:
      rule: the update rule.
      clipping: what is done to gradients first, or None.
      coupled: whether decay is added to the gradient rather than to the direction.
      decay: which leaves decay: "none", "all", "matrices", or "each" of matrices and vectors its own way.
      schedule: the rates, or None for whatever rates fit best.
    """

    rule: type[UpdateRule]
    clipping: str | None = None
    coupled: bool = False
    decay: str = "none"
    schedule: type[Schedule] | None = None

    @cached_property
    def parameters(self) -> tuple[Parameter, ...]:
        """The unknowns, in order."""
        clipping = (Parameter(self.clipping, "positive", (1.0,)),) if self.clipping else ()
        schedule = self.schedule.parameters if self.schedule else ()
        return (*self.rule.parameters, *clipping, *_DECAYS[self.decay], *schedule)

    @property
    def names(self) -> list[str]:
        """The unknowns' names."""
        return [parameter.name for parameter in self.parameters]

    @property
    def bounds(self) -> tuple[np.ndarray, np.ndarray]:
        """Of the unknowns, lower and upper."""
        pairs = np.array([_BOUNDS[parameter.kind] for parameter in self.parameters]).reshape(-1, 2)
        return pairs[:, 0], pairs[:, 1]

    @property
    def increments(self) -> np.ndarray:
        """Of differences along the unknowns."""
        return np.array([_INCREMENTS[parameter.kind] for parameter in self.parameters])

    def with_schedule(self, schedule: "type[Schedule] | None") -> "Model":
        """The same with other rates."""
        return replace(self, schedule=schedule)

    def numbers(self, x: np.ndarray) -> dict[str, np.ndarray]:
        """{name: [starts, 1]} from unknowns [starts, unknowns]."""
        return {p.name: to_value(p, x[:, [place]]) for place, p in enumerate(self.parameters)}

    def residuals(self, problem: Problem, x: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, ...]:
        """What the model leaves unexplained.

        Args:
          x: [starts, unknowns].
          weights: [steps, elements], of the residuals.

        Returns:
          Residuals [starts, steps * elements], rates [starts, steps], and the rates' standard errors.
        """
        numbers = self.numbers(x)
        with np.errstate(all="ignore"):
            return self._simulate(problem, numbers, len(x), weights)

    def _simulate(
        self, problem: Problem, numbers: Numbers, starts: int, weights: np.ndarray
    ) -> tuple[np.ndarray, ...]:
        rule = self.rule(numbers, problem)
        known = None if self.schedule is None else self._rates(problem, numbers)
        shape = (starts, *problem.changes.shape)
        if rule.keeps_rates:
            return self._step_by_step(problem, rule, weights, known, shape)
        offsets, wholes = np.zeros(shape), np.empty(shape)
        for t, (offset, whole) in enumerate(self._moves(problem, rule)):
            offsets[:, t], wholes[:, t] = offset, whole
        left, rates, errors = _solved(problem.changes - offsets, wholes, weights, known)
        return left.reshape(starts, -1), np.broadcast_to(rates, shape[:2]), errors

    def _step_by_step(
        self, problem: Problem, rule: UpdateRule, weights: np.ndarray, known: np.ndarray | None, shape: tuple
    ) -> tuple[np.ndarray, ...]:
        """For rules that must be told the rate of each step before the next."""
        left = np.empty(shape)
        rates, errors = np.empty(shape[:2]), np.empty(shape[:2])
        for t, (offset, whole) in enumerate(self._moves(problem, rule)):
            given = None if known is None else known[:, t]
            left[:, t], rates[:, t], errors[:, t] = _solved(
                problem.changes[t] - offset, whole, weights[t], given
            )
            rule.settle(rates[:, [t]])
        return left.reshape(shape[0], -1), rates, errors

    def _moves(self, problem: Problem, rule: UpdateRule) -> Iterator[tuple[Any, np.ndarray]]:
        """Offset and direction of each step, with decay."""
        decays = self._decays(problem, rule.numbers)
        for t in range(problem.steps):
            value = problem.values[t]
            grad = self._gradient(problem, t, rule.numbers)
            if decays is None:
                yield rule.move(t + 1, grad, value)
            elif self.coupled:
                yield rule.move(t + 1, grad + decays * value, value)
            else:
                offset, direction = rule.move(t + 1, grad, value)
                yield offset, direction + decays * value

    def _rates(self, problem: Problem, numbers: Numbers) -> np.ndarray:
        times = np.arange(problem.steps, dtype=float)
        rates = self.schedule.rates(times, numbers) if self.schedule else np.ones((1, problem.steps))
        return np.minimum(rates, 1 / np.sqrt(times + 1)) if self.rule.rate_is_bounded else rates

    def _decays(self, problem: Problem, numbers: Numbers) -> np.ndarray | None:
        """[starts, elements], what is multiplied with the parameters."""
        if self.decay == "none":
            return None
        matrices = problem.matrix_mask
        if self.decay == "all":
            return np.broadcast_to(numbers["weight_decay"], (len(numbers["weight_decay"]), len(matrices)))
        decays = numbers["weight_decay"] * matrices
        return decays + numbers["vector_decay"] * (1 - matrices) if self.decay == "each" else decays

    def _gradient(self, problem: Problem, t: int, numbers: Numbers) -> np.ndarray:
        """[starts or 1, elements], clipped."""
        grad = problem.grads[t][None]
        if self.clipping is None:
            return grad
        limit = numbers[self.clipping]
        if self.clipping == "clipvalue":
            return np.clip(grad, -limit, limit)
        if self.clipping == "global_clipnorm":
            return grad * (limit / np.maximum(problem.total_norm[t], limit))
        return grad * (limit / np.maximum(problem.norms[t][problem.leaf_index], limit))


def _solved(
    changes: np.ndarray, wholes: np.ndarray, weights: np.ndarray, known: np.ndarray | None
) -> tuple[Any, Any, Any]:
    """What is left of changes = -rate * whole, the rates that leave least (or `known`), and their errors."""
    target, weighted = changes * weights, wholes * weights
    information = np.einsum("...n,...n->...", weighted, weighted)
    if known is None:
        rates = -np.einsum("...n,...n->...", weighted, target) / np.where(information > 0, information, 1)
    else:
        rates = known
    errors = 1 / np.sqrt(np.maximum(information, np.finfo(float).tiny))
    return target + rates[..., None] * weighted, rates, errors
