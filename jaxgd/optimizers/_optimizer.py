"""An optimizer: a static rule together with its settings, in the form of an optax transformation."""

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import optax

from jaxgd._checks import is_traced_or_array
from jaxgd._types import PyTree
from jaxgd.optimizers._options import DEFAULTS, check_common, check_learning_rate, check_number, common_fields
from jaxgd.optimizers._rule import Rule
from jaxgd.optimizers._state import OptimizerState

_NOT_IN_CONFIG = ("exclude_from_weight_decay", "constants", "documented", "starts_at_zero")


class Optimizer(optax.GradientTransformationExtraArgs):
    """An update rule with its hyperparameters; also an optax gradient transformation.

    `init(params)` makes the state and `update(grads, state, params)` returns what to add to the parameters,
    as in optax, so that `optax.chain`, `optax.masked` and the like take it. `rule.apply` is Keras's own.

    Attributes:
      rule: everything static, hashable; the key of a compiled program.
      hyperparameters: the numbers in use, by name: floats, arrays or a schedule.
      settings: all arguments, as given.
      name: Keras's name for it, such as "adam".

    >>> import jax.numpy as jnp
    >>> from jaxgd.optimizers import sgd
    >>> optimizer = sgd(0.5)
    >>> updates, state = optimizer.update({"w": jnp.ones(2)}, optimizer.init({"w": jnp.zeros(2)}))
    >>> updates["w"].tolist()
    [-0.5, -0.5]
    """

    rule: Rule
    settings: dict[str, Any]
    hyperparameters: dict[str, Any]
    name: str

    def __new__(
        cls, rule: Rule, settings: Mapping[str, Any], hyperparameters: Mapping[str, Any]
    ) -> "Optimizer":
        def init(params: PyTree) -> OptimizerState:
            return rule.init(hyperparameters, params)

        def update(
            updates: PyTree, state: OptimizerState, params: PyTree | None = None, **extra_args: Any
        ) -> tuple[PyTree, OptimizerState]:
            del extra_args
            return rule.update(updates, state, params)

        self = super().__new__(cls, init, update)  # pyright: ignore[reportArgumentType]
        self.rule = rule
        self.settings = dict(settings)
        self.hyperparameters = dict(hyperparameters)
        self.name = settings.get("name") or snake_case(rule.class_name)
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.rule, self.settings, self.hyperparameters)

    def __repr__(self) -> str:
        values = ", ".join(f"{key}={value!r}" for key, value in self.hyperparameters.items())
        return f"{self.rule.class_name}({values})"

    def with_hyperparameters(self, **values: Any) -> "Optimizer":
        """The same optimizer with other arguments, checked as if they had been given at first.

        >>> from jaxgd.optimizers import adam
        >>> adam().with_hyperparameters(learning_rate=0.5).hyperparameters["learning_rate"]
        0.5
        """
        unknown = sorted(values.keys() - self.settings.keys())
        if unknown:
            raise TypeError(
                f"{self.rule.class_name}: unknown argument {unknown[0]!r}. Known: {', '.join(self.settings)}."
            )
        return build(type(self.rule), {**self.settings, **values})

    def config(self) -> dict[str, Any]:
        """Keras's configuration of this optimizer: plain values, and the schedule object if there is one."""
        kept = {key: _plain(value) for key, value in self.settings.items() if key not in _NOT_IN_CONFIG}
        return {**kept, "name": self.name}


def build(
    rule_class: type[Rule], settings: Mapping[str, Any], common: Mapping[str, Any] | None = None
) -> Optimizer:
    """An optimizer from a rule: what every factory of this package ends with, and a rule of your own too.

    Args:
      rule_class: a frozen dataclass that is a `Rule`.
      settings: {name: value} of the rule's own arguments, `learning_rate` among them.
      common: {name: value} of the arguments that all optimizers share, see the package docstring.

    Returns: an `Optimizer`.
    Raises:
      TypeError: an unknown common argument, or a value that is no number.
      ValueError: a number out of its range.
    >>> from jaxgd.optimizers.sgd import SGDRule
    >>> build(SGDRule, {"learning_rate": 0.1, "momentum": 0.0, "nesterov": False}, {"clipnorm": 1.0})
    SGD(learning_rate=0.1, clipnorm=1.0, momentum=0.0)
    """
    common = common or {}
    unknown = sorted(common.keys() - DEFAULTS.keys())
    if unknown:
        known = ", ".join({**settings, **DEFAULTS})
        raise TypeError(f"{rule_class.class_name}: unknown argument {unknown[0]!r}. Known: {known}.")
    merged = {**DEFAULTS, **settings, **common}
    check_learning_rate(merged["learning_rate"])
    check_common(merged)
    for name, (low, high) in rule_class.numbers.items():
        if merged[name] is not None:
            check_number(name, merged[name], low, high)
    rule = rule_class(**common_fields(merged), **rule_class.static_fields(merged))
    return Optimizer(rule, merged, {name: merged[name] for name in rule.hyperparameter_names()})


def serialize(optimizer: Optimizer) -> dict[str, Any]:
    """An optimizer as Keras writes it into a file: module, class name and configuration.

    >>> from jaxgd.optimizers import sgd
    >>> serialize(sgd())["class_name"]
    'SGD'
    """
    return {
        "module": "keras.optimizers",
        "class_name": optimizer.rule.class_name,
        "config": optimizer.config(),
        "registered_name": None,
    }


def snake_case(class_name: str) -> str:
    """Keras's automatic name for an object of a class: "ScheduleFreeAdamW" -> "schedule_free_adam_w"."""
    split = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", class_name)
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", split).lower()


def _plain(value: Any) -> Any:
    if is_traced_or_array(value):
        return np.asarray(value).tolist()
    return list(value) if isinstance(value, tuple) else value
