"""NumPy: forward, backward and update written out, in float32."""

import numpy as np
from common import each_batch, init_weights


def versions():
    return {"numpy": np.__version__}


def gradients(case, weights, x, y):
    inputs = [x]
    for kernel, bias in weights[:-1]:
        inputs.append(np.maximum(inputs[-1] @ kernel + bias, 0))
    kernel, bias = weights[-1]
    z = inputs[-1] @ kernel + bias
    if case.loss == "mean_squared_error":
        p = 1 / (1 + np.exp(-z))
        delta = (p - y) * p * (1 - p) * np.float32(2 / p.size)
    else:
        delta = np.exp(z - z.max(axis=1, keepdims=True))
        delta /= delta.sum(axis=1, keepdims=True)
        delta[np.arange(len(y)), y] -= 1
        delta /= np.float32(len(y))
    grads = []
    for place in reversed(range(len(weights))):
        grads += [delta.sum(axis=0), inputs[place].T @ delta]
        if place:
            delta = (delta @ weights[place][0].T) * (inputs[place] > 0)
    return grads[::-1]


class Loop:
    def __init__(self, case):
        self.case = case

    def reset(self):
        self.pairs = [(kernel.copy(), bias.copy()) for kernel, bias in init_weights(self.case)]
        self.leaves = [leaf for pair in self.pairs for leaf in pair]
        self.m = [np.zeros_like(leaf) for leaf in self.leaves]
        self.v = [np.zeros_like(leaf) for leaf in self.leaves]

    def run(self, epochs):
        rate = self.case.learning_rate
        for t, (x, y) in enumerate(each_batch(self.case, epochs), 1):
            grads = gradients(self.case, self.pairs, x, y)
            if self.case.optimizer == "sgd":
                for leaf, grad in zip(self.leaves, grads, strict=True):
                    leaf -= np.float32(rate) * grad
                continue
            size = np.float32(rate * np.sqrt(1 - 0.999**t) / (1 - 0.9**t))
            for leaf, grad, m, v in zip(self.leaves, grads, self.m, self.v, strict=True):
                m += (grad - m) * np.float32(0.1)
                v += (grad * grad - v) * np.float32(0.001)
                leaf -= size * m / (np.sqrt(v) + np.float32(1e-7))

    def weights(self):
        return self.pairs


PEERS = {"NumPy": Loop}
