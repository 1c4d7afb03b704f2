"""Names to losses: Keras's names, aliases and class names."""

import functools
from collections.abc import Callable, Hashable
from typing import Any

from jaxgd._checks import is_traced_or_array, of_keras, unknown_name
from jaxgd._named import sorted_options
from jaxgd._types import Array, Shape
from jaxgd.losses._loss import Loss, defaults_of
from jaxgd.losses._reduction import check_reduction
from jaxgd.losses._rule import RULES

ALIASES = {
    "mse": "mean_squared_error",
    "mae": "mean_absolute_error",
    "mape": "mean_absolute_percentage_error",
    "msle": "mean_squared_logarithmic_error",
    "bce": "binary_crossentropy",
    "kld": "kl_divergence",
}
"""Keras's short names of losses, to the names of their functions."""

_LEFT_OUT = {
    "ctc": "jaxgd does not have it, as it is for sequences",
    "circle": "jaxgd does not have it, as it is for embeddings; give a function (y_true, y_pred)",
}

_CLASS_NAMES = {
    "kl_divergence": "KLDivergence",
    "categorical_generalized_cross_entropy": "CategoricalGeneralizedCrossEntropy",
}


def class_name(name: str) -> str:
    """The name of Keras's class for a function's name.

    >>> class_name("log_cosh"), class_name("kl_divergence")
    ('LogCosh', 'KLDivergence')
    """
    return _CLASS_NAMES.get(name, "".join(word.capitalize() for word in name.split("_")))


def names() -> dict[str, str]:
    """Every name that `get` knows, to the name of its function."""
    functions = [function.__name__ for function in RULES]
    known = {**{name: name for name in functions}, **{class_name(name): name for name in functions}}
    for alias, name in ALIASES.items():
        known[alias] = known[alias.upper()] = name
    return known


def _function_named(name: str) -> Callable[..., Array]:
    return next(function for function in RULES if function.__name__ == name)


def get(identifier: Any, reduction: str | None = "sum_over_batch_size", **options: Any) -> Loss:
    """The loss that an identifier stands for.

    Args:
      identifier: a name (`"mean_squared_error"`, `"mse"`, `"MeanSquaredError"`), a `Loss` (whose options and
        reduction stay unless others are given), a function of this package or a `functools.partial` of one,
        or any function (y_true, y_pred) -> one value a sample, or a scalar.
      reduction: "sum_over_batch_size" (or "mean"), "sum", "mean_with_sample_weight", "none" (or None).
      **options: the function's own options; one that has its default value is the same as one not given.
    Returns:
      A `Loss`.
    Raises:
      ValueError: an unknown name, option or reduction.
      TypeError: the identifier is none of these.
    Keras: keras.losses.get, with its spelling of names, then LossFunctionWrapper.
    >>> get("huber", delta=2.0)
    huber(delta=2.0)
    >>> get("mse") == get("MeanSquaredError") == get(get("mse"))
    True
    """
    reduction = check_reduction(reduction)
    if isinstance(identifier, Loss):
        return _changed(identifier, reduction, options)
    if isinstance(identifier, functools.partial):
        return _from_partial(identifier, reduction, options)
    if isinstance(identifier, str):
        known = names()
        if identifier not in known:
            raise unknown_name("loss", identifier, known, _LEFT_OUT)
        return _make(_function_named(known[identifier]), reduction, options)
    if of_keras(identifier):
        name = type(identifier).__name__
        raise TypeError(f"loss: got an object of Keras. Give the name {name!r}, or a Loss of jaxgd.losses.")
    if not callable(identifier) or isinstance(identifier, type):
        raise TypeError(f"loss: expected a name, a Loss or a function, got {identifier!r}.")
    return _make(identifier, reduction, options)


def resolve(identifier: Any, target_shape: Shape, output_shape: Shape, **options: Any) -> Loss:
    """`get`, and "crossentropy" or "ce" too: the cross-entropy that the shapes of y_true and y_pred ask for.

    Keras: what `compile(loss="crossentropy")` picks.
    >>> resolve("crossentropy", (32,), (32, 10))
    sparse_categorical_crossentropy
    """
    if isinstance(identifier, str) and identifier.lower() in ("crossentropy", "ce"):
        kind = output_kind(target_shape, output_shape)
        prefix = {"binary": "binary", "sparse": "sparse_categorical", "categorical": "categorical"}[kind]
        identifier = f"{prefix}_crossentropy"
    return get(identifier, **options)


def output_kind(target_shape: Shape, output_shape: Shape) -> str:
    """ "binary", "sparse" or "categorical": what Keras takes targets and outputs of these shapes for."""
    if output_shape[-1] == 1:
        return "binary"
    if len(target_shape) < len(output_shape) or target_shape[-1] == 1:
        return "sparse"
    return "categorical"


def _changed(loss: Loss, reduction: str | None, options: dict[str, Any]) -> Loss:
    kept = loss.reduction if reduction == "sum_over_batch_size" else reduction
    return _make(loss.function, kept, {**dict(loss.options), **options})


def _from_partial(partial: functools.partial, reduction: str | None, options: dict[str, Any]) -> Loss:
    if partial.args:
        raise TypeError(f"loss: expected a partial with keyword arguments only, got {partial!r}.")
    keywords = {**partial.keywords, **options}
    if partial.func in RULES and "reduction" in keywords:
        reduction = check_reduction(keywords.pop("reduction"))
    return _make(partial.func, reduction, keywords)


def _make(function: Callable[..., Any], reduction: str | None, options: dict[str, Any]) -> Loss:
    if function in RULES:
        options = _own_options(function, options)
    name = getattr(function, "__name__", type(function).__name__)
    return Loss(name, function, sorted_options(options), reduction)


def _own_options(function: Callable[..., Any], options: dict[str, Any]) -> dict[str, Hashable]:
    """Options without those that have their default value. Raises ValueError for one the function has not."""
    defaults = defaults_of(function)
    for name in options:
        if name not in defaults:
            raise unknown_name(f"option of {function.__name__}", name, defaults)
    return {
        name: value for name, value in options.items() if is_traced_or_array(value) or value != defaults[name]
    }
