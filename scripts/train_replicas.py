"""A fit as in particle physics: a curve through correlated data, its uncertainty by replicas.

A hundred networks each fit their own copy of the data, with noise drawn from the data's covariance. The
spread of the hundred curves is the uncertainty of the curve. jax.vmap makes one program of them all.
It needs 16 bytes a parameter with Nadam in float32, 1 MB for a hundred times 616 (docs/scaling.md); a batch
is all points, for correlated ones cannot be divided.

    python scripts/train_replicas.py
"""

import jax
import jax.numpy as jnp
import numpy as np

import jaxgd

REPLICAS, POINTS, STEPS = 100, 40, 3000


def law(x):
    """What nature does, and the fit does not know: x f(x) of a valence quark, say."""
    return 3.0 * x**0.6 * (1 - x) ** 3


def main() -> None:
    rng = np.random.default_rng(1)
    x = np.geomspace(1e-3, 0.9, POINTS)
    truth = law(x)
    # Errors: 3 % (and a floor) of each point's own, and 2 % that moves all points together.
    covariance = np.diag((0.03 * truth + 0.005) ** 2) + np.outer(0.02 * truth, 0.02 * truth)
    root = np.linalg.cholesky(covariance)
    measured = truth + root @ rng.normal(size=POINTS)
    replicas = measured + rng.normal(size=(REPLICAS, POINTS)) @ root.T

    model = jaxgd.mlp([2, 25, 20, 1], activation="tanh")
    inputs = jnp.asarray(
        np.stack([x, np.log(x)], axis=1)
    )  # both, as the curve has a small-x and a large-x end
    whiten = jnp.asarray(np.linalg.inv(root))

    def curve(params, inputs):
        return (1 - inputs[:, 0]) * model.apply(params, inputs)[:, 0]  # nothing is left at x = 1

    def chi_squared(params, batch, key):
        """Residuals in units of their errors, correlations taken out; a point."""
        return jnp.mean((whiten @ (batch["y"] - curve(params, batch["x"]))) ** 2)

    # The norm of all gradients together is bounded: clipnorm would bound each array's by itself.
    optimizer = jaxgd.optimizers.nadam(learning_rate=3e-3, global_clipnorm=1.0)
    step = jaxgd.make_step(chi_squared, optimizer)
    schedule = jaxgd.make_schedule(POINTS, POINTS, STEPS)  # every step sees all points

    def fit(seed, y):
        state = jaxgd.TrainState.create(params=model.init(jax.random.key(seed)), optimizer=optimizer)
        state, history = jaxgd.train(step, state, {"x": inputs, "y": y}, schedule)
        return state.params, history["loss"][-1]

    params, chi = jax.jit(jax.vmap(fit))(jnp.arange(REPLICAS), jnp.asarray(replicas))
    print(f"{REPLICAS} replicas, {STEPS} steps each, in one program")
    print(f"chi2 a point {chi.mean():.2f} +- {chi.std():.2f} (below 2: the data's noise and the replica's)")

    curves = np.asarray(jax.vmap(curve, in_axes=(0, None))(params, inputs))
    centre, error = curves.mean(axis=0), curves.std(axis=0)
    for k in range(0, POINTS, 8):
        print(f"x = {x[k]:6.4f}: {centre[k]:.4f} +- {error[k]:.4f}, truth {truth[k]:.4f}")
    pull = (centre - truth) / error
    print(f"points whose truth is within one error: {100 * (np.abs(pull) < 1).mean():.0f} %")
    print(f"error of the fit over that of the data: {(error / np.sqrt(np.diag(covariance))).mean():.2f}")


if __name__ == "__main__":
    jaxgd.use_compilation_cache()  # the next run of this script does not compile again
    main()
