"""How sure is a network? Disease progression of 442 patients, by twenty networks that differ in their seed.

Each network predicts a mean and a variance for every patient. The mean of the variances is the noise that no
network can remove; the variance of the means is what they do not know, as each learned something else. All
twenty are one call, and one compiled program. Each needs 16 bytes a parameter with Adam in float32, 7 kB, and
as many batches lie in memory as members train at once (docs/scaling.md); 32 rows are Keras's batch size.

    python scripts/train_ensemble.py
"""

import jax.numpy as jnp
import numpy as np
from sklearn.datasets import load_diabetes

import jaxgd


def negative_log_likelihood(y, prediction):
    """Of a normal distribution: how surprising y is, given a mean and a variance. A loss of one's own."""
    mean, variance = prediction[:, 0], jnp.logaddexp(prediction[:, 1], 0) + 1e-3  # softplus: always positive
    return 0.5 * (jnp.log(variance) + (y[:, 0] - mean) ** 2 / variance)


def main() -> None:
    x, y = load_diabetes(return_X_y=True, scaled=False)
    rows = np.random.default_rng(0).permutation(len(y))
    train, test = rows[:353], rows[353:]
    centre, unit = y[train].mean(), y[train].std()

    layers = jaxgd.layers
    model = jaxgd.sequential(
        [
            layers.normalization(mean=x[train].mean(axis=0), variance=x[train].var(axis=0)),
            layers.dense(32, "tanh", kernel_regularizer=jaxgd.regularizers.l2(1e-2)),
            layers.dense(2),
        ],
        input_size=10,
    )
    target = ((y[train] - centre) / unit)[:, None]
    settings = {"loss": negative_log_likelihood, "optimizer": jaxgd.optimizers.adam(3e-3), "epochs": 60}
    table = jaxgd.sweep(model, x[train], target, seeds=20, **settings)
    print(f"{len(table)} networks, programs compiled: {table.compilations}")

    def predict(patients):
        outputs = table.ensemble(20).outputs(patients)  # [members, rows, 2]
        means, variances = outputs[..., 0], np.logaddexp(outputs[..., 1], 0) + 1e-3
        return means * unit + centre, np.sqrt(variances.mean(axis=0)) * unit, means.std(axis=0) * unit

    means, noise, unknown = predict(x[test])
    mean, sigma = means.mean(axis=0), np.hypot(noise, unknown)
    alone = np.abs(means - y[test]).mean(axis=1)
    print(f"mean absolute error of one network: {alone.mean():.1f} ({alone.min():.1f} to {alone.max():.1f})")
    print(f"of their mean: {np.abs(mean - y[test]).mean():.1f}")
    print(f"of always answering the training mean: {np.abs(centre - y[test]).mean():.1f}")
    inside = (np.abs(y[test] - mean) < 1.645 * sigma).mean()
    print(f"within their 90 % interval: {100 * inside:.0f} % of {len(test)} patients")
    strange = x[test] + 4 * x[train].std(axis=0)  # patients unlike any that were seen
    print(f"not known, of patients like those seen: {unknown.mean():.1f}")
    print(f"of patients unlike any: {predict(strange)[2].mean():.1f}")


if __name__ == "__main__":
    jaxgd.use_compilation_cache()  # the next run of this script does not compile again
    main()
