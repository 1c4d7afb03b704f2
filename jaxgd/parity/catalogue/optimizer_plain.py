"""optax's optimizer of the same name with the same arguments: how far a plain port of Keras would be."""

from collections.abc import Callable
from typing import Any

import optax

from jaxgd.parity.case import Case


def _rate(options: dict[str, Any], default: float = 1e-3) -> float:
    return options.get("learning_rate", default)


def _rmsprop(o: dict[str, Any]) -> optax.GradientTransformation:
    momentum = o.get("momentum")
    return optax.rmsprop(
        _rate(o), o.get("rho", 0.9), 1e-7, centered=o.get("centered", False), momentum=momentum
    )


def _adam(o: dict[str, Any]) -> optax.GradientTransformation:
    make = optax.amsgrad if o.get("amsgrad") else optax.adam
    return make(_rate(o), o.get("beta_1", 0.9), o.get("beta_2", 0.999), o.get("epsilon", 1e-7))


_MAKERS: dict[str, Callable[[dict[str, Any]], optax.GradientTransformation]] = {
    "SGD": lambda o: optax.sgd(_rate(o, 0.01), o.get("momentum"), o.get("nesterov", False)),
    "RMSprop": _rmsprop,
    "Adam": _adam,
    "AdamW": lambda o: optax.adamw(_rate(o), eps=1e-7, weight_decay=o.get("weight_decay", 0.004)),
    "Adadelta": lambda o: optax.adadelta(_rate(o), 0.95, 1e-7),
    "Adagrad": lambda o: optax.adagrad(
        _rate(o), o.get("initial_accumulator_value", 0.1), o.get("epsilon", 1e-7)
    ),
    "Adamax": lambda o: optax.adamax(_rate(o), eps=1e-7),
    "Nadam": lambda o: optax.nadam(_rate(o), o.get("beta_1", 0.9), eps=o.get("epsilon", 1e-7)),
    "Lion": lambda o: optax.lion(_rate(o), weight_decay=0.0),
    "Lamb": lambda o: optax.lamb(_rate(o), eps=1e-7),
    "Adafactor": lambda o: optax.adafactor(_rate(o), min_dim_size_to_factor=1),
    "Muon": lambda o: optax.contrib.muon(_rate(o), weight_decay=0.004, eps=1e-7, consistent_rms=0.2),
    "ScheduleFreeAdamW": lambda o: optax.contrib.schedule_free_adamw(_rate(o, 0.0025), eps=1e-8),
}


_DEFAULTS_ONLY = ("AdamW", "Adafactor", "Muon", "ScheduleFreeAdamW")


def make(case: Case) -> optax.GradientTransformation | None:
    """The optimizer, None where optax has none or the case has common options."""
    if case.setting or case.reference != "eager" or case.subject not in _MAKERS:
        return None
    if case.options and case.subject in _DEFAULTS_ONLY:
        return None
    return _MAKERS[case.subject](dict(case.options))
