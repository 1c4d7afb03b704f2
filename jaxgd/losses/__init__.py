"""Losses in Keras's meaning: plain functions (y_true, y_pred) -> scalar, and `Loss`, their description."""

from jaxgd.losses._get import ALIASES, class_name, get, names, output_kind, resolve
from jaxgd.losses._loss import Loss
from jaxgd.losses.crossentropy import (
    binary_crossentropy,
    categorical_crossentropy,
    categorical_generalized_cross_entropy,
    check_labels,
    sparse_categorical_crossentropy,
)
from jaxgd.losses.divergence import kl_divergence, poisson
from jaxgd.losses.focal import binary_focal_crossentropy, categorical_focal_crossentropy
from jaxgd.losses.hinge import categorical_hinge, hinge, squared_hinge
from jaxgd.losses.overlap import dice, tversky
from jaxgd.losses.regression import (
    cosine_similarity,
    huber,
    log_cosh,
    mean_absolute_error,
    mean_absolute_percentage_error,
    mean_squared_error,
    mean_squared_logarithmic_error,
)

__all__ = [
    "ALIASES",
    "Loss",
    "binary_crossentropy",
    "binary_focal_crossentropy",
    "categorical_crossentropy",
    "categorical_focal_crossentropy",
    "categorical_generalized_cross_entropy",
    "categorical_hinge",
    "check_labels",
    "class_name",
    "cosine_similarity",
    "dice",
    "get",
    "hinge",
    "huber",
    "kl_divergence",
    "log_cosh",
    "mean_absolute_error",
    "mean_absolute_percentage_error",
    "mean_squared_error",
    "mean_squared_logarithmic_error",
    "names",
    "output_kind",
    "poisson",
    "resolve",
    "sparse_categorical_crossentropy",
    "squared_hinge",
    "tversky",
]
