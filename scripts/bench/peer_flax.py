"""flax.nnx as its guides write it: a module, an nnx.Optimizer, and a jitted step called from Python."""

# pyright: reportOptionalSubscript=false, reportPossiblyUnboundVariable=false

from itertools import pairwise

import flax
import jax
import jax.numpy as jnp
import optax
from common import each_batch, init_weights, is_full_batch
from flax import nnx


def versions():
    return {"flax": flax.__version__, "optax": optax.__version__, "jax": jax.__version__}


class Network(nnx.Module):
    def __init__(self, sizes, output, rngs):
        pairs = pairwise(sizes)
        self.layers = nnx.List([nnx.Linear(*pair, rngs=rngs) for pair in pairs])
        self.output = output

    def __call__(self, x):
        for layer in self.layers[:-1]:
            x = nnx.relu(layer(x))
        x = self.layers[-1](x)
        return nnx.sigmoid(x) if self.output == "sigmoid" else x


def squared(model, x, y):
    return jnp.square(model(x) - y).mean()


def cross_entropy(model, x, y):
    return optax.softmax_cross_entropy_with_integer_labels(model(x), y).mean()


class Loop:
    def __init__(self, case):
        loss_fn = squared if case.loss == "mean_squared_error" else cross_entropy

        @nnx.jit
        def step(model, optimizer, x, y):
            loss, grads = nnx.value_and_grad(loss_fn)(model, x, y)
            optimizer.update(model, grads)
            return loss

        self.case, self.step = case, step
        self.transformation = {"sgd": optax.sgd, "adam": lambda rate: optax.adam(rate, eps=1e-7)}[
            case.optimizer
        ](case.learning_rate)

    def reset(self):
        self.model = Network(self.case.sizes, self.case.activations[1], nnx.Rngs(0))
        for layer, (kernel, bias) in zip(self.model.layers, init_weights(self.case), strict=True):
            layer.kernel[...], layer.bias[...] = jnp.asarray(kernel), jnp.asarray(bias)
        self.optimizer = nnx.Optimizer(self.model, self.transformation, wrt=nnx.Param)
        self.x, self.y = jnp.asarray(self.case.x), jnp.asarray(self.case.y)

    def run(self, epochs):
        if is_full_batch(self.case):
            for _ in range(epochs):
                loss = self.step(self.model, self.optimizer, self.x, self.y)
        else:
            for x, y in each_batch(self.case, epochs):
                loss = self.step(self.model, self.optimizer, x, y)
        jax.block_until_ready((loss, nnx.state(self.model)))

    def weights(self):
        return [(layer.kernel[...], layer.bias[...]) for layer in self.model.layers]


PEERS = {"flax.nnx": Loop}
