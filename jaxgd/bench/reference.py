"""Every workload in float64 with NumPy: what each peer's weights are held against."""

from collections.abc import Iterator, Mapping
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np

from jaxgd.bench.serving import loss_of

BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-7

_Weights = list[tuple[np.ndarray, np.ndarray]]


class Reference:
    """The loss after any number of epochs, trained no further than it was asked for."""

    def __init__(self, case: SimpleNamespace, fixed_order: bool) -> None:
        self.case = case
        self.fixed_order = fixed_order
        self.losses: dict[int, float] = {}
        self.epoch = 0
        self.descent = _Descent.of(case)
        self.first_loss = loss_of(case, self.descent.weights)

    def loss(self, epochs: int) -> float:
        """After so many epochs; to be asked for in rising order, or again for one that was asked for."""
        if epochs not in self.losses:
            self._train(epochs)
            self.losses[epochs] = loss_of(self.case, self.descent.weights)
        return self.losses[epochs]

    def _train(self, epochs: int) -> None:
        if epochs < self.epoch:
            self.epoch, self.descent = 0, _Descent.of(self.case)
        while self.epoch < epochs:
            for rows in batches_of(self.case, 0 if self.fixed_order else self.epoch):
                self.descent.step(self.case.x[rows], self.case.y[rows])
            self.epoch += 1


def batches_of(case: SimpleNamespace, epoch: int) -> Iterator[np.ndarray]:
    """The rows of each batch of an epoch."""
    order = case.orders[epoch % len(case.orders)]
    for start in range(0, len(order), case.batch):
        yield order[start : start + case.batch]


def initial_weights(case: SimpleNamespace) -> _Weights:
    """Where every peer starts."""
    values: Mapping[str, Any] = vars(case)
    return [(values[f"kernel_{i}"], values[f"bias_{i}"]) for i in range(len(case.sizes) - 1)]


def first_member(case: SimpleNamespace) -> SimpleNamespace:
    """The first run of a sweep as a case of its own: the first seed with the first rate."""
    values = dict(vars(case))
    values |= {name: values[name][0] for name in values if name.startswith(("kernel_", "bias_", "orders"))}
    return SimpleNamespace(**{**values, "learning_rate": float(values["rates"][0])})


class _Descent(NamedTuple):
    case: SimpleNamespace
    weights: _Weights
    first: _Weights
    second: _Weights
    steps: list[int]

    @classmethod
    def of(cls, case: SimpleNamespace) -> "_Descent":
        weights = [(k.astype(np.float64), b.astype(np.float64)) for k, b in initial_weights(case)]
        first, second = ([(np.zeros_like(k), np.zeros_like(b)) for k, b in weights] for _ in range(2))
        return cls(case, weights, first, second, [0])

    def step(self, x: np.ndarray, y: np.ndarray) -> None:
        """Gradient and update, in place."""
        self.steps[0] += 1
        for place, grads in enumerate(self._gradients(x.astype(np.float64), y)):
            for leaf, grad in enumerate(grads):
                self._update(place, leaf, grad)

    def _gradients(self, x: np.ndarray, y: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
        inputs = [x]
        for kernel, bias in self.weights[:-1]:
            inputs.append(np.maximum(inputs[-1] @ kernel + bias, 0.0))
        kernel, bias = self.weights[-1]
        delta = _output_delta(self.case, inputs[-1] @ kernel + bias, y)
        grads = []
        for place in reversed(range(len(self.weights))):
            grads.append((inputs[place].T @ delta, delta.sum(axis=0)))
            if place:
                delta = (delta @ self.weights[place][0].T) * (inputs[place] > 0)
        return grads[::-1]

    def _update(self, place: int, leaf: int, grad: np.ndarray) -> None:
        value, rate = self.weights[place][leaf], self.case.learning_rate
        if self.case.optimizer == "sgd":
            value -= rate * grad
            return
        step, m, v = self.steps[0], self.first[place][leaf], self.second[place][leaf]
        m += (grad - m) * (1 - BETA_1)
        v += (grad * grad - v) * (1 - BETA_2)
        size = rate * np.sqrt(1 - BETA_2**step) / (1 - BETA_1**step)
        value -= size * m / (np.sqrt(v) + EPSILON)


def _output_delta(case: SimpleNamespace, z: np.ndarray, y: np.ndarray) -> np.ndarray:
    """dL/dz of the last layer."""
    if case.loss == "mean_squared_error":
        p = 1.0 / (1.0 + np.exp(-z))
        return 2 * (p - y) * p * (1 - p) / p.size
    p = np.exp(z - z.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    p[np.arange(len(y)), y] -= 1.0
    return p / len(y)
