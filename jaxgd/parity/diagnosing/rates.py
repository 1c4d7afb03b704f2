"""From free rates to a schedule: which of the known ones gives them, together with everything else."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from jaxgd.parity.diagnosing.least_squares import minimize
from jaxgd.parity.diagnosing.model import Model, to_unknown
from jaxgd.parity.diagnosing.rules.linear import GradientDescent
from jaxgd.parity.diagnosing.schedules import SCHEDULES, Nothing, Schedule
from jaxgd.parity.diagnosing.search import Attempt, Views, best, fit, simplified

_ROUGHLY = 2e-3
_WORST = 0.1
_STEPS_PER_NUMBER = 3
_MOST_TRIED = 5


def with_schedule(views: Views, attempt: Attempt) -> Attempt | None:
    """The attempt with the simplest schedule that explains the run as well as free rates do, or None."""
    if "learning_rate" in attempt.model.names:
        bare = attempt.model.with_schedule(Nothing)
        return best(bare, fit(views, bare, attempt.x[None], 20))
    found: list[Attempt] = []
    for schedule, guesses in _likely(views, attempt):
        model = attempt.model.with_schedule(schedule)
        if found and len(model.parameters) > len(found[0].model.parameters):
            break
        x = np.concatenate([np.broadcast_to(attempt.x, (len(guesses), len(attempt.x))), guesses], axis=1)
        joint = best(model, fit(views, model, _in_order(attempt.model, model, x), 25))
        if joint.rms <= 1.2 * attempt.rms + 0.3:
            found.append(replace(simplified(views, joint), ranges=attempt.ranges))
    return min(found, key=lambda joint: joint.rms, default=None)


def free_rates(views: Views, attempt: Attempt) -> tuple[np.ndarray, np.ndarray]:
    """[steps]: the rate of every step that fits best, and its standard error."""
    problem = views.of(attempt.model.rule)
    weights = problem.weights(attempt.model.rule.arithmetic)
    _, rates, errors = attempt.model.residuals(problem, attempt.x[None], weights)
    return rates[0], errors[0]


def _in_order(free: Model, model: Model, x: np.ndarray) -> np.ndarray:
    """Columns named as `free`'s unknowns, then the schedule's, in the order of `model`'s."""
    names = (
        [*free.names, *(parameter.name for parameter in model.schedule.parameters)] if model.schedule else []
    )
    return x[:, [names.index(name) for name in model.names]]


def _likely(views: Views, attempt: Attempt) -> Iterator[tuple[type[Schedule], np.ndarray]]:
    """Schedules near the free rates, simplest first, with their unknowns [1 or 2, unknowns]."""
    rates, errors = free_rates(views, attempt)
    scale = np.abs(rates).max()
    if attempt.model.rule.rate_is_bounded:
        reached = 1 / np.sqrt(np.arange(1, len(rates) + 1))
        rates = np.where(rates > 0.999 * reached, scale, rates)
    weights = 1 / np.sqrt(errors**2 + (1e-4 * scale) ** 2)
    most = max(len(rates) // _STEPS_PER_NUMBER, 1)
    possible = [schedule for schedule in SCHEDULES if len(schedule.parameters) <= most]
    fits = [(schedule, *_fit_rates(schedule, rates, weights, scale)) for schedule in possible]
    limit = max(_ROUGHLY, 20 * min(error for *_, error in fits))
    good = [(len(schedule.parameters), error, schedule, x) for schedule, x, error in fits if error <= limit]
    if min(error for *_, error in fits) <= _WORST:
        for *_, schedule, x in sorted(good, key=lambda item: item[:2])[:_MOST_TRIED]:
            yield schedule, x[None]


def _fit_rates(
    schedule: type[Schedule], rates: np.ndarray, weights: np.ndarray, scale: float
) -> tuple[np.ndarray, float]:
    """The schedule's unknowns, and its error relative to the largest rate."""
    model = Model(GradientDescent, schedule=schedule)
    times = np.arange(len(rates), dtype=float)
    guesses = [
        [to_unknown(p, value) for p, value in zip(schedule.parameters, guess, strict=True)]
        for guess in schedule.guesses(rates)
    ]

    def residuals(points: np.ndarray) -> np.ndarray:
        with np.errstate(all="ignore"):
            return (schedule.rates(times, model.numbers(points)) - rates) * weights

    lower, upper = model.bounds
    start = np.clip(np.array(guesses), lower, upper)
    fitted = minimize(residuals, start, lower, upper, 40, model.increments)
    place = int(np.argmin(fitted.rms))
    left = residuals(fitted.x[[place]])[0] / weights
    return fitted.x[place], float(np.sqrt(np.average(left**2, weights=weights**2)) / scale)
