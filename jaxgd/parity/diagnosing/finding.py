"""A fitted rule in words and numbers."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from jaxgd.parity.diagnosing.model import to_value
from jaxgd.parity.diagnosing.rules import Parameter
from jaxgd.parity.diagnosing.search import Attempt, Views

_SURE = 0.01
_ZERO_SHARE = 1e-6


@dataclass(frozen=True)
class Number:
    """A hyperparameter: its value, and the range that the run leaves open (two standard errors).

    >>> str(Number(0.1234, 0.1233, 0.1236)), str(Number(0.99, 0.98, 0.999, is_share=True))
    ('0.1234', '0.98 to 0.999 (open)')
    """

    value: float
    low: float
    high: float
    is_share: bool = False

    @property
    def is_determined(self) -> bool:
        """Whether the run determines it to 1 %; a share, what it lacks to 1 as well."""
        size = min(abs(self.value), 1 - self.value) if self.is_share else abs(self.value)
        return self.high - self.low <= 2 * _SURE * max(size, _ZERO_SHARE if self.is_share else 0.0)

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
        digits = 5 if self.is_share else 2
        return f"{self.low:.{digits}g} to {self.high:.{digits}g} (open)"


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
        numbers[name] = Number(numbers[name].value, low, high, is_share=True)
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
    if parameter.kind == "whole":
        return Number(float(unknown), float(unknown), float(unknown))
    ends = [float(to_value(parameter, end)) for end in (unknown - spread, unknown + spread)]
    lowest = 0.0 if parameter.kind in ("share", "non-negative") else -np.inf
    return Number(
        float(to_value(parameter, unknown)), max(min(ends), lowest), max(ends), parameter.kind == "share"
    )


def relative_residual(views: Views, attempt: Attempt) -> float:
    """Root mean square of what is unexplained over that of the changes."""
    problem = views.of(attempt.model.rule)
    weights = problem.weights(attempt.model.rule.arithmetic)
    left = attempt.model.residuals(problem, attempt.x[None], weights)[0][0] / weights.ravel()
    return float(np.sqrt(np.mean(left**2) / np.mean(problem.changes**2)))
