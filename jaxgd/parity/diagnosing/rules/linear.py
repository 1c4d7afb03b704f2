"""Rules that are linear in the gradients: gradient descent and its momentum forms."""

from typing import Any

import numpy as np

from jaxgd.parity.diagnosing.rules._rule import MOMENTUM, Numbers, Parameter, Problem, UpdateRule

DAMPENING = Parameter("dampening", "signed", (0.3, 0.8))


class GradientDescent(UpdateRule):
    """w <- w - rate g."""

    name = "sgd"

    def move(self, step: int, grad: np.ndarray, value: np.ndarray) -> tuple[Any, np.ndarray]:
        return 0.0, grad


class MomentumInside(UpdateRule):
    """v <- momentum v - rate g; w <- w + v, or w + momentum v - rate g with `nesterov`."""

    name = "sgd with momentum"
    form = "rate inside the velocity"
    parameters = (MOMENTUM,)
    keeps_rates = True
    nesterov = False

    def __init__(self, numbers: Numbers, problem: Problem) -> None:
        super().__init__(numbers, problem)
        self.velocity: Any = 0.0

    def move(self, step: int, grad: np.ndarray, value: np.ndarray) -> tuple[Any, np.ndarray]:
        self.grad = grad
        carried = self.momentum * self.velocity
        if self.nesterov:
            return self.momentum * carried, (1 + self.momentum) * grad
        return carried, grad

    def settle(self, rate: np.ndarray) -> None:
        self.velocity = self.momentum * self.velocity - rate * self.grad


class NesterovInside(MomentumInside):
    """See `MomentumInside`."""

    name = "sgd with nesterov momentum"
    nesterov = True


class MomentumOutside(UpdateRule):
    """m <- momentum m + g; w <- w - rate m, or rate (g + momentum m) with `nesterov`."""

    name = "sgd with momentum"
    form = "rate outside the velocity"
    parameters = (MOMENTUM,)
    nesterov = False

    def __init__(self, numbers: Numbers, problem: Problem) -> None:
        super().__init__(numbers, problem)
        self.mean: Any = 0.0

    def move(self, step: int, grad: np.ndarray, value: np.ndarray) -> tuple[Any, np.ndarray]:
        self.mean = self.momentum * self.mean + self._share(step) * grad
        return 0.0, grad + self.momentum * self.mean if self.nesterov else self.mean

    def _share(self, step: int) -> Any:
        return 1.0


class NesterovOutside(MomentumOutside):
    """See `MomentumOutside`."""

    name = "sgd with nesterov momentum"
    nesterov = True


class DampenedMomentum(MomentumOutside):
    """m <- momentum m + (1 - dampening) g, from m = g; w <- w - rate m."""

    name = "sgd with dampened momentum"
    form = "first gradient undampened"
    parameters = (MOMENTUM, DAMPENING)

    def _share(self, step: int) -> Any:
        return 1.0 if step == 1 else 1 - self.dampening


RULES = (
    GradientDescent,
    MomentumInside,
    MomentumOutside,
    NesterovInside,
    NesterovOutside,
    DampenedMomentum,
)
