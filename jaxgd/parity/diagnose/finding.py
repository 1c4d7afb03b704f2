"""A fitted rule in words and numbers."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from jaxgd.parity.diagnose.model import to_value
from jaxgd.parity.diagnose.rules import Parameter
from jaxgd.parity.diagnose.search import Attempt, Views

_SURE = 0.01


@dataclass(frozen=True)
class Number:
    """A hyperparameter: its value, and the range that the run leaves open (two standard errors)."""

    value: float
    low: float
    high: float

    @property
    def is_determined(self) -> bool:
        """Whether the run determines it to 1 %."""
        return self.high - self.low <= 2 * _SURE * abs(self.value)

    @property
    def short(self) -> float:
        """The number of fewest digits within the range."""
        for digits in range(1, 13):
            rounded = float(f"{self.value:.{digits - 1}e}")
            if self.low <= rounded <= self.high:
                return rounded
        return self.value

    def __str__(self) -> str:
        if self.is_determined:
            return f"{self.short:.6g}"
        return f"not determined by this run ({self.low:.2g} to {self.high:.2g})"


@dataclass(frozen=True)
class Finding:
    """A rule that was fitted to a run.

    Args:
      name: the optimizer.
      form: which of its forms.
      schedule: of the learning rate, or None if no known one fits.
      decay: how parameters decay, "" if they do not.
      clipping: how gradients were clipped, "" if they were not.
      numbers: {hyperparameter: Number}.
      residual: root mean square of what is unexplained, in units of rounding.
      relative: the same, relative to the changes.
    """

    name: str
    form: str
    schedule: str | None
    decay: str
    clipping: str
    numbers: Mapping[str, Number]
    residual: float
    relative: float

    @property
    def title(self) -> str:
        """Everything but the numbers, in one line."""
        return ", ".join(part for part in (self.name, self.form, self.clipping, self.decay) if part)

    def to_json(self) -> dict[str, Any]:
        """As plain data; what is open on one side has None there."""
        plain = asdict(self)
        plain["numbers"] = {
            name: {
                "value": number.value,
                "low": _finite(number.low),
                "high": _finite(number.high),
                "determined": number.is_determined,
            }
            for name, number in self.numbers.items()
        }
        return plain


def _finite(value: float) -> float | None:
    return value if np.isfinite(value) else None


def make_finding(views: Views, attempt: Attempt) -> Finding:
    """An attempt as a finding."""
    model = attempt.model
    errors = attempt.errors if len(attempt.x) else np.zeros(0)
    numbers = {
        parameter.name: _number(parameter, attempt.x[place], 2 * errors[place])
        for place, parameter in enumerate(model.parameters)
    }
    for name, (low, high) in attempt.ranges.items():
        numbers[name] = Number(numbers[name].value, low, high)
    return Finding(
        name=model.rule.name,
        form=model.rule.form,
        schedule=model.schedule and model.schedule.name,
        decay=_decay(model.decay, model.coupled),
        clipping=model.clipping or "",
        numbers=numbers,
        residual=attempt.rms,
        relative=relative_residual(views, attempt),
    )


def _decay(decay: str, coupled: bool) -> str:
    kind = "decay added to the gradient" if coupled else "decoupled decay"
    places = {"none": "", "all": kind, "matrices": f"{kind} of matrices", "each": f"{kind}, vectors apart"}
    return places[decay]


def _number(parameter: Parameter, unknown: float, spread: float) -> Number:
    ends = [float(to_value(parameter, end)) for end in (unknown - spread, unknown + spread)]
    with np.errstate(over="ignore"):
        return Number(float(to_value(parameter, unknown)), min(ends), max(ends))


def relative_residual(views: Views, attempt: Attempt) -> float:
    """Root mean square of what is unexplained over that of the changes."""
    problem = views.of(attempt.model.rule)
    weights = np.ones_like(problem.changes)
    if attempt.model.schedule is None:
        weights = problem.weights(attempt.model.rule.arithmetic)
    left = attempt.model.residuals(problem, attempt.x[None], weights)[0][0] / weights.ravel()
    return float(np.sqrt(np.mean(left**2) / np.mean(problem.changes**2)))
