"""A run that an earlier version of the library began goes on.

`format-2/checkpoint-00000007.npz` was written by `fit` below, interrupted after step 35, with the last commit
that wrote a sha256 of every array of the data into format 2 (the first parent of 3619d80).
"""

import shutil
import warnings
from pathlib import Path

import jax
import numpy as np
import pytest

import jaxgd
from jaxgd.checkpoints import CheckpointError, CheckpointWarning, read_checkpoint

FORMER = Path(__file__).parent / "format-2" / "checkpoint-00000007.npz"
ROWS = np.arange(60)
X = np.stack([ROWS * 37 % 101, ROWS * 53 % 103, ROWS * 71 % 107], axis=1).astype(np.float32) / 50 - 1
Y = X.sum(axis=1, keepdims=True)


def fit(folder=None, **options):
    layers = [jaxgd.layers.dense(4, "tanh"), jaxgd.layers.batch_normalization(), jaxgd.layers.dropout(0.2)]
    schedule = jaxgd.schedules.exponential_decay(0.02, 20, 0.9)
    settings = {
        "optimizer": jaxgd.optimizers.adam(schedule, use_ema=True, gradient_accumulation_steps=2),
        "early_stopping": jaxgd.EarlyStopping(
            "val_loss", patience=4, min_delta=0.05, start_from_epoch=18, restore_best_weights=True
        ),
        "sample_weight": 1 + ROWS % 2,
        "checkpoint": folder,
        **options,
    }
    model = jaxgd.sequential([*layers, jaxgd.layers.dense(1)], 3)
    data = {"x": X, "y": Y, "validation_split": 0.2, **settings}
    return jaxgd.fit(model, **{"epochs": 12, "batch_size": 8, "metrics": ["mae"], **data})


@pytest.fixture
def former(tmp_path):
    shutil.copy(FORMER, tmp_path)
    return tmp_path


def migrated(former, **options):
    """The run that goes on, and what was said; another machine or version of JAX may be said as well."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", CheckpointWarning)
        result = fit(former, **options)
    return result, " ".join(str(each.message) for each in caught)


def test_it_goes_on_and_is_saved_in_the_format_of_today(former):
    steps = []
    result, said = migrated(former, progress=lambda report: steps.append(report.step))
    assert "written in format 2" in said
    assert min(steps) > 35
    assert {read_checkpoint(path).version for path in former.glob("*.npz")} == {2, 3}
    whole = fit()
    assert result.history.epochs == whole.history.epochs == 12
    for mine, theirs in zip(jax.tree.leaves(result.params), jax.tree.leaves(whole.params), strict=True):
        np.testing.assert_allclose(
            mine, theirs, rtol=0, atol=1e-5
        )  # begun by another program, maybe elsewhere
    for name, values in whole.history.items():
        np.testing.assert_allclose(result.history[name], values, rtol=1e-4)
    again, said = migrated(former)
    assert "format 2" not in said
    assert again.history.epochs == 12


DIFFERENT = {
    "one cell": ({"x": np.where(X[3, 1] == X, 0.5, X)}, "data.training.x: saved"),
    "weights": ({"sample_weight": None}, "data.training.sample_weight: saved"),
    "validation": ({"validation_split": 0.25}, "data.validation.x: saved"),
    "seed": ({"seed": 1}, "seed: saved 0, now 1"),
}


@pytest.mark.parametrize("name", DIFFERENT)
def test_another_run_is_refused_as_ever(former, name):
    options, message = DIFFERENT[name]
    with pytest.warns(CheckpointWarning, match="format 2"), pytest.raises(CheckpointError, match=message):
        fit(former, **options)
    assert (former / FORMER.name).read_bytes() == FORMER.read_bytes()
