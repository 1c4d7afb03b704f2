"""The numbers of the losses' cases: kinds of targets and predictions, weights, edges."""

from typing import Any

import numpy as np

BATCH, OUTPUTS = 16, 5
NAN, INF = float("nan"), float("inf")
SURE = 1 - 1e-7

VARIANTS: list[tuple[str, str, dict[str, Any]]] = [
    ("mean_squared_error", "real", {}),
    ("mean_absolute_error", "real", {}),
    ("mean_absolute_percentage_error", "real", {}),
    ("mean_squared_logarithmic_error", "positive", {}),
    ("mean_squared_logarithmic_error", "real", {}),
    ("huber", "real", {}),
    ("huber", "real", {"delta": 0.3}),
    ("log_cosh", "real", {}),
    ("cosine_similarity", "aligned", {}),
    ("hinge", "signs", {}),
    ("hinge", "coins", {}),
    ("squared_hinge", "signs", {}),
    ("squared_hinge", "coins", {}),
    ("categorical_hinge", "one_hot_logits", {}),
    ("kl_divergence", "simplex", {}),
    ("kl_divergence", "one_hot", {}),
    ("poisson", "positive", {}),
    ("binary_crossentropy", "coins", {}),
    ("binary_crossentropy", "coins", {"label_smoothing": 0.1}),
    ("binary_crossentropy", "coin_logits", {"from_logits": True}),
    ("binary_crossentropy", "coin_logits", {"from_logits": True, "label_smoothing": 0.2}),
    ("binary_focal_crossentropy", "coins", {}),
    ("binary_focal_crossentropy", "coins", {"apply_class_balancing": True, "gamma": 1.3, "alpha": 0.3}),
    ("binary_focal_crossentropy", "coins", {"label_smoothing": 0.2}),
    ("binary_focal_crossentropy", "coin_logits", {"from_logits": True}),
    ("categorical_crossentropy", "one_hot", {}),
    ("categorical_crossentropy", "one_hot_loose", {"label_smoothing": 0.1}),
    ("categorical_crossentropy", "one_hot_logits", {"from_logits": True}),
    ("categorical_crossentropy", "one_hot_logits", {"from_logits": True, "label_smoothing": 0.1}),
    ("categorical_crossentropy", "loose_logits", {"from_logits": True}),
    ("categorical_focal_crossentropy", "one_hot", {}),
    ("categorical_focal_crossentropy", "one_hot_logits", {"from_logits": True, "gamma": 1.7, "alpha": 0.3}),
    ("categorical_focal_crossentropy", "one_hot", {"alpha": (0.1, 0.3, 0.2, 0.5, 0.25)}),
    ("sparse_categorical_crossentropy", "labels", {}),
    ("sparse_categorical_crossentropy", "labels_loose", {}),
    ("sparse_categorical_crossentropy", "label_logits", {"from_logits": True}),
    ("sparse_categorical_crossentropy", "labels", {"ignore_class": 2}),
    ("sparse_categorical_crossentropy", "label_logits", {"ignore_class": 2, "from_logits": True}),
    ("categorical_generalized_cross_entropy", "labels", {}),
    ("categorical_generalized_cross_entropy", "labels", {"q": 0.7}),
    ("categorical_generalized_cross_entropy", "labels_column", {}),
    ("dice", "coins", {"axis": -1}),
    ("tversky", "coins", {"alpha": 0.3, "beta": 0.7, "axis": 1}),
]
LOGITS = {
    "binary_crossentropy": "coin_logits",
    "binary_focal_crossentropy": "coin_logits",
    "categorical_crossentropy": "one_hot_logits",
    "categorical_focal_crossentropy": "one_hot_logits",
    "sparse_categorical_crossentropy": "label_logits",
    "mean_squared_error": "coin_logits",
}
EDGES: list[tuple[str, dict[str, Any], list[Any], list[Any]]] = [
    ("binary_crossentropy", {}, [[1.0], [0.0], [1.0], [0.0]], [[0.0], [1.0], [1e-7], [SURE]]),
    ("binary_crossentropy", {}, [[1.0], [0.0]], [[NAN], [0.3]]),
    ("binary_crossentropy", {"from_logits": True}, [[0.0], [1.0], [1.0]], [[1e4], [-1e4], [0.0]]),
    ("binary_crossentropy", {"from_logits": True}, [[0.0], [1.0]], [[INF], [-INF]]),
    ("binary_crossentropy", {"from_logits": True}, [[1.0], [0.0]], [[INF], [-INF]]),
    ("categorical_crossentropy", {}, [[0.0, 0.0, 1.0]], [[0.5, 0.5, 0.0]]),
    ("categorical_crossentropy", {}, [[1.0, 0.0, 0.0]], [[0.5, 0.5, 0.0]]),
    ("categorical_crossentropy", {}, [[1.0, 0.0, 0.0]], [[0.0, 0.0, 0.0]]),
    ("categorical_crossentropy", {}, [[1.0, 0.0, 0.0]], [[1.0, 0.0, 0.0]]),
    ("categorical_crossentropy", {"from_logits": True}, [[1.0, 0.0, 0.0]], [[1.0, 0.5, -INF]]),
    ("sparse_categorical_crossentropy", {}, [2], [[0.5, 0.5, 0.0]]),
    ("sparse_categorical_crossentropy", {}, [0], [[0.5, 0.5, 0.0]]),
    ("sparse_categorical_crossentropy", {}, [0], [[0.0, 0.0, 0.0]]),
    ("sparse_categorical_crossentropy", {"from_logits": True}, [0], [[1.0, 0.5, -INF]]),
    ("sparse_categorical_crossentropy", {"from_logits": True}, [[1], [0]], [[900.0, -900.0], [0.0, 0.0]]),
    ("mean_absolute_error", {}, [[0.0, 1.0]], [[0.0, 3.0]]),
    ("mean_absolute_percentage_error", {}, [[0.0, 1.0, 1e-9]], [[0.0, 3.0, 1.0]]),
    ("mean_squared_logarithmic_error", {}, [[0.5, 1.0, 1.0]], [[1e-7, 0.0, -1.0]]),
    ("huber", {}, [[0.0, 0.0, 0.0]], [[1.0, -1.0, 0.0]]),
    ("hinge", {}, [[1.0, -1.0, 1.0]], [[1.0, -1.0, 2.0]]),
    ("hinge", {}, [[1.0, 0.0, 1.0]], [[1.0, -1.0, 2.0]]),
    ("hinge", {}, [[1.0, 0.0, -1.0]], [[1.0, -1.0, 2.0]]),
    ("squared_hinge", {}, [[1.0, -1.0, 1.0]], [[1.0, -1.0, 2.0]]),
    ("categorical_hinge", {}, [[0.0, 1.0, 0.0]], [[0.0, 1.0, 0.0]]),
    ("categorical_hinge", {}, [[0.0, 1.0, 0.0]], [[0.5, 0.1, 0.5]]),
    ("categorical_hinge", {}, [[0.0, 1.0, 0.0]], [[-3.0, -0.1, -4.0]]),
    ("kl_divergence", {}, [[0.0, 1.0, 0.0]], [[0.0, 1.0, 0.0]]),
    ("cosine_similarity", {}, [[1.0, 2.0], [1.0, 2.0], [0.0, 0.0]], [[0.0, 0.0], [1e-9, 1e-9], [1.0, 1.0]]),
    ("poisson", {}, [[1.0, 1.0, 0.0]], [[-1.0, 0.0, 0.0]]),
    ("log_cosh", {}, [[0.0, 0.0, 0.0]], [[0.0, 50.0, -200.0]]),
    ("binary_focal_crossentropy", {"gamma": 0.5}, [[1.0], [0.0]], [[1.0], [0.3]]),
    ("binary_focal_crossentropy", {"gamma": 0.0}, [[1.0], [0.0]], [[1.0], [0.3]]),
    ("binary_focal_crossentropy", {"from_logits": True}, [[1.0], [0.0]], [[60.0], [60.0]]),
    ("categorical_focal_crossentropy", {}, [[1.0, 0.0]], [[1.0, 0.0]]),
    ("dice", {}, [[0.0, 0.0]], [[0.0, 0.0]]),
    ("tversky", {}, [[0.0, 0.0]], [[0.0, 0.0]]),
    (
        "cosine_similarity",
        {"axis": 0},
        [[1.0, 2.0], [0.5, -2.0], [0.0, 1.0]],
        [[0.0, 1.5], [0.0, 0.3], [0.0, 1.0]],
    ),
]
"""Where branches meet, clipping starts, or nothing is finite."""


def make(kind: str, regime: str, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Targets and predictions of a kind, as a loss wants them, in a regime."""
    y_true, y_pred = _normal(kind, rng)
    if regime == "scale 1e-3":
        if _is_probability(kind):
            return y_true, 0.5 + 1e-3 * (y_pred - 0.5)
        return (
            y_true if y_true.dtype.kind == "i" else 1e-3 * y_true if kind == "real" else y_true
        ), 1e-3 * y_pred
    if regime == "saturated":
        return y_true, np.round(y_pred) if _is_probability(kind) else 30.0 * y_pred
    return y_true, y_pred


def _is_probability(kind: str) -> bool:
    return kind in ("coins", "simplex", "one_hot", "one_hot_loose", "labels", "labels_loose", "labels_column")


def _normal(kind: str, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    shape = (BATCH, OUTPUTS)
    labels = rng.integers(0, OUTPUTS, BATCH)
    one_hot, normal = np.eye(OUTPUTS)[labels], rng.standard_normal(shape)
    uniform, simplex = rng.uniform(0.02, 0.98, shape), rng.dirichlet(np.ones(OUTPUTS), BATCH)
    coins = rng.integers(0, 2, shape).astype(float)
    kinds = {
        "real": (rng.standard_normal(shape), 2 * normal),
        "aligned": (normal + rng.standard_normal(shape), normal),
        "positive": (np.abs(rng.standard_normal(shape)), np.abs(normal)),
        "signs": (2 * coins - 1, normal),
        "coins": (coins, uniform),
        "coin_logits": (coins, 8 * normal),
        "simplex": (rng.dirichlet(np.ones(OUTPUTS), BATCH), simplex),
        "one_hot": (one_hot, simplex),
        "one_hot_loose": (one_hot, uniform),
        "one_hot_logits": (one_hot, 8 * normal),
        "loose_logits": (rng.uniform(0, 2, shape), 3 * normal),
        "labels": (labels, simplex),
        "labels_loose": (labels, uniform),
        "labels_column": (labels[:, None], simplex),
        "label_logits": (labels, 8 * normal),
    }
    return kinds[kind]


def weights(kind: str | None, rng: np.random.Generator) -> np.ndarray | None:
    """Sample weights: none, fractional, or with zeros among them."""
    if kind in (None, "none"):
        return None
    values = rng.uniform(0.1, 3.0, BATCH)
    return np.where(rng.uniform(size=BATCH) < 0.4, 0.0, values) if kind == "zeros" else values
