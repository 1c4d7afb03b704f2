"""Optimizers by name."""

from collections.abc import Callable, Mapping
from typing import Any

import optax

from jaxgd._checks import unknown_name
from jaxgd.optimizers._foreign import from_optax
from jaxgd.optimizers._optimizer import Optimizer
from jaxgd.optimizers.adam import adam
from jaxgd.optimizers.adamw import adamw
from jaxgd.optimizers.rmsprop import rmsprop
from jaxgd.optimizers.sgd import sgd

FACTORIES: dict[str, Callable[..., Optimizer]] = {
    "Adam": adam,
    "AdamW": adamw,
    "RMSprop": rmsprop,
    "SGD": sgd,
}
"""Keras's class names and the factories that make those optimizers."""

_BY_LOWER_NAME = {
    **{name.lower(): factory for name, factory in FACTORIES.items()},
    **{factory.__name__: factory for factory in FACTORIES.values()},
}


def get(identifier: str | optax.GradientTransformation) -> Optimizer:
    """An optimizer from its name, with its defaults; from itself; or from any optax transformation.

    Args:
      identifier: Keras's class name in any case, an `Optimizer`, or an `optax.GradientTransformation`.

    Returns:
      An `Optimizer`.

    Raises:
      ValueError: no optimizer has that name.
      TypeError: `identifier` is neither a name nor a transformation.
    Keras: `keras.optimizers.get`; "lamb" works here, and Keras has no registered name for it.

    >>> get("SGD")
    SGD(learning_rate=0.01, momentum=0.0)
    """
    if isinstance(identifier, Optimizer):
        return identifier
    if isinstance(identifier, optax.GradientTransformation):
        return from_optax(identifier)
    if not isinstance(identifier, str):
        raise TypeError(f"optimizer: expected a name or an optimizer, got {identifier!r}.")
    factory = _BY_LOWER_NAME.get(identifier.lower())
    if factory is None:
        raise unknown_name("optimizer", identifier, _BY_LOWER_NAME)
    return factory()


def from_config(class_name: str, config: Mapping[str, Any]) -> Optimizer:
    """An optimizer from Keras's class name and configuration, the inverse of `Optimizer.config`.

    Raises:
      ValueError: no optimizer has that name.
      TypeError: the configuration has an argument that the optimizer does not take.

    >>> from_config("SGD", {"learning_rate": 0.5, "momentum": 0.9})
    SGD(learning_rate=0.5, momentum=0.9)
    """
    factory = _BY_LOWER_NAME.get(class_name.lower())
    if factory is None:
        raise unknown_name("optimizer", class_name, _BY_LOWER_NAME)
    return factory(**config)
