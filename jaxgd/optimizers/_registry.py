"""Optimizers by name."""

from collections.abc import Callable, Mapping
from typing import Any

import optax

from jaxgd._checks import of_keras, unknown_name
from jaxgd.optimizers._foreign import from_optax
from jaxgd.optimizers._optimizer import Optimizer
from jaxgd.optimizers.adadelta import adadelta
from jaxgd.optimizers.adafactor import adafactor
from jaxgd.optimizers.adagrad import adagrad
from jaxgd.optimizers.adam import adam
from jaxgd.optimizers.adamax import adamax
from jaxgd.optimizers.adamw import adamw
from jaxgd.optimizers.ftrl import ftrl
from jaxgd.optimizers.lamb import lamb
from jaxgd.optimizers.lion import lion
from jaxgd.optimizers.loss_scale import loss_scale
from jaxgd.optimizers.multi import multi
from jaxgd.optimizers.muon import muon
from jaxgd.optimizers.nadam import nadam
from jaxgd.optimizers.rmsprop import rmsprop
from jaxgd.optimizers.schedule_free_adamw import schedule_free_adamw
from jaxgd.optimizers.sgd import sgd

FACTORIES: dict[str, Callable[..., Optimizer]] = {
    "Adadelta": adadelta,
    "Adafactor": adafactor,
    "Adagrad": adagrad,
    "Adam": adam,
    "AdamW": adamw,
    "Adamax": adamax,
    "Ftrl": ftrl,
    "Lamb": lamb,
    "Lion": lion,
    "Muon": muon,
    "Nadam": nadam,
    "RMSprop": rmsprop,
    "SGD": sgd,
    "ScheduleFreeAdamW": schedule_free_adamw,
}
"""Keras's class names and the factories that make those optimizers."""

_LEFT_OUT = {
    "lossscaleoptimizer": "it wraps another, which a name cannot say; see jaxgd.optimizers.loss_scale",
    "multioptimizer": "it holds others, which a name cannot say; see jaxgd.optimizers.multi",
    "optimizermap": "give a dict of patterns and optimizers to jaxgd.optimizers.multi",
}

_BY_LOWER_NAME = {
    **{name.lower(): factory for name, factory in FACTORIES.items()},
    **{factory.__name__: factory for factory in FACTORIES.values()},
}


def class_names() -> tuple[str, ...]:
    """Keras's class names of the plain optimizers.

    >>> "SGD" in class_names()
    True
    """
    return tuple(FACTORIES)


def factory(class_name: str) -> Callable[..., Optimizer]:
    """The function that makes optimizers of a class; the name is one of `class_names`, in any case.

    Raises:
      ValueError: no optimizer has that name.
    """
    if class_name.lower() not in _BY_LOWER_NAME:
        raise unknown_name("optimizer", class_name, FACTORIES)
    return _BY_LOWER_NAME[class_name.lower()]


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
        hint = ""
        if of_keras(identifier):
            hint = " This one is of Keras. Use that of jaxgd.optimizers with the same numbers."
        elif callable(identifier):
            hint = f" Give what a call of it returns: {getattr(identifier, '__name__', 'it')}(...)."
        raise TypeError(f"optimizer: expected a name or an optimizer, got {identifier!r}.{hint}")
    factory = _BY_LOWER_NAME.get(identifier.lower())
    if factory is None:
        raise unknown_name("optimizer", identifier, _BY_LOWER_NAME, _LEFT_OUT)
    return factory()


def from_config(class_name: str, config: Mapping[str, Any]) -> Optimizer:
    """An optimizer from Keras's class name and configuration, the inverse of `Optimizer.config`.

    Args:
      class_name: Keras's, in any case; LossScaleOptimizer and MultiOptimizer too.
      config: argument -> value; a schedule in it must be a schedule object already.

    Returns:
      An `Optimizer`.

    Raises:
      ValueError: no optimizer has that name.
      TypeError: the configuration has an argument that the optimizer does not take.

    >>> from_config("SGD", {"learning_rate": 0.5, "momentum": 0.9})
    SGD(learning_rate=0.5, momentum=0.9)
    """
    name = class_name.lower()
    if name == "lossscaleoptimizer":
        own = {key: value for key, value in config.items() if key != "inner_optimizer"}
        return loss_scale(_deserialize(config["inner_optimizer"]), **own)
    if name == "multioptimizer":
        return _multi_from_config(config)
    if name not in _BY_LOWER_NAME:
        raise unknown_name("optimizer", class_name, _BY_LOWER_NAME)
    return _BY_LOWER_NAME[name](**config)


def _deserialize(entry: Mapping[str, Any]) -> Optimizer:
    return from_config(entry["class_name"], entry["config"])


def _multi_from_config(config: Mapping[str, Any]) -> Optimizer:
    routes = config["optimizer_map"]["config"]
    optimizers = {key: _deserialize(entry) for key, entry in routes["optimizer_map"].items()}
    default = _deserialize(routes["default_optimizer"])
    return multi(optimizers, default, config.get("loss_scale_factor"), config.get("name"))
