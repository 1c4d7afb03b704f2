"""Rules whose direction is a sign. Their numbers are found by which signs they allow, not by descent."""

from typing import Any

import numpy as np

from jaxgd.parity.diagnosing.rules._rule import Numbers, Parameter, Problem, UpdateRule, mean_of


class RecordedSigns(UpdateRule):
    """The signs that the changes themselves have: whether a run is of this family at all."""

    name = "signs of the changes"

    def move(self, step: int, grad: np.ndarray, value: np.ndarray) -> tuple[Any, np.ndarray]:
        return 0.0, np.broadcast_to(-np.sign(self.problem.changes[step - 1]), grad.shape).copy()


class SignDescent(UpdateRule):
    """w <- w - rate sign(g)."""

    name = "sign descent"

    def move(self, step: int, grad: np.ndarray, value: np.ndarray) -> tuple[Any, np.ndarray]:
        return 0.0, np.sign(grad)


class Lion(UpdateRule):
    """w <- w - rate sign(beta_1 m + (1 - beta_1) g); m <- beta_2 m + (1 - beta_2) g."""

    name = "lion"
    parameters = (Parameter("beta_1", "share", (0.9,)), Parameter("beta_2", "share", (0.99,)))

    def __init__(self, numbers: Numbers, problem: Problem) -> None:
        super().__init__(numbers, problem)
        self.mean: Any = 0.0

    def move(self, step: int, grad: np.ndarray, value: np.ndarray) -> tuple[Any, np.ndarray]:
        return 0.0, np.sign(self.mixture(grad))

    def mixture(self, grad: np.ndarray) -> np.ndarray:
        """What the sign is taken of; moves the mean on."""
        mixed = mean_of(self.mean, grad, self.beta_1)
        self.mean = mean_of(self.mean, grad, self.beta_2)
        return mixed
