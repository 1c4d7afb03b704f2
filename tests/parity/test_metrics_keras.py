"""Every metric against the installed Keras: over batches, with weights, with padding, and its names."""

import functools
import hashlib

import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest

from jaxgd import metrics

ROWS, OUTPUTS = 24, 4
BATCHES = 3
NAN = float("nan")


def generator(*name):
    return np.random.default_rng(int.from_bytes(hashlib.sha256(repr(name).encode()).digest()[:8], "little"))


def make_data(kind, rng):
    """One batch of targets and predictions of a kind; predictions have ties and land on thresholds."""
    shape = (ROWS, OUTPUTS)
    labels = rng.integers(0, OUTPUTS, ROWS)
    normal = rng.standard_normal(shape)
    scores = np.round(rng.uniform(0, 1, shape), 1)
    coins = (rng.uniform(size=shape) < 0.3 + 0.4 * scores).astype(float)
    kinds = {
        "real": (normal + rng.standard_normal(shape), normal),
        "equal": (np.round(normal), np.round(normal + 0.3 * rng.standard_normal(shape))),
        "binary": (coins[:, :1], scores[:, :1]),
        "binary_flat": (coins[:, 0], scores[:, :1]),
        "multi": (coins, scores),
        "one_hot": (np.eye(OUTPUTS)[labels], scores),
        "simplex": (np.eye(OUTPUTS)[labels], rng.dirichlet(np.ones(OUTPUTS), ROWS)),
        "labels": (labels, scores),
        "labels_column": (labels[:, None], scores),
        "label_simplex": (labels, rng.dirichlet(np.ones(OUTPUTS), ROWS)),
        "sorted": (labels, rng.permuted(np.tile(np.arange(OUTPUTS), (ROWS, 1)), axis=1)),
        "signs": (2 * coins - 1, normal),
        "positive": (rng.poisson(2.0, shape).astype(float), np.abs(normal)),
        "classes": (labels, rng.integers(0, OUTPUTS, ROWS).astype(float)),
    }
    y_true, y_pred = kinds[kind]
    return (y_true if y_true.dtype.kind == "i" else y_true.astype("f4")), y_pred.astype("f4")


AUC = [
    ("AUC", kind, {"curve": curve, "summation_method": method})
    for kind in ("binary", "multi")
    for curve in ("ROC", "PR", "PRGAIN")
    for method in ("interpolation", "minoring", "majoring")
]
MEANS = [
    ("mse", "real", {}),
    ("MAE", "real", {}),
    ("mape", "real", {}),
    ("mean_squared_logarithmic_error", "positive", {}),
    ("LogCoshError", "real", {}),
    ("Hinge", "signs", {}),
    ("squared_hinge", "binary", {}),
    ("categorical_hinge", "one_hot", {}),
    ("kl_divergence", "simplex", {}),
    ("Poisson", "positive", {}),
    ("bce", "multi", {}),
    ("BinaryCrossentropy", "real", {"from_logits": True, "label_smoothing": 0.1}),
    ("categorical_crossentropy", "simplex", {}),
    ("sparse_categorical_crossentropy", "label_simplex", {}),
    ("SparseCategoricalCrossentropy", "label_simplex", {"ignore_class": 1}),
    ("CosineSimilarity", "real", {}),
    ("RootMeanSquaredError", "real", {}),
    ("PearsonCorrelation", "real", {}),
    ("ConcordanceCorrelation", "real", {}),
]
CASES = [
    *MEANS,
    *AUC,
    ("Accuracy", "equal", {}),
    ("BinaryAccuracy", "binary", {}),
    ("binary_accuracy", "binary_flat", {"threshold": 0.3}),
    ("BinaryAccuracy", "multi", {}),
    ("categorical_accuracy", "one_hot", {}),
    ("sparse_categorical_accuracy", "labels", {}),
    ("sparse_categorical_accuracy", "labels_column", {}),
    ("top_k_categorical_accuracy", "one_hot", {"k": 2}),
    ("SparseTopKCategoricalAccuracy", "labels", {"k": 2}),
    ("SparseTopKCategoricalAccuracy", "labels", {"k": 1}),
    ("SparseTopKCategoricalAccuracy", "sorted", {"k": 2, "from_sorted_ids": True}),
    ("R2Score", "real", {}),
    ("R2Score", "real", {"class_aggregation": "variance_weighted_average"}),
    ("R2Score", "real", {"class_aggregation": None}),
    ("R2Score", "real", {"num_regressors": 3}),
    ("TruePositives", "multi", {}),
    ("FalsePositives", "multi", {"thresholds": [0.2, 0.55]}),
    ("TrueNegatives", "binary", {}),
    ("FalseNegatives", "binary_flat", {"thresholds": [0.0, 0.5, 1.0]}),
    ("Precision", "multi", {}),
    ("Precision", "one_hot", {"top_k": 2}),
    ("Precision", "one_hot", {"top_k": 2, "class_id": 1}),
    ("Recall", "binary", {"thresholds": [0.1, 0.35, 0.9]}),
    ("Recall", "one_hot", {"class_id": 2, "thresholds": 0.4}),
    ("AUC", "binary_flat", {"num_thresholds": 7}),
    ("AUC", "binary", {"thresholds": [0.15, 0.5, 0.8]}),
    ("AUC", "binary", {"thresholds": [0.25, 0.5, 0.75], "curve": "PR"}),
    ("AUC", "multi", {"multi_label": True}),
    ("AUC", "multi", {"multi_label": True, "label_weights": [1.0, 2.0, 0.5, 0.0], "curve": "PR"}),
    ("AUC", "multi", {"multi_label": True, "thresholds": [0.2, 0.7]}),
    ("AUC", "multi", {"label_weights": [1.0, 2.0, 0.5, 0.0]}),
    ("AUC", "signs", {"from_logits": True}),
    ("SensitivityAtSpecificity", "binary", {"specificity": 0.6}),
    ("SensitivityAtSpecificity", "binary", {"specificity": 0.6, "num_thresholds": 1}),
    ("SpecificityAtSensitivity", "multi", {"sensitivity": 0.7}),
    ("PrecisionAtRecall", "multi", {"recall": 0.8, "class_id": 1}),
    ("RecallAtPrecision", "multi", {"precision": 0.5, "num_thresholds": 11}),
    ("F1Score", "one_hot", {}),
    ("F1Score", "multi", {"threshold": 0.5, "average": "macro"}),
    ("FBetaScore", "one_hot", {"beta": 2.0, "average": "micro"}),
    ("FBetaScore", "one_hot", {"beta": 0.5, "average": "weighted"}),
    ("IoU", "classes", {"num_classes": OUTPUTS, "target_class_ids": [0, 2]}),
    ("MeanIoU", "classes", {"num_classes": OUTPUTS}),
    ("MeanIoU", "classes", {"num_classes": OUTPUTS, "ignore_class": 1}),
    ("BinaryIoU", "multi", {"threshold": 0.4}),
    ("OneHotIoU", "one_hot", {"num_classes": OUTPUTS, "target_class_ids": [1]}),
    ("OneHotMeanIoU", "one_hot", {"num_classes": OUTPUTS}),
]
IDS = ["-".join([name, kind, *map(str, options.values())]) for name, kind, options in CASES]
UNWEIGHTED = {"IoU", "MeanIoU", "BinaryIoU", "OneHotIoU", "OneHotMeanIoU"}  # integer weights only


def keras_metric(name, options):
    """Keras's metric of a name; the class itself where the name alone does not do."""
    return keras.src.metrics.ALL_OBJECTS_DICT[name](**options)


@functools.partial(jax.jit, static_argnames="metric")
def over_batches(metric, y_true, y_pred, weights, row_mask):
    """The metric of stacked batches, added up in a scan."""

    def add(sums, batch):
        return jax.tree.map(jnp.add, sums, metric.sums(*batch)), None

    batches = (y_true, y_pred, weights, row_mask)
    first = jax.tree.map(lambda x: x[0], batches)
    sums, _ = jax.lax.scan(add, metric.zero(*first), batches)
    return metric.result(sums)


def assert_near(got, expected):
    np.testing.assert_allclose(np.asarray(got), np.asarray(expected), rtol=3e-6, atol=3e-7)


@pytest.mark.parametrize(("name", "kind", "options"), CASES, ids=IDS)
def test_over_batches_with_padding(name, kind, options):
    """Three batches, the last one short; the padding is NaN."""
    rng = generator(name, kind, options)
    batches = [make_data(kind, rng) for _ in range(BATCHES)]
    rows = np.ones((BATCHES, ROWS), bool)
    rows[-1, 15:] = False
    weights = None if name in UNWEIGHTED else rng.uniform(0.2, 2.0, (BATCHES, ROWS)).astype("f4")
    y_true, y_pred = (np.stack(arrays) for arrays in zip(*batches, strict=True))
    y_true_padded, y_pred_padded = y_true.copy(), y_pred.copy()
    y_true_padded[~rows] = 77 if y_true.dtype.kind == "i" else NAN
    y_pred_padded[~rows] = NAN
    metric = metrics.get(name, **options)
    for weight in (None, weights) if weights is not None else (None,):
        reference = keras_metric(name, options)
        for index in range(BATCHES):
            some = rows[index]
            sample_weight = None if weight is None else weight[index, some]
            reference.update_state(y_true[index, some], y_pred[index, some], sample_weight)
        assert_near(over_batches(metric, y_true_padded, y_pred_padded, weight, rows), reference.result())


@pytest.mark.parametrize(("name", "kind", "options"), CASES, ids=IDS)
def test_one_batch(name, kind, options):
    y_true, y_pred = make_data(kind, generator(kind, name))
    reference = keras_metric(name, options)
    reference.update_state(y_true, y_pred)
    metric = metrics.get(name, **options)
    assert_near(jax.jit(metric)(y_true, y_pred), reference.result())


@pytest.mark.parametrize(("name", "kind", "options"), CASES, ids=IDS)
def test_direction_is_what_keras_infers(name, kind, options):
    theirs = {"up": "max", "down": "min", None: None}[
        getattr(keras_metric(name, options), "_direction", None)
    ]
    assert metrics.get(name, **options).direction == theirs


NEEDED = {
    "IoU": {"num_classes": 3, "target_class_ids": [0]},
    "OneHotIoU": {"num_classes": 3, "target_class_ids": [0]},
    "MeanIoU": {"num_classes": 3},
    "OneHotMeanIoU": {"num_classes": 3},
    "SensitivityAtSpecificity": {"specificity": 0.5},
    "SpecificityAtSensitivity": {"sensitivity": 0.5},
    "PrecisionAtRecall": {"recall": 0.5},
    "RecallAtPrecision": {"precision": 0.5},
}


def test_every_name_that_keras_knows():
    no_targets = {
        "Metric",
        "metric",
        "Mean",
        "mean",
        "Sum",
        "sum",
        "MeanMetricWrapper",
        "mean_metric_wrapper",
    }
    for name in set(keras.src.metrics.ALL_OBJECTS_DICT) - no_targets:
        class_name = keras.src.metrics.ALL_OBJECTS_DICT[name].__name__
        shapes = {"output_shape": (4, 1), "target_shape": (4, 1)} if name == "accuracy" else {}
        assert metrics.get(name, **shapes, **NEEDED.get(class_name, {})).name == name


SHAPES = [((9,), (9, 1)), ((9, 1), (9, 1)), ((9,), (9, 3)), ((9, 1), (9, 3)), ((9, 3), (9, 3))]


@pytest.mark.parametrize(("true_shape", "pred_shape"), SHAPES)
@pytest.mark.parametrize("identifier", ["accuracy", "acc", "Accuracy"])
def test_accuracy_is_chosen_from_shapes(true_shape, pred_shape, identifier):
    from keras.src.trainers.compile_utils import get_metric

    rng = generator(true_shape, pred_shape)
    y_true, y_pred = rng.integers(0, 2, true_shape), rng.uniform(0, 1, pred_shape).astype("f4")
    theirs = get_metric(identifier, y_true, y_pred)
    ours = metrics.get(identifier, output_shape=pred_shape, target_shape=true_shape)
    theirs.update_state(y_true, y_pred)
    assert ours.name == theirs.name
    assert_near(ours(y_true, y_pred), theirs.result())


def test_log_names_are_those_of_fit():
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    names = ["mse", "MSE", "mean_squared_error", "mse", "AUC", "mse", "acc"]
    model.compile(loss="mse", metrics=names)
    model.evaluate(np.zeros((4, 2)), np.zeros((4, 1)), verbose=0)
    results = model.get_metrics_result()
    ours = metrics.log_names([metrics.get(n, output_shape=(4, 1), target_shape=(4, 1)) for n in names])
    assert set(ours) == set(results) - {"loss"}


def test_nothing_counted_yet():
    y_true, y_pred = make_data("binary", generator("empty"))
    for name in ("mse", "AUC", "Precision", "F1Score", "RootMeanSquaredError", "BinaryAccuracy"):
        metric = metrics.get(name)
        reference = keras_metric(name, {})
        if name == "F1Score":
            reference.update_state(y_true, y_pred)
            reference.reset_state()
        assert_near(metric.result(metric.zero(y_true, y_pred)), reference.result())


@pytest.mark.parametrize(("y_true", "y_pred"), [([1, 1], [1, 1]), ([1, 1], [0, 2]), ([0, 1], [1, 1])])
def test_r2_of_constants(y_true, y_pred):
    y_true, y_pred = np.array([y_true], "f4").T, np.array([y_pred], "f4").T
    reference = keras.metrics.R2Score()
    reference.update_state(y_true, y_pred)
    assert_near(metrics.get("r2_score")(y_true, y_pred), reference.result())


@pytest.mark.parametrize("scores", [[0.2, NAN, 0.1], [0.2, np.inf, 0.1], [0.3, 0.3, 0.3], [0.0, -1.0, 0.0]])
def test_top_k_of_ties_and_of_what_is_not_finite(scores):
    y_pred, y_true = np.tile(np.array(scores, "f4"), (3, 1)), np.arange(3)
    for k in (1, 2):
        reference = keras.metrics.SparseTopKCategoricalAccuracy(k)
        reference.update_state(y_true, y_pred)
        assert_near(metrics.get("SparseTopKCategoricalAccuracy", k=k)(y_true, y_pred), reference.result())


def test_thresholds_and_buckets_at_their_bounds():
    grid = (np.arange(200) / 199).astype("f4")
    y_pred = np.concatenate([grid, np.nextafter(grid, 2), np.nextafter(grid, -1), [-3.0, 4.0]]).astype("f4")[
        :, None
    ]
    y_true = generator("bounds").integers(0, 2, y_pred.shape)
    for name in ("AUC", "SensitivityAtSpecificity"):
        options = {"specificity": 0.5} if name != "AUC" else {}
        reference = keras_metric(name, options)
        reference.update_state(y_true, y_pred)
        sums = metrics.get(name, **options).sums(y_true, y_pred)
        np.testing.assert_array_equal(sums["tp"], reference.true_positives)
        np.testing.assert_array_equal(sums["fp"], reference.false_positives)
        np.testing.assert_array_equal(sums["tn"], reference.true_negatives)
        np.testing.assert_array_equal(sums["fn"], reference.false_negatives)


def test_cross_entropy_metrics_use_the_logits():
    rng = generator("logits")
    logits, coins = 40 * rng.standard_normal((ROWS, 1)).astype("f4"), rng.integers(0, 2, (ROWS, 1))
    reference = keras.metrics.BinaryCrossentropy()
    reference.update_state(coins, keras.ops.sigmoid(keras.ops.convert_to_tensor(logits)))
    metric = metrics.get("binary_crossentropy")
    probabilities = jax.nn.sigmoid(logits)
    assert_near(metric.result(metric.sums(coins, probabilities, logits=logits)), reference.result())
    assert metric(coins, probabilities) < 0.9 * reference.result()
