"""The ways of SGD, momentum and Adam from one start over the same rows."""

from typing import Any

from jaxgd import optimizers
from jaxgd.explain.running import Run, run_steps
from jaxgd.explain.subject import Subject
from jaxgd.optimizers import Optimizer

_ADAM_SHARE = 0.1
"""Adam's learning rate over SGD's: the ratio of Keras's defaults."""


def rivals(optimizer: Optimizer) -> dict[str, Optimizer]:
    """The optimizers that are shown side by side; the subject's own is among them.

    >>> from jaxgd.optimizers import adam, sgd
    >>> list(rivals(sgd(0.5))), rivals(sgd(0.5))["Adam"].settings["learning_rate"]
    (['SGD', 'momentum', 'Adam'], 0.05)
    >>> list(rivals(optimizers.get("rmsprop")))
    ['SGD', 'momentum', 'Adam', 'RMSprop']
    """
    rate = _rate_of_sgd(optimizer)
    found: dict[str, Optimizer] = {
        "SGD": optimizers.sgd(rate),
        "momentum": optimizers.sgd(rate, momentum=0.9),
        "Adam": optimizers.adam(rate * _ADAM_SHARE),
    }
    own = own_name(optimizer)
    return {**found, own: optimizer}


def own_name(optimizer: Optimizer) -> str:
    """What the subject's optimizer is called among its rivals."""
    rule = type(optimizer.rule)
    if rule is type(optimizers.get("sgd").rule) and not _other_settings(optimizer, "sgd", "momentum"):
        return "momentum" if optimizer.settings["momentum"] else "SGD"
    if rule is type(optimizers.get("adam").rule) and not _other_settings(optimizer, "adam"):
        return "Adam"
    name = optimizer.rule.class_name
    return f"{name}, own settings" if name in ("SGD", "Adam") else name


def run_rivals(subject: Subject, steps: int) -> dict[str, Run]:
    """Each optimizer's run from the subject's parameters."""
    return {
        name: run_steps(subject, optimizer, steps) for name, optimizer in rivals(subject.optimizer).items()
    }


def _other_settings(optimizer: Optimizer, name: str, *allowed: str) -> bool:
    """Whether anything but the learning rate (and `allowed`) was set."""
    plain: dict[str, Any] = optimizers.get(name).settings
    kept = ("learning_rate", "name", *allowed)
    return any(optimizer.settings[key] != value for key, value in plain.items() if key not in kept)


def _rate_of_sgd(optimizer: Optimizer) -> float:
    rate = optimizer.settings["learning_rate"]
    rate = float(rate) if isinstance(rate, int | float) else 0.01
    return rate if optimizer.name.startswith("sgd") else rate / _ADAM_SHARE
