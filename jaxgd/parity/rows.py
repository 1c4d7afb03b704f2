"""Rows to try a model on: made up to suit its loss, and as many as a run of so many steps needs."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxgd.losses import Loss
from jaxgd.model_base import Model
from jaxgd.training.bundle import bundled
from jaxgd.training.objective import Objective
from jaxgd.training.per_output import Losses

_ONE_HOT = (
    "categorical_crossentropy",
    "categorical_focal_crossentropy",
    "categorical_hinge",
    "kl_divergence",
)
_ZERO_OR_ONE = (
    "binary_crossentropy",
    "binary_focal_crossentropy",
    "hinge",
    "squared_hinge",
    "dice",
    "tversky",
)
_POSITIVE = ("poisson", "mean_squared_logarithmic_error", "mean_absolute_percentage_error")


class NotComparableError(ValueError):
    """A model that the ladder cannot be climbed with, for a reason that its user can change."""


class Extent(NamedTuple):
    """How long a run is."""

    rows: int
    epochs: int


def make_rows(model: Model, loss: Loss | Losses, num_rows: int, seed: int = 0) -> dict[str, Any]:
    """Random rows `x` and targets `y` of the kind that the loss takes; the same for the same seed.

    Of several inputs or outputs a list of arrays; None for an output without a loss.

    >>> from jaxgd import losses, mlp
    >>> make_rows(mlp([4, 3]), losses.get("sparse_categorical_crossentropy"), 6)["y"].shape
    (6,)
    """
    rng = np.random.default_rng(seed)
    x = [rng.standard_normal((num_rows, *shape)) for shape in model.input_shapes]
    of_outputs = [loss.of_output(index) if isinstance(loss, Losses) else loss
                  for index in range(len(model.output_shapes))]  # fmt: skip
    y = [
        None if one is None else _targets(rng, one, (num_rows, *shape))
        for one, shape in zip(of_outputs, model.output_shapes, strict=True)
    ]
    return {"x": x if len(x) > 1 else x[0], "y": y if len(y) > 1 else y[0]}


def _targets(rng: np.random.Generator, loss: Loss, shape: tuple[int, ...]) -> np.ndarray:
    if loss.takes_labels:
        return rng.integers(0, shape[-1], shape[:-1])
    name = loss.name
    if name in _ONE_HOT:
        return np.eye(shape[-1])[rng.integers(0, shape[-1], shape[:-1])]
    if name in _ZERO_OR_ONE:
        return rng.integers(0, 2, shape).astype(float)
    return rng.uniform(0.5, 3.0, shape) if name in _POSITIVE else rng.standard_normal(shape)


def extent(num_rows: int, steps: int, batch_size: int, short_batch: bool = True) -> Extent:
    """Rows and epochs of a run of at least so many steps, in two epochs or more, each with a short batch.

    >>> extent(1000, 20, 32)
    Extent(rows=304, epochs=2)
    """
    batches = max(1, steps // 2)
    rows = batches * batch_size - (batch_size // 2 if short_batch else 0)
    if rows > num_rows:
        rows = num_rows if short_batch else max(num_rows // batch_size, 1) * batch_size
    rows = min(rows, num_rows)
    return Extent(rows, max(2, -(-steps // -(-rows // batch_size))))


def takes_short_batches(objective: Objective, y: Any) -> bool:
    """Whether the loss can leave out rows; one that couples the rows of a batch cannot.

    Args:
      objective: of the model.
      y: targets, a `Bundle` of several.
    """
    model = objective.model
    x = bundled([jnp.zeros((1, *shape)) for shape in model.input_shapes])
    batch = {"x": x, "y": jax.tree.map(jnp.asarray, y[:1]), "row_mask": jnp.ones(1, bool)}
    try:
        jax.eval_shape(objective.at_inference(), jax.eval_shape(model.init), batch)
    except ValueError as error:
        if "row_mask" in str(error):
            return False
        raise
    return True
