"""A flax.nnx module through the same `make_step` and `train`: any pure function of the parameters will do.

    python scripts/train_flax_module.py

Memory with Adam in float32: 16 bytes a parameter, 154 kB for these 9,610, besides a batch and what the module
keeps of it for the way back. How to choose a batch: docs/scaling.md.
"""

import jax.numpy as jnp
from flax import nnx
from sklearn.datasets import load_digits

import jaxgd


class Network(nnx.Module):
    """64-128-10, written with flax's own layers."""

    def __init__(self, rngs: nnx.Rngs) -> None:
        self.hidden = nnx.Linear(64, 128, rngs=rngs)
        self.out = nnx.Linear(128, 10, rngs=rngs)

    def __call__(self, x):
        return self.out(nnx.relu(self.hidden(x)))


def main() -> None:
    pixels, labels = load_digits(return_X_y=True)
    data = {"x": jnp.asarray(pixels, jnp.float32) / 16, "y": jnp.asarray(labels, jnp.int32)}
    train_rows = 1437

    # nnx.split gives the structure, which is static, and the parameters, which are a pytree.
    graph, params = nnx.split(Network(nnx.Rngs(0)))

    def objective(params, batch, key):
        logits = nnx.merge(graph, params)(batch["x"])
        return jaxgd.losses.sparse_categorical_crossentropy(batch["y"], logits, from_logits=True)

    optimizer = jaxgd.optimizers.adam(learning_rate=1e-3)
    step = jaxgd.make_step(objective, optimizer)
    state = jaxgd.TrainState.create(params=params, optimizer=optimizer)

    # Whole batches only, so that no batch has padding that the objective would have to mask.
    epochs, batch = 20, 32
    schedule = jaxgd.make_schedule(train_rows // batch * batch, batch, epochs, seed=0)
    state, history = jaxgd.train(step, state, data, schedule)

    losses = history["loss"].reshape(epochs, -1).mean(axis=1)
    print(f"loss of the first epoch {losses[0]:.4f}, of the last {losses[-1]:.4f}")
    logits = nnx.merge(graph, state.params)(data["x"][train_rows:])
    print(f"held-out accuracy {(logits.argmax(axis=1) == data['y'][train_rows:]).mean():.4f}")


if __name__ == "__main__":
    jaxgd.use_compilation_cache()  # the next run of this script does not compile again
    main()
