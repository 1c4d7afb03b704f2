"""The seed example in flax.nnx; weights come from the file that is named, so that losses are equal."""

# pyright: reportOptionalSubscript=false

import sys

import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx

rng = np.random.default_rng(0)
x = jnp.asarray(rng.random((32, 5), dtype=np.float32))
y = jnp.asarray(rng.random((32, 1), dtype=np.float32))


class Network(nnx.Module):
    def __init__(self, rngs):
        self.hidden = nnx.Linear(5, 10, rngs=rngs)
        self.output = nnx.Linear(10, 1, rngs=rngs)

    def __call__(self, x):
        return nnx.sigmoid(self.output(nnx.relu(self.hidden(x))))


@nnx.jit
def step(model, optimizer, x, y):
    loss, grads = nnx.value_and_grad(lambda model: jnp.square(model(x) - y).mean())(model)
    optimizer.update(model, grads)
    return loss


model = Network(nnx.Rngs(0))
weights = np.load(sys.argv[1])
for index, layer in enumerate((model.hidden, model.output)):
    layer.kernel[...] = jnp.asarray(weights[f"kernel_{index}"])
    layer.bias[...] = jnp.asarray(weights[f"bias_{index}"])
optimizer = nnx.Optimizer(model, optax.sgd(0.01), wrt=nnx.Param)

for epoch in range(1, 11):
    print(f"Epoch {epoch}, Loss: {step(model, optimizer, x, y):.6f}")
