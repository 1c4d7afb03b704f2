"""Where a run left the finite numbers: which step, and which layer went first."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxgd import random
from jaxgd._types import Array, Params
from jaxgd.training.objective import Objective
from jaxgd.training.state import TrainState


@dataclass(frozen=True)
class Divergence:
    """The first step whose loss, or whose update, was not finite.

    Attributes:
      epoch, step: counted from 1; `step` within the epoch.
      layer: the first layer with a value that is not finite, "loss" if every layer's output was finite, or
        "x" if the batch itself was not.
      quantity: what of it: "parameters", "output", "input", "value", or "update" if the loss was finite
        but not the parameters after the step.
      rows: int[...], the rows of the batch.
    """

    epoch: int
    step: int
    layer: str
    quantity: str
    rows: np.ndarray

    def __str__(self) -> str:
        return (
            f"the run was not finite at epoch {self.epoch}, step {self.step}: {self.layer} went first "
            f"({self.quantity}). A smaller learning rate, clipping (global_clipnorm=1.0) or standardised "
            "inputs usually help."
        )


def find(
    objective: Objective, state: TrainState, batch: Mapping[str, Array], following: Params
) -> tuple[str, str]:
    """Run the step's forward pass layer by layer: the first place that is not finite, and what it is.

    Args:
      objective: the training objective.
      state: before the step.
      batch: the step's batch.
      following: the parameters after the step.
    """
    model = objective.model
    y = jnp.asarray(batch["x"]).astype(model.policy.compute)
    if not _finite(y):
        return "x", "input"
    key = None if state.key is None else random.at_step(state.key, state.step)
    for name, layer, context in model.steps(training=True, key=key, row_mask=batch.get("row_mask")):
        leaves = state.params.get(name, {})
        if not _finite(leaves):
            return name, "parameters"
        y = layer.forward(leaves, y, context).y
        if not _finite(y):
            return name, "output"
    loss, _ = objective(state.params, batch, key)
    if not _finite(loss):
        return "loss", "value"
    return next((name for name in model.names if not _finite(following.get(name, {}))), "loss"), "update"


def _finite(tree: Any) -> bool:
    return all(bool(jnp.isfinite(leaf).all()) for leaf in jax.tree.leaves(tree))
