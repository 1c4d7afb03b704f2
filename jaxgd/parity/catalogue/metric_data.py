"""The metrics of the catalogue and the numbers of their cases."""

from typing import Any

import numpy as np

from jaxgd.parity.known_differences import PAIRING

ROWS, OUTPUTS, BATCHES = 24, 4, 3
_AUC: list[tuple[str, str, dict[str, Any]]] = [
    ("AUC", kind, {"curve": curve, "summation_method": method})
    for kind in ("binary", "multi")
    for curve in ("ROC", "PR", "PRGAIN")
    for method in ("interpolation", "minoring", "majoring")
]
_MEANS: list[tuple[str, str, dict[str, Any]]] = [
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
VARIANTS: list[tuple[str, str, dict[str, Any]]] = [
    *_MEANS,
    *_AUC,
    ("Accuracy", "equal", {}),
    ("BinaryAccuracy", "binary", {}),
    ("binary_accuracy", "binary_flat", {"threshold": 0.3}),
    ("BinaryAccuracy", "multi", {}),
    ("mse", "flat", {}),
    *((name, "flat", {}) for name in PAIRING),
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
    ("AUC", "coin_logits", {"from_logits": True}),
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
UNWEIGHTED = ("IoU", "MeanIoU", "BinaryIoU", "OneHotIoU", "OneHotMeanIoU")
"""Keras takes integer weights only."""
FLOAT32_ONLY = ("top_k_categorical_accuracy", "SparseTopKCategoricalAccuracy")
"""TensorFlow's `in_top_k` takes nothing else."""


def make(kind: str, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """One batch of targets and predictions of a kind; predictions have ties and land on thresholds."""
    shape = (ROWS, OUTPUTS)
    labels = rng.integers(0, OUTPUTS, ROWS)
    normal = rng.standard_normal(shape)
    scores = np.round(rng.uniform(0, 1, shape), 1)
    coins = (rng.uniform(size=shape) < 0.3 + 0.4 * scores).astype(float)
    one_hot, simplex = np.eye(OUTPUTS)[labels], rng.dirichlet(np.ones(OUTPUTS), ROWS)
    kinds = {
        "real": (normal + rng.standard_normal(shape), normal),
        "equal": (np.round(normal), np.round(normal + 0.3 * rng.standard_normal(shape))),
        "binary": (coins[:, :1], scores[:, :1]),
        "binary_flat": (coins[:, 0], scores[:, :1]),
        "multi": (coins, scores),
        "flat": (coins[:, 0], simplex[:, :1]),
        "one_hot": (one_hot, scores),
        "simplex": (one_hot, simplex),
        "labels": (labels, scores),
        "labels_column": (labels[:, None], scores),
        "label_simplex": (labels, simplex),
        "sorted": (labels, rng.permuted(np.tile(np.arange(OUTPUTS), (ROWS, 1)), axis=1).astype(float)),
        "signs": (2 * coins - 1, normal),
        "coin_logits": (coins, normal),
        "positive": (rng.poisson(2.0, shape).astype(float), np.abs(normal)),
        "classes": (labels, rng.integers(0, OUTPUTS, ROWS).astype(float)),
    }
    return kinds[kind]
