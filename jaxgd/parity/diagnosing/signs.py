"""The search among rules that move by signs: their numbers are those that give the recorded signs."""

from dataclasses import replace

import numpy as np

from jaxgd.parity.diagnosing.model import Model, to_value
from jaxgd.parity.diagnosing.problem import Problem
from jaxgd.parity.diagnosing.rules import Lion, RecordedSigns, SignDescent
from jaxgd.parity.diagnosing.search import Attempt, Views, best, fit, polish, simplified, starts

_SEARCHES, _ROUNDS = 4, 28
_POINTS = 128
_SHRINKING = 0.75
_UNDECIDED = 8.0
_COMPARED = 32
_LOWEST, _HIGHEST = -9.0, -0.01


def signed(views: Views) -> list[Attempt]:
    """The rules of this family that explain the run with free rates."""
    family = _polished(views, RecordedSigns)
    if not family.is_fit:
        return []
    plain = _polished(views, SignDescent)
    if plain.is_fit:
        return [plain]
    momentum = _lion(views, family)
    return [momentum] if momentum is not None and momentum.is_fit else []


def _polished(views: Views, rule: type) -> Attempt:
    model = Model(rule, decay=views.decay)
    attempt = best(model, fit(views, model, starts(views, model), 20, quick=True))
    return simplified(views, polish(views, attempt))


def _lion(views: Views, family: Attempt) -> Attempt | None:
    """Lion with numbers that give every recorded sign, if there are such."""
    for seed in range(_SEARCHES):
        allowed = _allowed(views.of(Lion), np.random.default_rng(seed))
        if allowed:
            return _attempt(views, family, np.array(allowed))
    return None


def _allowed(problem: Problem, generator: np.random.Generator) -> list[np.ndarray]:
    """Numbers that give every recorded sign: points around the best so far, nearer every time."""
    centre, spread = np.array([-2.0, -3.0]), np.array([4.0, 4.0])
    allowed: list[np.ndarray] = []
    least = np.inf
    for _ in range(_ROUNDS):
        offsets = generator.uniform(-1, 1, (_POINTS, 2)) * spread
        points = np.clip(np.concatenate([centre[None], centre + offsets]), _LOWEST, _HIGHEST)
        wrong = _wrongness(problem, points)
        allowed.extend(points[wrong == 0])
        if wrong.min() < least:
            least, centre = wrong.min(), points[int(np.argmin(wrong))]
        spread = spread * _SHRINKING
    return allowed


def _attempt(views: Views, family: Attempt, allowed: np.ndarray) -> Attempt:
    """Lion in the middle of the numbers that are allowed."""
    lowest, highest = allowed.min(axis=0), allowed.max(axis=0)
    central = allowed[np.argsort(np.abs(allowed - (lowest + highest) / 2).sum(axis=1))[:_COMPARED]]
    model = Model(Lion, decay=family.model.decay)
    decays = np.broadcast_to(family.x, (len(central), len(family.x)))
    found = best(model, fit(views, model, np.concatenate([central, decays], axis=1), 1))
    ends = [[to_value(p, x) for x in pair] for p, *pair in zip(Lion.parameters, highest, lowest, strict=True)]
    ranges = {p.name: (float(low), float(high)) for p, (low, high) in zip(Lion.parameters, ends, strict=True)}
    return replace(found, ranges=ranges)


def _wrongness(problem: Problem, points: np.ndarray) -> np.ndarray:
    """[points]: how far from the recorded signs what the sign is taken of is; 0 if every sign is right."""
    model = Model(Lion)
    rule = Lion(model.numbers(points), problem)
    scale = np.abs(problem.grads).max(axis=0) + np.finfo(float).tiny
    total = np.zeros(len(points))
    for grad, change in zip(problem.grads, problem.changes, strict=True):
        against = rule.mixture(grad[None]) / scale * np.sign(change)
        total += np.where(against > _UNDECIDED * problem.precision, against, 0).sum(axis=1)
    return total
