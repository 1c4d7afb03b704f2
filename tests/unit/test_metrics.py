"""Metrics by hand-worked numbers, their additivity, and their errors."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgd import losses, metrics

COINS = jnp.array([[0.0], [0.0], [1.0], [1.0]])
SCORES = jnp.array([[0.1], [0.4], [0.35], [0.8]])

WORKED = [
    ("mse", {}, [[0.0], [0.0]], [[1.0], [3.0]], 5.0),
    ("root_mean_squared_error", {}, [[0.0], [0.0]], [[1.0], [7.0]], 5.0),
    ("BinaryAccuracy", {}, COINS, SCORES, 0.75),
    ("BinaryAccuracy", {"threshold": 0.35}, COINS, SCORES, 0.5),
    ("auc", {}, COINS, SCORES, 0.75),
    ("Precision", {}, COINS, SCORES, 1.0),
    ("Precision", {"thresholds": [0.05, 0.36]}, COINS, SCORES, [0.5, 0.5]),
    ("Recall", {}, COINS, SCORES, 0.5),
    ("TruePositives", {}, COINS, SCORES, 1.0),
    ("FalseNegatives", {}, COINS, SCORES, 1.0),
    ("TrueNegatives", {}, COINS, SCORES, 2.0),
    ("FalsePositives", {"thresholds": 0.3}, COINS, SCORES, 1.0),
    ("SensitivityAtSpecificity", {"specificity": 1.0}, COINS, SCORES, 0.5),
    ("sparse_categorical_accuracy", {}, [1, 0], [[0.5, 0.5], [0.5, 0.5]], 0.5),
    ("SparseTopKCategoricalAccuracy", {"k": 1}, [1, 0], [[0.5, 0.5], [0.5, 0.5]], 1.0),
    ("R2Score", {}, [[1.0], [2.0], [3.0]], [[1.0], [2.0], [5.0]], -1.0),
    ("PearsonCorrelation", {}, [[1.0, 2.0, 3.0]], [[-2.0, -4.0, -6.0]], -1.0),
    ("F1Score", {}, [[1, 0], [0, 1]], [[0.9, 0.1], [0.8, 0.2]], [2 / 3, 0.0]),
    ("BinaryIoU", {}, COINS, SCORES, (1 / 2 + 2 / 3) / 2),
]


@pytest.mark.parametrize(("name", "options", "y_true", "y_pred", "expected"), WORKED)
def test_worked_by_hand(name, options, y_true, y_pred, expected):
    value = metrics.get(name, **options)(jnp.asarray(y_true), jnp.asarray(y_pred))
    np.testing.assert_allclose(value, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", ["mse", "auc", "Precision", "R2Score", "F1Score", "BinaryAccuracy", "bce"])
def test_sums_add_and_padding_adds_nothing(name):
    metric = metrics.get(name)
    weights = jnp.array([1.0, 2.0, 0.5, 3.0])
    whole = metric.sums(COINS, SCORES, weights)
    parts = [metric.sums(COINS[some], SCORES[some], weights[some]) for some in (slice(0, 3), slice(3, 4))]
    added = jax.tree.map(jnp.add, metric.zero(COINS, SCORES, weights), jax.tree.map(jnp.add, *parts))
    jax.tree.map(functools.partial(np.testing.assert_allclose, rtol=1e-6), added, whole)
    rows = jnp.array([True, True, True, True, False])
    nan = jnp.array([[jnp.nan]])
    padded = metric.sums(
        jnp.concatenate([COINS, nan]), jnp.concatenate([SCORES, nan]), jnp.append(weights, jnp.nan), rows
    )
    jax.tree.map(functools.partial(np.testing.assert_allclose, rtol=1e-6), padded, whole)


def test_metrics_are_hashable_and_equal():
    assert metrics.get("auc", curve="ROC") == metrics.get("auc")
    assert len({metrics.get("mse"), metrics.get("mse"), metrics.get("mae")}) == 2
    assert hash(metrics.get("Precision", thresholds=[0.1, 0.2])) == hash(
        metrics.get("Precision", thresholds=[0.1, 0.2])
    )


def test_losses_and_functions_are_metrics():
    def worst(y_true, y_pred):
        return jnp.max(jnp.abs(y_true - y_pred), axis=-1)

    by_user, by_loss = metrics.get(worst), metrics.get(losses.get("huber", delta=2.0))
    assert (by_user.name, by_user.direction) == ("worst", None)
    assert (by_loss.name, by_loss.direction) == ("huber", "min")
    assert by_user(jnp.zeros((2, 2)), jnp.array([[1.0, 2.0], [4.0, 0.0]])) == 3.0
    assert metrics.get(losses.mean_absolute_error).name == "mean_absolute_error"
    assert metrics.get("mae", name="distance").name == "distance"


@pytest.mark.parametrize(
    ("loss", "kind"),
    [
        ("sparse_categorical_crossentropy", "sparse_categorical_accuracy"),
        ("categorical_crossentropy", "categorical_accuracy"),
        ("binary_crossentropy", "binary_accuracy"),
    ],
)
def test_accuracy_of_a_loss(loss, kind):
    assert metrics.get("acc", loss=loss).definition is metrics.get(kind).definition


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: metrics.get("precison"), ValueError, "Did you mean 'precision'"),
        (lambda: metrics.get("accuracy"), ValueError, "output_shape"),
        (lambda: metrics.get("auc", curve="XY"), ValueError, "curve"),
        (lambda: metrics.get("auc", kurve="PR"), ValueError, "unknown option"),
        (lambda: metrics.get("Precision", thresholds=[0.5, 2.0]), ValueError, "thresholds"),
        (lambda: metrics.get("RecallAtPrecision", precision=1.5), ValueError, "precision"),
        (lambda: metrics.get("FBetaScore", beta=-1.0), ValueError, "beta"),
        (lambda: metrics.get("R2Score", class_aggregation="sum"), ValueError, "class_aggregation"),
        (lambda: metrics.get("MeanIoU"), TypeError, "num_classes"),
        (lambda: metrics.get(3), TypeError, "expected a name"),
        (lambda: metrics.get("categorical_accuracy")([1, 0], jnp.ones((2, 3))), ValueError, "one-hot"),
        (lambda: metrics.get("mse")(COINS, SCORES, jnp.ones(3)), ValueError, "weights"),
        (lambda: metrics.get("dice")(COINS, SCORES, jnp.ones(4)), ValueError, "weights"),
    ],
)
def test_errors(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_a_metric_shows_its_name_and_options():
    assert repr(metrics.get("binary_accuracy", threshold=0.3)) == "Metric('binary_accuracy', threshold=0.3)"
