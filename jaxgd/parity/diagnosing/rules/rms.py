"""Rules that divide a gradient by the root of past squares, with or without momentum of the quotient."""

from typing import Any

import numpy as np

from jaxgd.parity.diagnosing.rules._rule import (
    ACCUMULATOR,
    EPSILON,
    EPSILON_INSIDE,
    MOMENTUM,
    RHO,
    Numbers,
    Problem,
    UpdateRule,
    mean_of,
)


class RMSprop(UpdateRule):
    """v <- rho v + (1 - rho) g^2; w <- w - rate g / root(v), with v - mean(g)^2 for v if `centered`."""

    name = "rmsprop"
    parameters = (RHO, EPSILON)
    inside = False
    centered = False

    def __init__(self, numbers: Numbers, problem: Problem) -> None:
        super().__init__(numbers, problem)
        self.square: Any = 0.0
        self.mean: Any = 0.0

    def quotient(self, grad: np.ndarray) -> np.ndarray:
        """The gradient divided by its root mean square."""
        self.square = mean_of(self.square, grad * grad, self.rho)
        spread = self.square
        if self.centered:
            self.mean = mean_of(self.mean, grad, self.rho)
            spread = np.maximum(spread - self.mean**2, 0)
        if self.inside:
            return grad / np.sqrt(spread + self.epsilon)
        return grad / (np.sqrt(spread) + self.epsilon)

    def move(self, step: int, grad: np.ndarray, value: np.ndarray) -> tuple[Any, np.ndarray]:
        return 0.0, self.quotient(grad)


class RMSpropMomentumInside(RMSprop):
    """M <- momentum M + rate quotient; w <- w - M."""

    keeps_rates = True

    def __init__(self, numbers: Numbers, problem: Problem) -> None:
        super().__init__(numbers, problem)
        self.velocity: Any = 0.0

    def move(self, step: int, grad: np.ndarray, value: np.ndarray) -> tuple[Any, np.ndarray]:
        self.direction = self.quotient(grad)
        return -self.momentum * self.velocity, self.direction

    def settle(self, rate: np.ndarray) -> None:
        self.velocity = self.momentum * self.velocity + rate * self.direction


class RMSpropMomentumOutside(RMSpropMomentumInside):
    """M <- momentum M + quotient; w <- w - rate M."""

    keeps_rates = False

    def move(self, step: int, grad: np.ndarray, value: np.ndarray) -> tuple[Any, np.ndarray]:
        self.velocity = self.momentum * self.velocity + self.quotient(grad)
        return 0.0, self.velocity


def _rmsprop_variants() -> tuple[type[UpdateRule], ...]:
    """Both places of epsilon, centered or not, and three forms of momentum."""
    momenta = ((RMSprop, ""), (RMSpropMomentumInside, "inside"), (RMSpropMomentumOutside, "outside"))
    variants = []
    for centered in (False, True):
        for inside in (True, False):
            for base, momentum in momenta:
                name = f"{'centered ' if centered else ''}rmsprop{' with momentum' if momentum else ''}"
                form = f"epsilon {'inside' if inside else 'outside'} the root"
                form += f", rate {momentum} the velocity" if momentum else ""
                epsilon = EPSILON_INSIDE if inside else EPSILON
                parameters = (RHO, epsilon, MOMENTUM) if momentum else (RHO, epsilon)
                fields = {"name": name, "form": form, "parameters": parameters}
                variants.append(
                    type("RMSpropVariant", (base,), {**fields, "inside": inside, "centered": centered})
                )
    return tuple(variants)


class Adagrad(UpdateRule):
    """A <- A + g^2; w <- w - rate g / sqrt(A). An epsilon under this root only adds to where A starts."""

    name = "adagrad"
    form = "epsilon inside the root (part of the initial accumulator)"
    parameters = (ACCUMULATOR,)

    def __init__(self, numbers: Numbers, problem: Problem) -> None:
        super().__init__(numbers, problem)
        self.total: Any = self.start()

    def start(self) -> Any:
        """Where the accumulator starts."""
        return self.initial_accumulator_value

    def move(self, step: int, grad: np.ndarray, value: np.ndarray) -> tuple[Any, np.ndarray]:
        self.total = self.total + grad * grad
        return 0.0, grad / self.root()

    def root(self) -> np.ndarray:
        """What divides the gradient."""
        return np.sqrt(self.total)


class AdagradOutside(Adagrad):
    """w <- w - rate g / (sqrt(A) + epsilon)."""

    form = "epsilon outside the root, accumulator from 0"
    parameters = (EPSILON,)

    def start(self) -> Any:
        return 0.0

    def root(self) -> np.ndarray:
        return np.sqrt(self.total) + self.epsilon


class AdagradOutsideStarted(AdagradOutside):
    """As `AdagradOutside`, with an accumulator that starts above 0."""

    form = "epsilon outside the root"
    parameters = (ACCUMULATOR, EPSILON)

    def start(self) -> Any:
        return self.initial_accumulator_value


class Adadelta(UpdateRule):
    """Steps measured by the root mean square of past steps."""

    name = "adadelta"
    form = "epsilon inside both roots"
    parameters = (RHO, EPSILON_INSIDE)

    def __init__(self, numbers: Numbers, problem: Problem) -> None:
        super().__init__(numbers, problem)
        self.square: Any = 0.0
        self.steps: Any = 0.0

    def move(self, step: int, grad: np.ndarray, value: np.ndarray) -> tuple[Any, np.ndarray]:
        self.square = mean_of(self.square, grad * grad, self.rho)
        change = np.sqrt((self.steps + self.epsilon) / (self.square + self.epsilon)) * grad
        self.steps = mean_of(self.steps, change * change, self.rho)
        return 0.0, change


RULES = (*_rmsprop_variants(), Adagrad, AdagradOutside, AdagradOutsideStarted, Adadelta)
