"""The task that a model was compiled for, as far as its loss says so."""

from jaxgd import activations, losses
from jaxgd.keras_files import KerasTraining
from jaxgd.model import Sequential
from jaxgd.model_base import Model

_DISTANCES = (
    "mean_squared_error",
    "mean_absolute_error",
    "mean_absolute_percentage_error",
    "mean_squared_logarithmic_error",
    "huber",
    "log_cosh",
)


def task_of(model: Model, training: KerasTraining | None) -> str | None:
    """The task of a model in a file; None if its loss may stand for more than one.

    A cross-entropy or a hinge is for classes. A distance is a regression's where the last activation is
    linear; classes are trained with it as well behind a sigmoid or a softmax.

    Returns: one of `data.TASKS`, or None: the target's column decides.
    """
    loss = None if training is None else training.loss
    if not isinstance(loss, losses.Loss):
        return None
    if "categorical" in loss.name:
        return "multiclass"
    if "binary" in loss.name or "hinge" in loss.name:
        return "binary"
    return "regression" if loss.name in _DISTANCES and _ends_linear(model) else None


def _ends_linear(model: Model) -> bool:
    if not isinstance(model, Sequential):
        return False
    found = [getattr(each, "activation", None) for each in model.layers if hasattr(each, "activation")]
    return bool(found) and activations.get(found[-1]).name == "linear"
