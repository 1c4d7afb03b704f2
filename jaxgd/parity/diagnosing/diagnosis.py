"""`diagnose`: what rule made a run, with its numbers, or that none of the known ones did."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from jaxgd.parity.diagnosing.finding import Finding, make_finding, relative_residual
from jaxgd.parity.diagnosing.model import CLIPPINGS, Model, to_unknown
from jaxgd.parity.diagnosing.rates import with_schedule
from jaxgd.parity.diagnosing.rules import RULES, Lion, SignDescent, UpdateRule
from jaxgd.parity.diagnosing.search import (
    LIMIT,
    Attempt,
    Views,
    clipping_guesses,
    explained,
    polish,
    simplified,
)
from jaxgd.parity.diagnosing.signs import signed
from jaxgd.parity.diagnosing.trace import Run

_FLOAT32_CONSTANTS = 1e-6
_NEAR = 1e-3
_EQUAL, _SLACK, _SAME = 1.05, 0.1, 0.02


@dataclass(frozen=True)
class Diagnosis:
    """What was found.

    Args:
      findings: what explains the run down to rounding with the fewest numbers; empty if nothing does. If
        there is more than one, this run cannot tell them apart.
      nearest: what came nearest if nothing fits, with its residual; or None.
      precision: relative error of an update above rounding that had to be allowed.
    """

    findings: tuple[Finding, ...]
    nearest: Finding | None
    precision: float = 0.0

    @property
    def best(self) -> Finding | None:
        """The first finding, or None if none fits."""
        return self.findings[0] if self.findings else None

    def to_json(self) -> dict[str, Any]:
        """As plain data."""
        return {
            "fits": bool(self.findings),
            "findings": [finding.to_json() for finding in self.findings],
            "nearest": self.nearest and self.nearest.to_json(),
            "precision": self.precision,
        }


def diagnose(run: Run) -> Diagnosis:
    """The update rule that made a run, and its numbers, from parameters and gradients alone.

    Every rule of the catalogue is fitted to the increments with one free rate per step, by least squares in
    units of the run's own rounding; what explains them is given a schedule, and what then still explains them
    is ranked: fewer numbers first. Clipping and decay added to the gradient are tried when nothing else
    explains the run.

    Args:
      run: at least 5 steps from the start of the optimizer.

    Returns:
      A `Diagnosis`; without findings if no rule of the catalogue explains the run.
    Keras: knows every optimizer of Keras but LossScale and Multi, and the forms of PyTorch and optax.

    >>> import numpy as np
    >>> grads = np.random.default_rng(0).normal(size=(12, 3))
    >>> params = np.concatenate([np.ones((1, 3)), 1 - 0.25 * np.cumsum(grads, axis=0)])
    >>> found = diagnose(Run({"w": params}, {"w": grads})).best
    >>> found.name, round(found.numbers["learning_rate"].value, 6)
    ('sgd', 0.25)
    """
    views = Views(run, 0.0)
    signs = signed(views)
    plain = _stage(views, _plain(views), signs)
    if plain.complete:
        return plain.diagnosis
    varied = _stage(views, _varied(views))
    if varied.complete:
        return varied.diagnosis
    clipped = [attempt.model for attempt in varied.tried if attempt.model.clipping and not attempt.is_fit]
    both = _stage(views, [replace(model, decay=views.decay) for model in clipped])
    if both.complete:
        return both.diagnosis
    tried = [*plain.tried, *varied.tried, *both.tried]
    return Diagnosis((), make_finding(views, min(tried, key=_distance)) if tried else None)


class _Stage(NamedTuple):
    """What explains the run, schedule included, and whatever was fitted without one."""

    views: Views
    complete: list[Attempt]
    tried: list[Attempt]

    @property
    def diagnosis(self) -> Diagnosis:
        findings = tuple(make_finding(self.views, attempt) for attempt in _ranked(self.complete))
        return Diagnosis(findings, None, self.views.constants)


def _stage(views: Views, models: list[Model], signs: Sequence[Attempt] = ()) -> _Stage:
    """All of the models; in float64 once more with constants in float32 for what comes near."""
    fits, missed = explained(views, models) if models else ([], [])
    tried = [*signs, *fits, *missed]
    complete = _scheduled(views, [*signs, *fits])
    if complete or views.run.dtype != np.float64:
        return _Stage(views, complete, tried)
    loose = Views(views.run, _FLOAT32_CONSTANTS)
    return _Stage(loose, _scheduled(loose, _nearly(views, loose, tried)), tried)


def _scheduled(views: Views, fits: list[Attempt]) -> list[Attempt]:
    """The fits with schedules, where there are such."""
    found = [with_schedule(views, start) for attempt in fits for start in _restarts(views, attempt)]
    return [attempt for attempt in found if attempt is not None]


def _nearly(strict: Views, loose: Views, missed: list[Attempt]) -> list[Attempt]:
    """What fits once constants rounded to float32 are forgiven."""
    near = [attempt for attempt in missed if relative_residual(strict, attempt) <= _NEAR]
    again = [simplified(loose, polish(loose, attempt)) for attempt in near]
    return [attempt for attempt in again if attempt.is_fit]


def _plain(views: Views) -> list[Model]:
    """Every rule, with decay apart from the gradient where the rule has none of its own."""
    rules = [rule for rule in RULES if _is_possible(views, rule)]
    return [Model(rule, decay="none" if rule.own_decay else views.decay) for rule in rules]


def _varied(views: Views) -> list[Model]:
    """Every rule with decay in the gradient, or with clipping."""
    rules = [rule for rule in RULES if _is_possible(views, rule) and not rule.own_decay]
    coupled = [Model(rule, coupled=True, decay=views.decay) for rule in rules]
    return [*coupled, *(Model(rule, clipping) for clipping in CLIPPINGS for rule in rules)]


def _is_possible(views: Views, rule: type[UpdateRule]) -> bool:
    """Whether the leaves are such that the rule differs from simpler ones."""
    return rule.name != "muon" or any(leaf.rank == 2 for leaf in views.of(rule).leaves)


def _restarts(views: Views, attempt: Attempt) -> list[Attempt]:
    """The attempt; several, if free rates, which clipping by one norm changes, leave its limit open."""
    clipping = attempt.model.clipping
    if clipping != "global_clipnorm":
        return [attempt]
    place = attempt.model.names.index(clipping)
    if attempt.errors[place] < 0.05:
        return [attempt]
    guesses = clipping_guesses(views.of(attempt.model.rule), clipping)
    parameter = attempt.model.parameters[place]
    others = [
        np.where(np.arange(len(attempt.x)) == place, to_unknown(parameter, g), attempt.x) for g in guesses
    ]
    return [attempt, *(replace(attempt, x=x) for x in others)]


def _distance(attempt: Attempt) -> tuple[float, float]:
    """What comes nearest: of those that explain the run with free rates, that with fewest numbers."""
    return max(attempt.rms, LIMIT), len(attempt.x)


def _ranked(fits: list[Attempt]) -> list[Attempt]:
    """Those that fit as well as the best with the fewest numbers; in the catalogue's order if equal."""
    least = min(attempt.rms for attempt in fits)
    equal = [attempt for attempt in fits if attempt.rms <= _EQUAL * least + _SLACK]
    fewest = min(len(attempt.x) for attempt in equal)
    simplest = [attempt for attempt in equal if len(attempt.x) == fewest]
    nearest = min(attempt.rms for attempt in simplest)
    order = [*RULES, SignDescent, Lion]
    return sorted(simplest, key=lambda a: (a.rms > nearest + _SAME, order.index(a.model.rule)))
