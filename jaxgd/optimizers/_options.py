"""The arguments that every optimizer takes, once: their types, defaults, checks and documentation."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ParamSpec, TypedDict, TypeVar

from jaxgd._checks import check_integer, check_real, is_traced_or_array, wrong
from jaxgd._types import Scalar
from jaxgd.optimizers._arithmetic import Constants
from jaxgd.optimizers._leaves import is_schedule_object

P = ParamSpec("P")
R = TypeVar("R")


class SharedOptions(TypedDict, total=False):
    """All common arguments but `weight_decay`, which some optimizers name themselves."""

    clipnorm: Scalar | None
    clipvalue: Scalar | None
    global_clipnorm: Scalar | None
    use_ema: bool
    ema_momentum: Scalar
    ema_overwrite_frequency: int | None
    loss_scale_factor: Scalar | None
    gradient_accumulation_steps: int | None
    exclude_from_weight_decay: Sequence[str]
    constants: Constants
    name: str | None


class CommonOptions(SharedOptions, total=False):
    """All common arguments."""

    weight_decay: Scalar | None


DEFAULTS: dict[str, Any] = {
    "weight_decay": None,
    "clipnorm": None,
    "clipvalue": None,
    "global_clipnorm": None,
    "use_ema": False,
    "ema_momentum": 0.99,
    "ema_overwrite_frequency": None,
    "loss_scale_factor": None,
    "gradient_accumulation_steps": None,
    "exclude_from_weight_decay": (),
    "constants": "keras",
    "name": None,
}

_NON_NEGATIVE = ("weight_decay", "clipnorm", "clipvalue", "global_clipnorm", "loss_scale_factor")
_CLIPS = ("clipnorm", "clipvalue", "global_clipnorm")


def with_common_options(factory: Callable[P, R]) -> Callable[P, R]:
    """Shows `**common` as what it stands for, so that `help` lists every argument with its default."""
    signature = inspect.signature(factory)
    own = [p for p in signature.parameters.values() if p.kind is not inspect.Parameter.VAR_KEYWORD]
    named = {parameter.name for parameter in own}
    common = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default)
        for name, default in DEFAULTS.items()
        if name not in named
    ]
    setattr(factory, "__signature__", signature.replace(parameters=[*own, *common]))  # noqa: B010
    return factory


def check_number(name: str, value: Any, low: float, high: float) -> None:
    """Checks a Python number; an array (perhaps traced) is taken as it is."""
    if not is_traced_or_array(value):
        check_real(name, value, low, high)


def check_learning_rate(value: Any) -> None:
    """A finite number >= 0 (an int too, unlike Keras), an array, a schedule, or a function of the step."""
    if not callable(value):
        check_number("learning_rate", value, 0.0, float("inf"))


def check_common(settings: Mapping[str, Any]) -> None:
    """Raises TypeError or ValueError for a common argument that Keras would refuse, or that is no number."""
    given = [name for name in _CLIPS if settings[name] is not None]
    if len(given) > 1:
        raise wrong(
            " and ".join(given), tuple(settings[name] for name in given), "at most one kind of clipping"
        )
    for name in _NON_NEGATIVE:
        if settings[name] is not None:
            check_number(name, settings[name], 0.0, float("inf"))
    factor = settings["loss_scale_factor"]
    if factor is not None and not is_traced_or_array(factor) and factor == 0:
        raise wrong("loss_scale_factor", factor, "a number > 0")
    check_number("ema_momentum", settings["ema_momentum"], 0.0, 1.0)
    for name, minimum in (("ema_overwrite_frequency", 1), ("gradient_accumulation_steps", 2)):
        if _is_on(settings[name]) and not is_traced_or_array(settings[name]):
            check_integer(name, settings[name], minimum)
    if settings["constants"] not in ("keras", "exact"):
        raise wrong("constants", settings["constants"], '"keras" or "exact"')
    if isinstance(settings["exclude_from_weight_decay"], str):
        raise TypeError(
            "exclude_from_weight_decay: expected a sequence of patterns, got one string"
            f" {settings['exclude_from_weight_decay']!r}."
        )


def common_fields(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The static fields of a rule that say which common options are active."""
    rate = settings["learning_rate"]
    return {
        "decays": settings["weight_decay"] is not None,
        "clipping": next((name for name in _CLIPS if _is_on(settings[name])), None),
        "averages": bool(settings["use_ema"]),
        "overwrites": bool(settings["use_ema"]) and _is_on(settings["ema_overwrite_frequency"]),
        "scales_loss": settings["loss_scale_factor"] is not None,
        "accumulates": _is_on(settings["gradient_accumulation_steps"]),
        "excluded": tuple(settings["exclude_from_weight_decay"]),
        "constants": settings["constants"],
        "schedule_fn": rate if callable(rate) and not is_schedule_object(rate) else None,
    }


def _is_on(value: Any) -> bool:
    """Whether a clipping limit or a number of steps is in use; Keras takes zero for None."""
    return value is not None and (is_traced_or_array(value) or value != 0)
