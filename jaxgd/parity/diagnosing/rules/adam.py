"""Adam and what descends from it: a mean gradient over the root of a mean square."""

from typing import Any

import numpy as np

from jaxgd.parity.diagnosing.rules._rule import (
    BETA_1,
    BETA_2,
    EPSILON,
    Numbers,
    Parameter,
    Problem,
    UpdateRule,
    mean_of,
)

_ADAM = (BETA_1, BETA_2, EPSILON)
RAW, CORRECTED = "epsilon on the uncorrected root", "epsilon on the corrected root"
_KERAS_DECAY = 0.96


class Adam(UpdateRule):
    """m, v: means of g and g^2; w <- w - rate m / (1 - beta_1^t) / (sqrt(v / (1 - beta_2^t)) + epsilon)."""

    name = "adam"
    form = CORRECTED
    parameters = _ADAM
    corrected_by = "beta_2"

    def __init__(self, numbers: Numbers, problem: Problem) -> None:
        super().__init__(numbers, problem)
        self.mean: Any = 0.0
        self.square: Any = 0.0
        self.largest: Any = 0.0

    def move(self, step: int, grad: np.ndarray, value: np.ndarray) -> tuple[Any, np.ndarray]:
        self.mean = mean_of(self.mean, grad, self.beta_1)
        self.square = self.next_square(grad)
        return 0.0, self.numerator(step, grad) / self.divisor(step)

    def next_square(self, grad: np.ndarray) -> np.ndarray:
        """The mean square after one more gradient."""
        return mean_of(self.square, grad * grad, self.beta_2)

    def numerator(self, step: int, grad: np.ndarray) -> np.ndarray:
        """The mean gradient, corrected."""
        return self.mean / (1 - self.beta_1**step)

    def divisor(self, step: int) -> np.ndarray:
        """The root mean square, corrected."""
        return np.sqrt(self.square / (1 - self.beta_2**step)) + self.epsilon


class AdamRaw(Adam):
    """w <- w - rate sqrt(1 - beta_2^t) / (1 - beta_1^t) m / (sqrt(v) + epsilon)."""

    form = RAW

    def divisor(self, step: int) -> np.ndarray:
        return (np.sqrt(self.square) + self.epsilon) / np.sqrt(1 - self.beta_2**step)


class AdamUncorrected(Adam):
    """w <- w - rate m / (sqrt(v) + epsilon)."""

    form = "without bias correction"
    corrected_by = None

    def numerator(self, step: int, grad: np.ndarray) -> np.ndarray:
        return self.mean

    def divisor(self, step: int) -> np.ndarray:
        return np.sqrt(self.square) + self.epsilon


class AmsgradRaw(Adam):
    """The largest v so far, uncorrected, and epsilon on its root."""

    name = "amsgrad"
    form = f"largest uncorrected square, {RAW}"

    def divisor(self, step: int) -> np.ndarray:
        self.largest = np.maximum(self.largest, self.square)
        return (np.sqrt(self.largest) + self.epsilon) / np.sqrt(1 - self.beta_2**step)


class AmsgradRawCorrected(Adam):
    """The largest v so far, and epsilon on the corrected root of it."""

    name = "amsgrad"
    form = f"largest uncorrected square, {CORRECTED}"

    def divisor(self, step: int) -> np.ndarray:
        self.largest = np.maximum(self.largest, self.square)
        return np.sqrt(self.largest / (1 - self.beta_2**step)) + self.epsilon


class AmsgradCorrected(Adam):
    """The largest corrected v so far."""

    name = "amsgrad"
    form = f"largest corrected square, {CORRECTED}"

    def divisor(self, step: int) -> np.ndarray:
        self.largest = np.maximum(self.largest, self.square / (1 - self.beta_2**step))
        return np.sqrt(self.largest) + self.epsilon


class NadamPlain(Adam):
    """Adam with beta_1 m / (1 - beta_1^(t+1)) + (1 - beta_1) g / (1 - beta_1^t) for the corrected mean."""

    name = "nadam"
    form = "constant momentum"

    def numerator(self, step: int, grad: np.ndarray) -> np.ndarray:
        ahead = self.beta_1 * self.mean / (1 - self.beta_1 ** (step + 1))
        return ahead + (1 - self.beta_1) * grad / (1 - self.beta_1**step)


class NadamWarm(Adam):
    """Momentum beta_1 (1 - 0.96^t / 2), with its running product for the correction."""

    name = "nadam"
    form = "momentum warms up with 0.96^t"

    def __init__(self, numbers: Numbers, problem: Problem) -> None:
        super().__init__(numbers, problem)
        self.product: Any = 1.0

    def momentum_at(self, step: int) -> np.ndarray:
        """The momentum of a step."""
        return self.beta_1 * (1 - 0.5 * _KERAS_DECAY**step)

    def numerator(self, step: int, grad: np.ndarray) -> np.ndarray:
        now, ahead = self.momentum_at(step), self.momentum_at(step + 1)
        self.product = self.product * now
        return ahead * self.mean / (1 - self.product * ahead) + (1 - now) * grad / (1 - self.product)


class NadamSlow(NadamWarm):
    """Momentum beta_1 (1 - 0.96^(momentum_decay t) / 2)."""

    form = "momentum warms up with 0.96^(momentum_decay t)"
    parameters = (*_ADAM, Parameter("momentum_decay", "positive", (0.004,)))

    def momentum_at(self, step: int) -> np.ndarray:
        return self.beta_1 * (1 - 0.5 * _KERAS_DECAY ** (step * self.momentum_decay))


class Adamax(Adam):
    """u <- max(beta_2 u, |g|); w <- w - rate m / ((1 - beta_1^t) (u + epsilon))."""

    name = "adamax"
    form = "epsilon after the maximum"
    corrected_by = "beta_1"

    def next_square(self, grad: np.ndarray) -> np.ndarray:
        return np.maximum(self.beta_2 * self.square, np.abs(grad))

    def divisor(self, step: int) -> np.ndarray:
        return self.square + self.epsilon


class AdamaxInside(Adamax):
    """u <- max(beta_2 u, |g| + epsilon)."""

    form = "epsilon inside the maximum"

    def next_square(self, grad: np.ndarray) -> np.ndarray:
        return np.maximum(self.beta_2 * self.square, np.abs(grad) + self.epsilon)

    def divisor(self, step: int) -> np.ndarray:
        return self.square


class Adabelief(Adam):
    """Adam with the mean of (g - m)^2 for v."""

    name = "adabelief"

    def next_square(self, grad: np.ndarray) -> np.ndarray:
        return mean_of(self.square, (grad - self.mean) ** 2, self.beta_2)


class Yogi(Adam):
    """Adam with v <- v - (1 - beta_2) sign(v - g^2) g^2; m and v start at 1e-6."""

    name = "yogi"
    _START = 1e-6

    def __init__(self, numbers: Numbers, problem: Problem) -> None:
        super().__init__(numbers, problem)
        self.mean = self.square = self._START

    def next_square(self, grad: np.ndarray) -> np.ndarray:
        square = grad * grad
        return self.square - (1 - self.beta_2) * np.sign(self.square - square) * square


class Radam(Adam):
    """Adam rectified by the variance of its root; the corrected mean alone while that is infinite."""

    name = "radam"

    def move(self, step: int, grad: np.ndarray, value: np.ndarray) -> tuple[Any, np.ndarray]:
        offset, adaptive = super().move(step, grad, value)
        limit = 2 / (1 - self.beta_2) - 1
        kept = self.beta_2**step
        length = limit - 2 * step * kept / (1 - kept)
        usable = np.where(length > 5, length, 6.0)
        top = (usable - 4) * (usable - 2) * limit
        factor = np.sqrt(np.maximum(top / ((limit - 4) * (limit - 2) * usable), 0))
        return offset, np.where(length > 5, factor * adaptive, self.numerator(step, grad))


class RadamRaw(Radam, AdamRaw):
    """As `Radam`, with epsilon on the uncorrected root."""

    form = RAW


RULES = (
    Adam,
    AdamRaw,
    AdamUncorrected,
    AmsgradRaw,
    AmsgradRawCorrected,
    AmsgradCorrected,
    NadamPlain,
    NadamWarm,
    NadamSlow,
    Adamax,
    AdamaxInside,
    Adabelief,
    Yogi,
    Radam,
    RadamRaw,
)
