"""Learning a function and its derivatives: what float64 is good for.

A small network learns u(x) = sin(3x) exp(-x^2) from 64 values, in float32 and in float64: same start, same
steps. Then u' and u'' are asked for, which were never shown, and the gradient is checked by differences.
Adam needs 16 bytes a parameter in float32, 32 in float64; a batch is all 64 values, for they have no noise
that smaller batches would average out. More of both: docs/scaling.md.

    python scripts/train_function.py
"""

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

import jaxgd

EPOCHS = 20_000


def u(x):
    """The function."""
    return jnp.sin(3 * x) * jnp.exp(-(x**2))


def learn(dtype: str) -> None:
    """Prints what was reached."""
    x = np.linspace(-2, 2, 64)[:, None]
    y = np.asarray(u(x), dtype)
    model = jaxgd.mlp([1, 24, 24, 1], activation="tanh", dtype=dtype)
    optimizer = jaxgd.optimizers.adam(jaxgd.schedules.cosine_decay(5e-3, decay_steps=EPOCHS, alpha=1e-4))
    settings = {"epochs": EPOCHS, "batch_size": 64, "shuffle": False, "seed": 0}
    result = jaxgd.fit(model, x, y, optimizer=optimizer, **settings)
    print(f"{dtype}: loss {result.history['loss'][-1]:.1e} after {EPOCHS:,} steps")

    # The network is a plain function of x: JAX differentiates it as it differentiates u.
    between, errors = jnp.linspace(-1.9, 1.9, 201, dtype=dtype), []
    learned, true = (lambda x: model.apply(result.params, x.reshape(1, 1))[0, 0]), u
    for _ in range(3):
        errors.append(float(jnp.abs(jax.vmap(learned)(between) - jax.vmap(true)(between)).max()))
        learned, true = jax.grad(learned), jax.grad(true)
    print("  largest error of u: {:.1e}, of u': {:.1e}, of u'': {:.1e}".format(*errors))

    # The slope of the loss along a direction, at the start: by differences, and by backpropagation.
    flat, restore = ravel_pytree(model.init(0))
    loss = jax.jit(lambda flat: jaxgd.losses.mean_squared_error(y, model.apply(restore(flat), x)))
    along = jnp.ones_like(flat) / jnp.sqrt(flat.size)
    step = 1e-5 if dtype == "float64" else 1e-3
    by_differences = (loss(flat + step * along) - loss(flat - step * along)) / (2 * step)
    slope = jax.grad(loss)(flat) @ along
    print(f"  gradient against differences: {abs(float(by_differences / slope) - 1):.0e} apart")


def main() -> None:
    learn("float32")
    with jax.enable_x64(True):  # arrays of 64 bits exist inside this block
        learn("float64")


if __name__ == "__main__":
    jaxgd.use_compilation_cache()  # the next run of this script does not compile again
    main()
