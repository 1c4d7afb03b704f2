"""Rules that need whole leaves, and rules that are not a rate times a direction."""

import math
from typing import Any

import numpy as np

from jaxgd.parity.diagnosing.rules._rule import (
    ACCUMULATOR,
    BETA_1,
    BETA_2,
    EPSILON,
    MOMENTUM,
    Numbers,
    Parameter,
    Problem,
    UpdateRule,
    mean_of,
)
from jaxgd.parity.diagnosing.rules.adam import Adam, AdamRaw


class Lamb(Adam):
    """Adam's direction u, with norm(w) / norm(u) of the leaf for its length."""

    name = "lamb"
    form = "decay outside the trust ratio"
    whole_leaves = True
    arithmetic = 3.0

    def move(self, step: int, grad: np.ndarray, value: np.ndarray) -> tuple[Any, np.ndarray]:
        direction = self.decayed(super().move(step, grad, value)[1], value)
        trusted = np.empty_like(direction)
        for leaf in self.problem.leaves:
            part = direction[:, leaf.where]
            length = np.linalg.norm(part, axis=1, keepdims=True)
            size = np.linalg.norm(value[leaf.where])
            usable = (length > 0) & (size > 0)
            trusted[:, leaf.where] = part * np.where(usable, size / np.where(usable, length, 1), 1)
        return 0.0, trusted

    def decayed(self, direction: np.ndarray, value: np.ndarray) -> np.ndarray:
        """The direction whose length is normalized."""
        return direction


class LambDecayed(Lamb):
    """As `Lamb`, with weight_decay w added to u before it is normalized."""

    form = "decay inside the trust ratio"
    parameters = (BETA_1, BETA_2, EPSILON, Parameter("weight_decay", "signed", (0.0, 0.1)))
    own_decay = True

    def decayed(self, direction: np.ndarray, value: np.ndarray) -> np.ndarray:
        return direction + self.weight_decay * value


class Adafactor(UpdateRule):
    """Mean squares of a matrix as one row and one column; steps relative to the parameters' size."""

    name = "adafactor"
    form = "rate at most 1 / sqrt(t)"
    parameters = (
        Parameter("beta_2_decay", "signed", (-0.8, -0.5)),
        Parameter("epsilon_2", "positive", (1e-3,)),
        Parameter("clip_threshold", "positive", (1.0,)),
    )
    whole_leaves = True
    rate_is_bounded = True
    arithmetic = 3.0

    def __init__(self, numbers: Numbers, problem: Problem) -> None:
        super().__init__(numbers, problem)
        self.slots: dict[str, Any] = {leaf.name: (0.0, 0.0) for leaf in problem.leaves}

    def move(self, step: int, grad: np.ndarray, value: np.ndarray) -> tuple[Any, np.ndarray]:
        kept = 1 - np.power(float(step), self.beta_2_decay)
        direction = np.empty(np.broadcast_shapes(grad.shape, kept.shape))
        for leaf in self.problem.leaves:
            part = grad[:, leaf.where]
            part = part / np.sqrt(self._squares(leaf, part * part + 1e-30, kept))
            part = part / np.maximum(1, _rms(part) / self.clip_threshold)
            size = _rms(value[None, leaf.where])
            direction[:, leaf.where] = part * np.maximum(self.epsilon_2, size)
        return 0.0, direction

    def _squares(self, leaf: Any, squares: np.ndarray, kept: np.ndarray) -> np.ndarray:
        row, column = self.slots[leaf.name]
        if leaf.rank != 2:
            row = mean_of(row, squares, kept)
            self.slots[leaf.name] = (row, column)
            return row
        square = squares.reshape(-1, *leaf.shape)
        row = mean_of(row, square.mean(axis=2), kept)
        column = mean_of(column, square.mean(axis=1), kept)
        self.slots[leaf.name] = (row, column)
        share = row / row.mean(axis=1, keepdims=True)
        product = share[:, :, None] * column[:, None, :]
        return product.reshape(len(product), -1)


def _rms(part: np.ndarray) -> np.ndarray:
    return np.sqrt(np.mean(part * part, axis=1, keepdims=True))


class Muon(AdamRaw):
    """Orthogonalized momentum for matrices, Adam for everything else. rms_rate is taken to be 0.2."""

    name = "muon"
    form = "nesterov, uncorrected momentum"
    parameters = (MOMENTUM, BETA_1, BETA_2, EPSILON, Parameter("adam_lr_ratio", "positive", (1.0,)))
    whole_leaves = True
    arithmetic = 30.0
    _RMS_RATE = 0.2
    _COEFFICIENTS = (3.4445, -4.7750, 2.0315)
    _ITERATIONS = 5

    def __init__(self, numbers: Numbers, problem: Problem) -> None:
        super().__init__(numbers, problem)
        self.velocity: Any = 0.0

    def move(self, step: int, grad: np.ndarray, value: np.ndarray) -> tuple[Any, np.ndarray]:
        direction = self.adam_lr_ratio * super().move(step, grad, value)[1]
        self.velocity = self.momentum * self.velocity + grad
        ahead = grad + self.momentum * self.velocity
        for leaf in self.problem.leaves:
            if leaf.rank == 2 and leaf.shape is not None:
                matrix = self._orthogonal(ahead[:, leaf.where].reshape(-1, *leaf.shape))
                scale = self._RMS_RATE * math.sqrt(max(leaf.shape))
                direction[:, leaf.where] = scale * matrix.reshape(len(matrix), -1)
        return 0.0, direction

    def _orthogonal(self, matrix: np.ndarray) -> np.ndarray:
        a, b, c = self._COEFFICIENTS
        is_tall = matrix.shape[1] > matrix.shape[2]
        x = matrix.swapaxes(1, 2) if is_tall else matrix
        x = x / (np.linalg.norm(x, axis=(1, 2), keepdims=True) + 1e-7)
        for _ in range(self._ITERATIONS):
            gram = x @ x.swapaxes(1, 2)
            x = a * x + (b * gram + c * gram @ gram) @ x
        return x.swapaxes(1, 2) if is_tall else x


class ScheduleFree(UpdateRule):
    """z <- z - rate g / (sqrt(v / (1 - beta_2^t)) + epsilon); w is the running mean of z."""

    name = "schedule-free adamw"
    form = "parameters are the mean of z"
    parameters = (BETA_2, EPSILON)
    corrected_by = "beta_2"
    keeps_rates = True

    def __init__(self, numbers: Numbers, problem: Problem) -> None:
        super().__init__(numbers, problem)
        self.square: Any = 0.0
        self.fast: Any = problem.values[0]

    def move(self, step: int, grad: np.ndarray, value: np.ndarray) -> tuple[Any, np.ndarray]:
        self.square = mean_of(self.square, grad * grad, self.beta_2)
        self.direction = grad / (np.sqrt(self.square / (1 - self.beta_2**step)) + self.epsilon)
        return (self.fast - value) / step, self.direction / step

    def settle(self, rate: np.ndarray) -> None:
        self.fast = self.fast - rate * self.direction


class ScheduleFreeMixed(ScheduleFree):
    """As `ScheduleFree`, with parameters beta_1 x + (1 - beta_1) z, where x is the mean of z."""

    form = "parameters are between z and its mean"
    parameters = (Parameter("beta_1", "share", (0.9, 0.6)), BETA_2, EPSILON)

    def move(self, step: int, grad: np.ndarray, value: np.ndarray) -> tuple[Any, np.ndarray]:
        super().move(step, grad, value)
        slow = (value - (1 - self.beta_1) * self.fast) / self.beta_1
        share = self.beta_1 / step + 1 - self.beta_1
        offset = self.beta_1 * (1 - 1 / step) * slow + share * self.fast - value
        return offset, share * self.direction


class Ftrl(UpdateRule):
    """z <- z + g - (N'^p - N^p) w / rate; w = (clip(z, -l1, l1) - z) / (N'^p / rate + 2 l2), p = 1/2."""

    name = "ftrl"
    form = "power -1/2, no penalties"
    parameters = (Parameter("learning_rate", "positive", (0.001, 0.01, 0.1, 1.0)), ACCUMULATOR)
    own_decay = True
    arithmetic = 3.0

    def __init__(self, numbers: Numbers, problem: Problem) -> None:
        super().__init__(numbers, problem)
        self.linear: Any = 0.0
        self.total: Any = self.initial_accumulator_value
        self.power: Any = 0.5

    def penalties(self) -> tuple[Any, Any, Any]:
        """l1, l2 and shrinkage."""
        return 0.0, 0.0, 0.0

    def move(self, step: int, grad: np.ndarray, value: np.ndarray) -> tuple[Any, np.ndarray]:
        l1, l2, shrinkage = self.penalties()
        new_total = self.total + grad * grad
        new_power = new_total**self.power
        sigma = (new_power - self.total**self.power) / self.learning_rate
        self.linear = self.linear + grad + 2 * shrinkage * value - sigma * value
        self.total = new_total
        quadratic = new_power / self.learning_rate + 2 * l2
        target = (np.clip(self.linear, -l1, l1) - self.linear) / quadratic
        return target - value, np.zeros_like(target)


class FtrlPenalized(Ftrl):
    """As `Ftrl`, with penalties and a free power."""

    form = "with penalties"
    is_hard = True
    parameters = (
        *Ftrl.parameters,
        Parameter("learning_rate_power", "signed", (-0.5,)),
        Parameter("l1_regularization_strength", "non-negative", (0.0, 1e-3)),
        Parameter("l2_regularization_strength", "non-negative", (0.0,)),
        Parameter("l2_shrinkage_regularization_strength", "non-negative", (0.0,)),
    )

    def __init__(self, numbers: Numbers, problem: Problem) -> None:
        super().__init__(numbers, problem)
        self.power = -self.learning_rate_power

    def penalties(self) -> tuple[Any, Any, Any]:
        return (
            self.l1_regularization_strength,
            self.l2_regularization_strength,
            self.l2_shrinkage_regularization_strength,
        )


RULES = (Lamb, LambDecayed, Adafactor, Muon, ScheduleFree, ScheduleFreeMixed, Ftrl, FtrlPenalized)
