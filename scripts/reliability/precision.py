"""Digits in float32, and in mixed precision: the share of held-out rows that is classified correctly.

python scripts/reliability/precision.py --seeds 5
"""

import argparse
import json
import sys

import numpy as np
from sklearn.datasets import load_digits

import jaxgd

TRAINED = 1200
"""Rows; the other 597 are held out."""
DTYPES = ("float32", "mixed_bfloat16", "mixed_float16")


def main() -> None:
    """Print the findings as JSON; exit with 1 if a mean is more than half a point from float32's."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=5)
    seeds = range(parser.parse_args().seeds)
    found = {dtype: [accuracy(dtype, seed) for seed in seeds] for dtype in DTYPES}
    means = {dtype: float(np.mean(each)) for dtype, each in found.items()}
    apart = {dtype: means[dtype] - means["float32"] for dtype in DTYPES}
    listed = {dtype: ", ".join(f"{each:.2f}" for each in found[dtype]) for dtype in DTYPES}
    print(
        json.dumps({dtype: f"{means[dtype]:.2f} ({apart[dtype]:+.2f}); {listed[dtype]}" for dtype in DTYPES})
    )
    sys.exit(0 if max(map(abs, apart.values())) <= 0.5 else 1)


def accuracy(dtype: str, seed: int) -> float:
    """Correct of the held-out rows, in percent; float16 trains with a dynamic scale of the loss."""
    x, y = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(x))
    x, y = x[order] / 16, y[order]
    model = jaxgd.mlp([64, 32, 10], output_activation="softmax", dtype=dtype)
    optimizer = jaxgd.optimizers.adam(2e-3)
    if dtype == "mixed_float16":
        optimizer = jaxgd.optimizers.loss_scale(optimizer)
    options = {"loss": "sparse_categorical_crossentropy", "optimizer": optimizer, "epochs": 20, "seed": seed}
    result = jaxgd.fit(model, x[:TRAINED], y[:TRAINED], **options)
    if result.divergence is not None:
        raise RuntimeError(f"{dtype}: {result.divergence}")
    predicted = jaxgd.predict(model, result.params, x[TRAINED:]).argmax(axis=1)
    return 100 * float((predicted == y[TRAINED:]).mean())


if __name__ == "__main__":
    main()
