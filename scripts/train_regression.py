"""Regression on real data: disease progression of 442 patients from ten measurements.

Twenty networks that differ in their seed are trained by one compiled program; their spread says how far
one of them can be trusted.

    python scripts/train_regression.py
"""

import numpy as np
from sklearn.datasets import load_diabetes

import jaxgd


def main() -> None:
    x, y = load_diabetes(return_X_y=True, scaled=False)
    rows = np.random.default_rng(0).permutation(len(y))
    train, test = rows[:353], rows[353:]

    # Inputs are standardised by a layer that knows the training rows, outputs are scaled back by one.
    model = jaxgd.sequential(
        [
            jaxgd.layers.normalization(mean=x[train].mean(axis=0), variance=x[train].var(axis=0)),
            jaxgd.layers.dense(32, "tanh", kernel_regularizer=jaxgd.regularizers.l2(1e-2)),
            jaxgd.layers.dense(1),
            jaxgd.layers.rescaling(y[train].std(), offset=y[train].mean()),
        ],
        input_size=10,
    )

    predictions, compilations = [], 0
    for seed in range(20):
        result = jaxgd.fit(
            model,
            x[train],
            y[train],
            loss="huber",
            optimizer=jaxgd.optimizers.adam(learning_rate=3e-3),
            epochs=60,
            seed=seed,
        )
        compilations += result.compilations
        predictions.append(jaxgd.predict(model, result.params, x[test])[:, 0])

    members = np.array(predictions)
    error = np.abs(members - y[test]).mean(axis=1)
    print(
        f"mean absolute error of a member: {error.mean():.1f} (from {error.min():.1f} to {error.max():.1f})"
    )
    print(f"of their mean: {np.abs(members.mean(axis=0) - y[test]).mean():.1f}")
    print(f"of always answering the training mean: {np.abs(y[train].mean() - y[test]).mean():.1f}")
    print(f"spread of the members' answers for a patient: {members.std(axis=0).mean():.1f}")
    print(f"programs compiled for 20 networks: {compilations}")


if __name__ == "__main__":
    jaxgd.use_compilation_cache()  # the next run of this script does not compile again
    main()
