"""The search: which rules explain a run down to its rounding, first with free rates, then with a schedule."""

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from jaxgd.parity.diagnosing.least_squares import Fitted, minimize, standard_errors
from jaxgd.parity.diagnosing.model import Model, to_unknown
from jaxgd.parity.diagnosing.problem import Problem, make_problem
from jaxgd.parity.diagnosing.rules import UpdateRule
from jaxgd.parity.diagnosing.trace import Run

LIMIT = 3.0
"""Root mean square, in units of the noise, above which a rule does not explain a run."""
_SOFTNESS = 1e-3
_QUICK_STEPS = 24
_LONGER, _POLISHED = 16, 10
_CLOSE = 0.1
_MOST_LOST = 7e-4
_EASY, _HARD = (3, 4), (8, 30)


@dataclass(frozen=True)
class Attempt:
    """A model fitted to a problem, in units of the noise.

    Args:
      normal: products of the Jacobian at `x`.
      ranges: {name: lowest and highest value} of numbers whose error is known otherwise.
    """

    model: Model
    x: np.ndarray
    rms: float
    normal: np.ndarray
    ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)

    @cached_property
    def errors(self) -> np.ndarray:
        """Standard errors of the unknowns."""
        return standard_errors(self.normal, self.rms)

    @property
    def is_fit(self) -> bool:
        """Whether nothing but rounding is left."""
        return self.rms <= LIMIT


@dataclass(frozen=True)
class Views:
    """The run as small problems for screening and larger ones for the answer."""

    run: Run
    constants: float

    @cached_property
    def _problems(self) -> dict[tuple[bool, bool], Problem]:
        quick = make_problem(self.run, 56, constants=self.constants).first(_QUICK_STEPS)
        quick_leaves = make_problem(self.run, 400, whole_leaves=True, constants=self.constants).first(
            _QUICK_STEPS
        )
        return {
            (True, False): quick,
            (True, True): quick_leaves,
            (False, False): make_problem(self.run, 200, constants=self.constants).first(200),
            (False, True): make_problem(self.run, 1500, whole_leaves=True, constants=self.constants).first(
                100
            ),
        }

    def of(self, rule: type[UpdateRule], quick: bool = False) -> Problem:
        """The problem that a rule is tried on."""
        return self._problems[quick, rule.whole_leaves]

    @cached_property
    def decay(self) -> str:
        """The most general decay that can be told apart: by rank, if there are leaves of both kinds."""
        ranks = {values.ndim > 2 for values in self.run.params.values()}
        return "each" if ranks == {True, False} else "all"


def fit(views: Views, model: Model, x: np.ndarray, iterations: int, quick: bool = False) -> Fitted:
    """Least squares from each row of `x`: softly and on few elements if `quick`, else down to the noise."""
    problem = views.of(model.rule, quick)
    softness = _SOFTNESS if quick else cancellation(model, problem, x[0])
    weights = problem.weights(model.rule.arithmetic, softness)
    lower, upper = model.bounds

    def residuals(points: np.ndarray) -> np.ndarray:
        return model.residuals(problem, points, weights)[0]

    return minimize(residuals, np.clip(x, lower, upper), lower, upper, iterations, model.increments)


def cancellation(model: Model, problem: Problem, x: np.ndarray) -> np.ndarray:
    """[steps, 1]: relative error of 1 - b^t in the rule's precision, which free rates take up."""
    steps = np.arange(1, problem.steps + 1)[:, None]
    if model.schedule is None or model.rule.corrected_by is None:
        return np.zeros(steps.shape)
    share = model.numbers(x[None])[model.rule.corrected_by]
    lost = problem.precision / np.maximum(1 - share**steps, problem.precision)
    return np.minimum(lost, _MOST_LOST / steps)


def best(model: Model, fitted: Fitted) -> Attempt:
    """The best of the starts."""
    place = int(np.argmin(fitted.rms))
    return Attempt(model, fitted.x[place], float(fitted.rms[place]), fitted.normal[place])


def starts(views: Views, model: Model) -> np.ndarray:
    """[starts, unknowns]: all combinations of guesses; clipping limits are taken from the gradients."""
    lists = []
    for parameter in model.parameters:
        guesses = parameter.guesses
        if model.clipping is not None and parameter.name == model.clipping:
            guesses = clipping_guesses(views.of(model.rule), model.clipping)
        lists.append([to_unknown(parameter, guess) for guess in guesses])
    return np.array(list(itertools.product(*lists)), dtype=float).reshape(-1, len(lists))


def clipping_guesses(problem: Problem, clipping: str) -> list[float]:
    """Limits at which everything is clipped, and at which some is."""
    sizes = {
        "clipvalue": np.abs(problem.grads),
        "clipnorm": problem.norms,
        "global_clipnorm": problem.total_norm,
    }
    found = [0.5 * sizes[clipping].min(), *np.quantile(sizes[clipping], (0.3, 0.75, 0.95))]
    return [float(max(limit, 1e-30)) for limit in found]


def screened(views: Views, models: Iterable[Model]) -> list[Attempt]:
    """The likeliest models on few elements, best first: many for a few steps, then fewer for more."""
    found = sorted((_first_steps(views, model) for model in models), key=_rank)
    longer = [_quick(views, attempt.model, attempt.x[None], 12) for attempt in found[:_LONGER]]
    return sorted(longer, key=_rank)


def _rank(attempt: Attempt) -> tuple[float, int]:
    """Nearer first; of what is within a tenth of the softness, fewer numbers first."""
    return max(attempt.rms, _CLOSE), len(attempt.x)


def _first_steps(views: Views, model: Model) -> Attempt:
    """A few iterations from the best guesses."""
    guesses = starts(views, model)
    first = fit(views, model, guesses, 0, quick=True)
    kept, iterations = _HARD if model.rule.is_hard else _EASY
    return _quick(views, model, guesses[np.argsort(first.rms)[:kept]], iterations)


def _quick(views: Views, model: Model, x: np.ndarray, iterations: int) -> Attempt:
    return best(model, fit(views, model, x, iterations, quick=True))


def polish(views: Views, attempt: Attempt, iterations: int = 40) -> Attempt:
    """The attempt down to the noise, on more elements and all steps."""
    return best(attempt.model, fit(views, attempt.model, attempt.x[None], iterations))


def explained(views: Views, models: Iterable[Model]) -> tuple[list[Attempt], list[Attempt]]:
    """Those of the models that explain the run with free rates, and the best of the others."""
    likely = screened(views, models)
    hopeful = [a for a in likely[:_POLISHED] if a.rms <= max(30 * _rank(likely[0])[0], 1.0)]
    polished = [simplified(views, polish(views, attempt)) for attempt in hopeful]
    return [a for a in polished if a.is_fit], [a for a in polished if not a.is_fit]


def simplified(views: Views, attempt: Attempt) -> Attempt:
    """The attempt without the decays that it does not need."""
    model = attempt.model
    if model.decay == "none" or not attempt.is_fit:
        return attempt
    for decay in simpler_decays(attempt):
        simpler = replace(model, decay=decay)
        x = np.array([_value_of(attempt, name) for name in simpler.names])
        refitted = polish(views, Attempt(simpler, x, attempt.rms, attempt.normal), 15)
        if refitted.rms <= 1.02 * attempt.rms + 0.02:
            return refitted
    return attempt


def _value_of(attempt: Attempt, name: str) -> float:
    return float(attempt.x[attempt.model.names.index(name)])


def simpler_decays(attempt: Attempt) -> Sequence[str]:
    """Decays with fewer numbers that the fitted numbers allow, simplest first."""
    names = attempt.model.names
    decay = names.index("weight_decay")
    values, errors = attempt.x, 8 * attempt.errors
    small = abs(values[decay]) <= errors[decay]
    if attempt.model.decay != "each":
        return ["none"] if small else []
    other = names.index("vector_decay")
    other_small = abs(values[other]) <= errors[other]
    equal = abs(values[other] - values[decay]) <= errors[other] + errors[decay]
    allowed = {"none": small and other_small, "all": equal, "matrices": other_small}
    return [name for name, possible in allowed.items() if possible]
