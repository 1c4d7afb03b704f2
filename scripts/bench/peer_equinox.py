"""equinox as its examples write it: an eqx.Module, optax, and a filter_jit step called from Python."""

# pyright: reportMissingImports=false, reportPossiblyUnboundVariable=false

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from common import each_batch, init_weights, is_full_batch


def versions():
    return {"equinox": eqx.__version__, "optax": optax.__version__, "jax": jax.__version__}


class Network(eqx.Module):
    layers: list
    output: str = eqx.field(static=True)

    def __init__(self, sizes, output, key):
        keys = jax.random.split(key, len(sizes))
        pairs = zip(sizes[:-1], sizes[1:], keys[:-1], strict=True)
        self.layers = [eqx.nn.Linear(fan_in, fan_out, key=each) for fan_in, fan_out, each in pairs]
        self.output = output

    def __call__(self, x):
        for layer in self.layers[:-1]:
            x = jax.nn.relu(layer(x))
        x = self.layers[-1](x)
        return jax.nn.sigmoid(x) if self.output == "sigmoid" else x


def squared(model, x, y):
    return jnp.square(jax.vmap(model)(x) - y).mean()


def cross_entropy(model, x, y):
    return optax.softmax_cross_entropy_with_integer_labels(jax.vmap(model)(x), y).mean()


class Loop:
    def __init__(self, case):
        loss_fn = squared if case.loss == "mean_squared_error" else cross_entropy
        optimizer = {"sgd": optax.sgd, "adam": lambda rate: optax.adam(rate, eps=1e-7)}[case.optimizer](
            case.learning_rate
        )

        @eqx.filter_jit
        def step(model, opt_state, x, y):
            loss, grads = eqx.filter_value_and_grad(loss_fn)(model, x, y)
            updates, opt_state = optimizer.update(grads, opt_state, eqx.filter(model, eqx.is_array))
            return eqx.apply_updates(model, updates), opt_state, loss

        self.case, self.step, self.optimizer = case, step, optimizer

    def reset(self):
        model = Network(self.case.sizes, self.case.activations[1], jax.random.key(0))
        start = init_weights(self.case)
        leaves = [leaf for kernel, bias in start for leaf in (jnp.asarray(kernel.T), jnp.asarray(bias))]
        self.model = eqx.tree_at(
            lambda model: [leaf for layer in model.layers for leaf in (layer.weight, layer.bias)],
            model,
            leaves,
        )
        self.opt_state = self.optimizer.init(eqx.filter(self.model, eqx.is_array))
        self.x, self.y = jnp.asarray(self.case.x), jnp.asarray(self.case.y)

    def run(self, epochs):
        if is_full_batch(self.case):
            for _ in range(epochs):
                self.model, self.opt_state, loss = self.step(self.model, self.opt_state, self.x, self.y)
        else:
            for x, y in each_batch(self.case, epochs):
                self.model, self.opt_state, loss = self.step(self.model, self.opt_state, x, y)
        jax.block_until_ready((loss, self.opt_state))

    def weights(self):
        return [(layer.weight.T, layer.bias) for layer in self.model.layers]


PEERS = {"equinox": Loop}
