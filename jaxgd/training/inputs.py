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
from jaxgd.model_base import Model
from jaxgd.training.bundle import Bundle, bundled, parts
from jaxgd.training.objective import Objective
from jaxgd.training.per_output import per_output

_LARGEST = np.iinfo(np.int32).max


def model_input(model: Model, x: Any) -> Any:
    """`x` in the parameter dtype; several inputs as a `Bundle`.

    Raises:
      ValueError: a shape is not [rows, *the model's], or an input is missing.
    """
    several = len(model.input_shapes) > 1
    names = [f"x[{name!r}]" for name in model.input_names] if several else ["x"]
    triples = zip(names, model.inputs_of(x), model.input_shapes, strict=True)
    arrays = [_one_input(model, *each) for each in triples]
    _check_equal_rows(dict(zip(names, arrays, strict=True)))
    return bundled(arrays)


def _one_input(model: Model, name: str, x: Any, shape: tuple[int, ...]) -> Array:
    array = _numeric(name, x)
    if array.ndim != len(shape) + 1 or array.shape[1:] != shape:
        expected = ", ".join(("rows", *map(str, shape)))
        raise ValueError(f"{name}: expected shape [{expected}], got {list(array.shape)}.")
    return jnp.asarray(array, model.policy.params)


def model_targets(model: Model, y: Any) -> Any:
    """The targets of each output: an array, or a `Bundle` for several, None where an output has none."""
    outputs = model.output_names
    if len(outputs) == 1:
        if isinstance(y, Mapping):
            y = per_output("y", y, outputs, lambda value: False)[0]
        return np.asarray(y)
    each = per_output("y", y, outputs, lambda value: False)
    arrays = [
        None if one is None else _numeric(f"y[{name!r}]", one)
        for name, one in zip(outputs, each, strict=True)
    ]
    present = {f"y[{name!r}]": one for name, one in zip(outputs, arrays, strict=True) if one is not None}
    if not present:
        raise ValueError(f"y: expected targets of the outputs {list(outputs)}, got none.")
    _check_equal_rows(present)
    return Bundle(arrays)


def _check_equal_rows(arrays: Mapping[str, Any]) -> None:
    num_rows = {name: len(array) for name, array in arrays.items()}
    if len(set(num_rows.values())) > 1:
        raise ValueError(f"rows: expected equally many in each array, got {_listed(num_rows)}.")


def check_rows(data: Mapping[str, Any]) -> dict[str, Any]:
    """`data` without what is None. Raises ValueError unless all arrays have as many rows, at least one."""
    present = {name: value for name, value in data.items() if value is not None}
    num_rows = {name: _num_rows(value) for name, value in present.items()}
    if len(set(num_rows.values())) != 1:
        raise ValueError(f"rows: expected equally many in each array, got {_listed(num_rows)}.")
    if 0 in num_rows.values():
        raise ValueError(f"rows: expected at least one, got none in {_listed(num_rows)}.")
    return present


def _num_rows(value: Any) -> int:
    return len(value) if isinstance(value, Bundle) or np.ndim(value) else 0


def check_targets(objective: Objective, y: Any) -> Any:
    """Targets as arrays that the losses take: labels as int32, the rest in the parameter dtype.

    Raises:
      ValueError: labels that are no class, numbers too large, or an output with a loss but no target.
    """
    if not isinstance(y, Bundle):
        return _one_target(objective, "y", y, 0)
    arrays = []
    for index, (name, one) in enumerate(zip(objective.model.output_names, y.arrays, strict=True)):
        needed = any(each.output == index for each in objective.losses) or any(
            each.output == index for each in objective.named_metrics.values()
        )
        if one is None and needed:
            raise ValueError(f"y[{name!r}]: expected targets, for its loss or its metrics; got none.")
        arrays.append(_one_target(objective, f"y[{name!r}]", one, index) if needed else None)
    return Bundle(arrays)


def _one_target(objective: Objective, name: str, y: Any, output: int) -> Array:
    array = _numeric(name, y)
    if array.dtype.kind in "iu" and (outside := (array > _LARGEST) | (array < -_LARGEST)).any():
        raise ValueError(f"{name}: expected integers within int32, got {array[outside][0]}.")
    for loss in (each.loss for each in objective.losses if each.output == output):
        if loss.takes_labels:
            options: dict[str, Any] = dict(loss.options)
            classes = objective.model.output_shapes[output][-1]
            losses.check_labels(array, classes, options.get("ignore_class"))
            return jnp.asarray(array, jnp.int32)
    is_integer = array.dtype.kind in "iub"
    return jnp.asarray(array, jnp.int32 if is_integer else objective.model.policy.params)


def model_weights(model: Model, sample_weight: Any) -> Any:
    """Sample weights: an array, a `Bundle` with one for each output, or None.

    Raises:
      ValueError: weights that are not finite, not [rows] or [rows, 1], or of an unknown output.
    """
    dtype, outputs = model.policy.params, model.output_names
    if len(outputs) == 1 or not isinstance(sample_weight, Mapping | list | tuple) or _is_one(sample_weight):
        return check_sample_weight(sample_weight, dtype)
    each = per_output("sample_weight", sample_weight, outputs, lambda value: False)
    arrays = [check_sample_weight(one, dtype) for one in each]
    return Bundle(arrays) if any(one is not None for one in arrays) else None


def _is_one(weights: Any) -> bool:
    """Whether a list is one list of numbers, not one of arrays."""
    return isinstance(weights, list | tuple) and all(np.ndim(one) == 0 and one is not None for one in weights)


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


def model_class_weights(model: Model, class_weight: Mapping[Any, Any], y: Any) -> Any:
    """The weight of each row's class, for each output that has such weights.

    Args:
      model: of the outputs.
      class_weight: {label: weight}; for several outputs {output: {label: weight}}.
      y: from `model_targets`.
    """
    outputs, dtype = model.output_names, model.policy.params
    if len(outputs) == 1:
        return check_sample_weight(class_weights(class_weight, y), dtype)
    each = per_output("class_weight", class_weight, outputs, lambda value: False)
    pairs = zip(each, parts(y, len(outputs)), strict=True)
    return Bundle(
        [None if one is None else check_sample_weight(class_weights(one, of), dtype) for one, of in pairs]
    )


def class_weights(class_weight: Mapping[int, float], y: Any) -> np.ndarray:
    """The weight of each row's class: float64[rows]; a class that is not named weighs 1.

    Args:
      class_weight: {label: weight}; a label that no row has is allowed.
      y: labels [rows] or [rows, 1], or one-hot rows [rows, classes].

    Raises:
      ValueError: a label that is no whole number, or targets of a higher rank.
    Keras: `class_weight` of `fit`.
    """
    if not isinstance(class_weight, Mapping):
        raise TypeError(f"class_weight: expected {{label: weight}}, got {class_weight!r}.")
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
    first = first_validation_row(len(data["x"]), validation_split)
    return {k: v[:first] for k, v in data.items()}, {k: v[first:] for k, v in data.items()}


def first_validation_row(num_rows: int, validation_split: float) -> int:
    """The number of the first row that validates. Raises ValueError as `split_validation`."""
    check_real("validation_split", validation_split, 0.0, 1.0)
    first = math.floor(num_rows * (1.0 - validation_split))
    if not 0 < first < num_rows:
        raise ValueError(
            f"validation_split: expected rows on both sides, got {validation_split} of {num_rows} rows."
        )
    return first


def _numeric(name: str, value: Any) -> Any:
    array = value if isinstance(value, jax.Array) else np.asarray(value)  # what is on a device stays there
    if array.dtype.kind not in "fiub" and array.dtype.name not in ("bfloat16",):
        raise TypeError(f"{name}: expected numbers, got an array of {array.dtype}.")
    if array.ndim == 0:
        raise ValueError(f"{name}: expected an array with rows, got a single number.")
    return array


def _listed(num_rows: Mapping[str, int]) -> str:
    return ", ".join(f"{name}: {count}" for name, count in num_rows.items())
