"""Learning-rate schedules that a diagnosis knows, as functions of the step, counted from 0."""

from collections.abc import Iterable, Mapping
from typing import ClassVar

import numpy as np

from jaxgd.parity.diagnosing.rules import Parameter

Numbers = Mapping[str, np.ndarray]

RATE = Parameter("learning_rate", "positive", ())


class Schedule:
    """Rates as a function of the step."""

    name: ClassVar[str]
    parameters: ClassVar[tuple[Parameter, ...]] = (RATE,)

    @staticmethod
    def rates(times: np.ndarray, n: Numbers) -> np.ndarray:
        """[starts, steps] for `times` [steps] and numbers [starts, 1]."""
        raise NotImplementedError

    @staticmethod
    def guesses(rates: np.ndarray) -> Iterable[tuple[float, ...]]:
        """Values of the parameters to start from, given estimated rates [steps]."""
        raise NotImplementedError


def _positive(values: np.ndarray) -> np.ndarray:
    return np.maximum(np.abs(values), 1e-12 * max(np.abs(values).max(), 1e-300))


class Constant(Schedule):
    """learning_rate."""

    name = "constant"

    @staticmethod
    def rates(times: np.ndarray, n: Numbers) -> np.ndarray:
        return n["learning_rate"] + 0 * times

    @staticmethod
    def guesses(rates: np.ndarray) -> Iterable[tuple[float, ...]]:
        yield (float(_positive(rates)[-1]),)
        yield (float(np.median(_positive(rates))),)


class Exponential(Schedule):
    """learning_rate decay_per_step^t."""

    name = "exponential decay"
    parameters = (RATE, Parameter("decay_per_step", "positive", ()))

    @staticmethod
    def rates(times: np.ndarray, n: Numbers) -> np.ndarray:
        return n["learning_rate"] * n["decay_per_step"] ** times

    @staticmethod
    def guesses(rates: np.ndarray) -> Iterable[tuple[float, ...]]:
        safe = _positive(rates)
        slope = np.polyfit(np.arange(len(rates)), np.log(safe), 1)[0]
        yield float(safe[0]), float(np.exp(slope))


class InverseTime(Schedule):
    """learning_rate / (1 + decay_per_step t)."""

    name = "inverse time decay"
    parameters = (RATE, Parameter("decay_per_step", "positive", ()))

    @staticmethod
    def rates(times: np.ndarray, n: Numbers) -> np.ndarray:
        return n["learning_rate"] / (1 + n["decay_per_step"] * times)

    @staticmethod
    def guesses(rates: np.ndarray) -> Iterable[tuple[float, ...]]:
        safe = _positive(rates)
        yield float(safe[0]), float(max((safe[0] / safe[-1] - 1) / len(rates), 1e-4))


class Linear(Schedule):
    """From learning_rate down to end_learning_rate over decay_steps, then constant; else it is a `WarmUp`."""

    name = "linear decay"
    parameters = (
        RATE,
        Parameter("decay_steps", "positive", ()),
        Parameter("end_learning_rate", "non-negative", ()),
    )

    @staticmethod
    def rates(times: np.ndarray, n: Numbers) -> np.ndarray:
        left = np.maximum(1 - times / n["decay_steps"], 0)
        return n["end_learning_rate"] + np.maximum(n["learning_rate"] - n["end_learning_rate"], 0) * left

    @staticmethod
    def guesses(rates: np.ndarray) -> Iterable[tuple[float, ...]]:
        for steps in (0.3, 0.6, 1, 1.5, 3):
            yield (
                float(_positive(rates)[0]),
                steps * len(rates),
                float(max(rates[-1], 0)) if steps <= 1 else 0.0,
            )


class LinearToZero(Linear):
    """From learning_rate to 0 over decay_steps."""

    name = "linear decay to zero"
    parameters = Linear.parameters[:2]

    @staticmethod
    def rates(times: np.ndarray, n: Numbers) -> np.ndarray:
        return n["learning_rate"] * np.maximum(1 - times / n["decay_steps"], 0)

    @staticmethod
    def guesses(rates: np.ndarray) -> Iterable[tuple[float, ...]]:
        return [guess[:2] for guess in Linear.guesses(rates)]


class Polynomial(Linear):
    """As `Linear`, with a power of the share that is left."""

    name = "polynomial decay"
    parameters = (*Linear.parameters, Parameter("power", "positive", ()))

    @staticmethod
    def rates(times: np.ndarray, n: Numbers) -> np.ndarray:
        left = np.maximum(1 - times / n["decay_steps"], 0) ** n["power"]
        return n["end_learning_rate"] + (n["learning_rate"] - n["end_learning_rate"]) * left

    @staticmethod
    def guesses(rates: np.ndarray) -> Iterable[tuple[float, ...]]:
        return [(*guess, power) for guess in Linear.guesses(rates) for power in (0.5, 2.0)]


class CosineToZero(Schedule):
    """learning_rate (1 + cos(pi t / decay_steps)) / 2."""

    name = "cosine decay to zero"
    parameters = (RATE, Parameter("decay_steps", "positive", ()))

    @staticmethod
    def rates(times: np.ndarray, n: Numbers) -> np.ndarray:
        return n["learning_rate"] * _cosine(times, n["decay_steps"])

    @staticmethod
    def guesses(rates: np.ndarray) -> Iterable[tuple[float, ...]]:
        for share in (0.3, 0.6, 1, 1.7, 3):
            yield float(_positive(rates)[0]), share * len(rates)


class Cosine(Schedule):
    """learning_rate ((1 - alpha) (1 + cos(pi t / decay_steps)) / 2 + alpha)."""

    name = "cosine decay"
    parameters = (*CosineToZero.parameters, Parameter("alpha", "non-negative", ()))

    @staticmethod
    def rates(times: np.ndarray, n: Numbers) -> np.ndarray:
        return n["learning_rate"] * ((1 - n["alpha"]) * _cosine(times, n["decay_steps"]) + n["alpha"])

    @staticmethod
    def guesses(rates: np.ndarray) -> Iterable[tuple[float, ...]]:
        safe = _positive(rates)
        floor = float(np.clip(safe[-1] / safe[0], 0, 0.9))
        for rate, steps in CosineToZero.guesses(rates):
            yield rate, steps, floor if steps <= len(rates) else 0.0


def _cosine(times: np.ndarray, steps: np.ndarray) -> np.ndarray:
    return 0.5 * (1 + np.cos(np.pi * np.minimum(times / steps, 1)))


class StepDecay(Schedule):
    """learning_rate decay_rate^(t // interval)."""

    name = "step decay"
    parameters = (RATE, Parameter("decay_rate", "positive", ()), Parameter("interval", "whole", ()))

    @staticmethod
    def rates(times: np.ndarray, n: Numbers) -> np.ndarray:
        return n["learning_rate"] * n["decay_rate"] ** np.floor((times + 1e-3) / n["interval"])

    @staticmethod
    def guesses(rates: np.ndarray) -> Iterable[tuple[float, ...]]:
        safe = _positive(rates)
        for interval in range(2, len(rates)):
            yield float(safe[0]), float(np.clip(safe[interval] / safe[0], 1e-3, 1e3)), float(interval)


class Boundary(Schedule):
    """learning_rate before `boundary`, then later_rate; steps, as a share of the run, are whole numbers."""

    name = "piecewise constant"
    parameters = (RATE, Parameter("later_rate", "positive", ()), Parameter("boundary", "whole", ()))

    @staticmethod
    def rates(times: np.ndarray, n: Numbers) -> np.ndarray:
        return np.where(times < n["boundary"] - 1e-3, n["learning_rate"], n["later_rate"])

    @staticmethod
    def guesses(rates: np.ndarray) -> Iterable[tuple[float, ...]]:
        safe = _positive(rates)
        jumps = np.argsort(-np.abs(np.diff(np.log(safe))))[:2]
        for jump in jumps:
            yield float(safe[0]), float(safe[-1]), float(jump + 1)


class TwoBoundaries(Schedule):
    """As `Boundary`, with two."""

    name = "piecewise constant, two boundaries"
    parameters = (
        *Boundary.parameters,
        Parameter("last_rate", "positive", ()),
        Parameter("second_boundary", "whole", ()),
    )

    @staticmethod
    def rates(times: np.ndarray, n: Numbers) -> np.ndarray:
        late = np.where(times < n["second_boundary"] - 1e-3, n["later_rate"], n["last_rate"])
        return np.where(times < n["boundary"] - 1e-3, n["learning_rate"], late)

    @staticmethod
    def guesses(rates: np.ndarray) -> Iterable[tuple[float, ...]]:
        safe = _positive(rates)
        first, second = np.sort(np.argsort(-np.abs(np.diff(np.log(safe))))[:2]) + 1
        yield float(safe[0]), float(safe[first]), float(first), float(safe[-1]), float(second)


class WarmUp(Schedule):
    """From initial_rate up, in equal parts over warmup_steps, to learning_rate, then constant."""

    name = "linear warm-up"
    parameters = (
        RATE,
        Parameter("initial_rate", "non-negative", ()),
        Parameter("warmup_steps", "positive", ()),
    )

    @staticmethod
    def rates(times: np.ndarray, n: Numbers) -> np.ndarray:
        done = np.minimum(times / n["warmup_steps"], 1)
        return n["initial_rate"] + np.maximum(n["learning_rate"] - n["initial_rate"], 0) * done

    @staticmethod
    def guesses(rates: np.ndarray) -> Iterable[tuple[float, ...]]:
        for steps in (0.05, 0.1, 0.2, 0.4, 0.7, 1.2):
            yield float(_positive(rates).max()), float(max(rates[0], 0)), steps * len(rates)


class WarmUpCosine(Schedule):
    """As `WarmUp`, then a cosine over decay_steps further steps to end_learning_rate."""

    name = "linear warm-up, then cosine decay"
    parameters = (
        *WarmUp.parameters,
        Parameter("decay_steps", "positive", ()),
        Parameter("end_learning_rate", "non-negative", ()),
    )

    @staticmethod
    def rates(times: np.ndarray, n: Numbers) -> np.ndarray:
        wave = _cosine(np.maximum(times - n["warmup_steps"], 0), n["decay_steps"])
        later = n["end_learning_rate"] + (n["learning_rate"] - n["end_learning_rate"]) * wave
        return np.where(times < n["warmup_steps"], WarmUp.rates(times, n), later)

    @staticmethod
    def guesses(rates: np.ndarray) -> Iterable[tuple[float, ...]]:
        safe = _positive(rates)
        peak = int(np.argmax(safe))
        for share in (0.5, 1, 2):
            yield float(safe[peak]), float(max(rates[0], 0)), peak + 0.1, share * len(rates), 0.0


class WarmUpLinear(WarmUpCosine):
    """As `WarmUp`, then a straight line over decay_steps further steps to end_learning_rate."""

    name = "linear warm-up, then linear decay"

    @staticmethod
    def rates(times: np.ndarray, n: Numbers) -> np.ndarray:
        left = np.maximum(1 - np.maximum(times - n["warmup_steps"], 0) / n["decay_steps"], 0)
        later = n["end_learning_rate"] + (n["learning_rate"] - n["end_learning_rate"]) * left
        return np.where(times < n["warmup_steps"], WarmUp.rates(times, n), later)


class Nothing(Schedule):
    """For rules that hold their rate themselves."""

    name = "constant"
    parameters = ()

    @staticmethod
    def rates(times: np.ndarray, n: Numbers) -> np.ndarray:
        return np.ones((1, len(times)))

    @staticmethod
    def guesses(rates: np.ndarray) -> Iterable[tuple[float, ...]]:
        yield ()


SCHEDULES: tuple[type[Schedule], ...] = (
    Constant,
    Exponential,
    InverseTime,
    LinearToZero,
    CosineToZero,
    StepDecay,
    Boundary,
    Linear,
    Cosine,
    WarmUp,
    Polynomial,
    TwoBoundaries,
    WarmUpCosine,
    WarmUpLinear,
)
"""Simpler ones first."""
