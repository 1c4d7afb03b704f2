"""What a user hands to `fit`, `evaluate` and `predict`, checked and made into arrays before anything runs."""

import math
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxgd import losses
from jaxgd._checks import check_integer, check_real
from jaxgd._types import Array
from jaxgd.model import Sequential
from jaxgd.training.objective import Objective

_LARGEST = np.iinfo(np.int32).max


def model_input(model: Sequential, x: Any) -> Array:
    """`x` in the parameter dtype. Raises ValueError if its shape is not [rows, *the model's]."""
    array = _numeric("x", x)
    if array.ndim != len(model.input_shape) + 1 or array.shape[1:] != model.input_shape:
        expected = ", ".join(("rows", *map(str, model.input_shape)))
        raise ValueError(f"x: expected shape [{expected}], got {list(array.shape)}.")
    return jnp.asarray(array, model.policy.params)


def check_rows(data: Mapping[str, Any]) -> dict[str, Any]:
    """`data` without what is None. Raises ValueError unless all arrays have as many rows, at least one."""
    present = {name: value for name, value in data.items() if value is not None}
    num_rows = {name: np.shape(value)[0] if np.ndim(value) else 0 for name, value in present.items()}
    if len(set(num_rows.values())) != 1:
        raise ValueError(f"rows: expected equally many in each array, got {_listed(num_rows)}.")
    if 0 in num_rows.values():
        raise ValueError(f"rows: expected at least one, got none in {_listed(num_rows)}.")
    return present


def check_targets(objective: Objective, y: Any) -> Array:
    """Targets as an array that the loss takes: labels as int32, the rest in the parameter dtype.

    Raises:
      ValueError: labels that are no class, numbers too large, or a shape that the loss refuses.
    """
    array = _numeric("y", y)
    if array.dtype.kind in "iu" and (outside := (array > _LARGEST) | (array < -_LARGEST)).any():
        raise ValueError(f"y: expected integers within int32, got {array[outside][0]}.")
    if objective.loss.name in ("sparse_categorical_crossentropy", "categorical_generalized_cross_entropy"):
        options: dict[str, Any] = dict(objective.loss.options)
        losses.check_labels(array, objective.model.output_shape[-1], options.get("ignore_class"))
        return jnp.asarray(array, jnp.int32)
    is_integer = array.dtype.kind in "iub"
    return jnp.asarray(array, jnp.int32 if is_integer else objective.model.policy.params)


def check_sample_weight(sample_weight: Any, dtype: Any) -> Array | None:
    """Weights as an array. Raises ValueError for one that is not finite, or not [rows] or [rows, 1]."""
    if sample_weight is None:
        return None
    array = _numeric("sample_weight", sample_weight)
    if array.ndim not in (1, 2):
        raise ValueError(f"sample_weight: expected shape [rows], got {list(array.shape)}.")
    if not np.isfinite(array).all():
        raise ValueError("sample_weight: expected finite numbers, got NaN or infinity.")
    return jnp.asarray(array, dtype)


def class_weights(class_weight: Mapping[int, float], y: Any) -> np.ndarray:
    """The weight of each row's class: float64[rows]; a class that is not named weighs 1.

    Args:
      class_weight: {label: weight}; a label that no row has is allowed.
      y: labels [rows] or [rows, 1], or one-hot rows [rows, classes].

    Raises:
      ValueError: a label that is no whole number, or targets of a higher rank.
    Keras: `class_weight` of `fit`.
    """
    labels = _numeric("y", y)
    if labels.ndim == 2:
        labels = labels.argmax(axis=1) if labels.shape[1] > 1 else labels[:, 0]
    if labels.ndim != 1:
        raise ValueError(f"class_weight: expected y of rank 1 or 2, got shape {list(labels.shape)}.")
    if not (labels == np.round(labels)).all():
        raise ValueError(
            f"class_weight: expected whole numbers in y, got {labels[labels != np.round(labels)][0]}."
        )
    weights = np.ones(labels.shape, np.float64)
    for label, weight in class_weight.items():
        check_integer("class_weight: label", label, -_LARGEST)
        weights[labels == label] = check_real(f"class_weight[{label}]", weight, 0.0)
    return weights


def split_validation(data: Mapping[str, Any], validation_split: float) -> tuple[dict, dict]:
    """Training and validation rows: the last rows validate, as in Keras.

    Raises:
      ValueError: a share outside [0, 1), or one that leaves either side empty.
    """
    check_real("validation_split", validation_split, 0.0, 1.0)
    num_rows = len(data["x"])
    first = math.floor(num_rows * (1.0 - validation_split))
    if not 0 < first < num_rows:
        raise ValueError(
            f"validation_split: expected rows on both sides, got {validation_split} of {num_rows} rows."
        )
    return {k: v[:first] for k, v in data.items()}, {k: v[first:] for k, v in data.items()}


def _numeric(name: str, value: Any) -> Any:
    array = value if isinstance(value, jax.Array) else np.asarray(value)  # what is on a device stays there
    if array.dtype.kind not in "fiub" and array.dtype.name not in ("bfloat16",):
        raise TypeError(f"{name}: expected numbers, got an array of {array.dtype}.")
    if array.ndim == 0:
        raise ValueError(f"{name}: expected an array with rows, got a single number.")
    return array


def _listed(num_rows: Mapping[str, int]) -> str:
    return ", ".join(f"{name}: {count}" for name, count in num_rows.items())
