"""Where a run left the finite numbers: which step, what went first, and what usually helps."""

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxgd import backprop, random
from jaxgd._statistics import merge, partition
from jaxgd._types import Array, PyTree
from jaxgd.layers import Nested
from jaxgd.losses import Loss
from jaxgd.model import Sequential
from jaxgd.optimizers._scaling import slots_of
from jaxgd.training.bundle import Bundle
from jaxgd.training.finite import all_finite
from jaxgd.training.objective import Objective
from jaxgd.training.state import TrainState

_SHOWN = 3
_ROWS_SHOWN = 8
_ADVICE = {
    "input": "Drop or mend these rows: a feature is not finite.",
    "parameters": "The run began with parameters that are not finite.",
    "value": "Drop or mend these rows: a target or a weight is not finite.",
    "slot": "Gradients are too large for the optimizer's slots: clip them (global_clipnorm=1.0).",
}
_FLOAT16 = "float16 ends at 65504: use optimizers.loss_scale, or the dtype mixed_bfloat16."
_USUAL = "A smaller learning rate, clipping (global_clipnorm=1.0) or standardised inputs usually help."


class DivergenceWarning(UserWarning):
    """A run ended because it was not finite any more; `FitResult.divergence` has the whole of it."""


@dataclass(frozen=True)
class Divergence:
    """The first step whose loss, or whose update, was not finite.

    Attributes:
      epoch, step: counted from 1; `step` within the epoch.
      layer: the first layer with a value that is not finite, "loss" if every layer's output was finite, or
        "x" if the batch itself was not.
      quantity: what of it went first: "input", "parameters", "pre_activation", "output", "value" (of the
        loss), "gradient", "slot" (of the optimizer) or "update" (the parameters after the step).
      rows: int[...], the rows of the batch.
      largest: {what: largest absolute value just before}, of the batch, the parameters, the outputs and the
        slots.
      advice: what usually helps.
      bad_rows: int[...], those of them with a feature, target or weight that is not finite.
    """

    epoch: int
    step: int
    layer: str
    quantity: str
    rows: np.ndarray
    largest: Mapping[str, float] = field(default_factory=dict)
    advice: str = _USUAL
    bad_rows: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))

    def __str__(self) -> str:
        most = sorted(self.largest.items(), key=lambda item: -item[1])[:_SHOWN]
        before = f" Largest before: {', '.join(f'{n} {v:.3g}' for n, v in most)}." if most else ""
        return (
            f"the run was not finite at epoch {self.epoch}, step {self.step}: {self.layer} went first "
            f"({self.quantity}).{before}{self._named_rows()} {self.advice}"
        )

    def _named_rows(self) -> str:
        bad = [str(row) for row in self.bad_rows]
        shown = ", ".join(bad[:_ROWS_SHOWN]) + (", ..." if len(bad) > _ROWS_SHOWN else "")
        return f" Not finite in the data: row{'s' * (len(bad) > 1)} {shown}." if bad else ""

    def to_dict(self) -> dict[str, Any]:
        """As JSON takes it."""
        numbers = {name: [int(row) for row in getattr(self, name)] for name in ("rows", "bad_rows")}
        return {**asdict(self), **numbers, "largest": dict(self.largest)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Divergence":
        """What `to_dict` gave."""
        numbers = {name: np.asarray(values.get(name, ()), np.int64) for name in ("rows", "bad_rows")}
        return cls(**{**values, **numbers})


def warn(found: Divergence | None) -> None:
    """Say that a run ended, if it did, where `fit` was called; `fit` calls this, inside its decorator."""
    if found is not None:
        warnings.warn(str(found), DivergenceWarning, stacklevel=4)


@contextmanager
def said_otherwise() -> Iterator[None]:
    """For callers of `fit` that report a divergence in their own way."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DivergenceWarning)
        yield


def explain(
    objective: Objective,
    rule: Any,
    before: TrainState,
    after: TrainState,
    batch: Mapping[str, Array],
    where: tuple[int, int],
    rows: np.ndarray,
) -> Divergence:
    """Run a step again, laid open: the first thing in it that is not finite.

    Args:
      objective, rule: of the training.
      before, after: the states around the step.
      batch: the step's batch.
      where: epoch and step, counted from 1.
      rows: of the batch.
    """
    key = None if before.key is None else random.at_step(before.key, before.step)
    layers = _trace(objective, before, batch, key) if _finite(batch["x"]) else ()
    layer, quantity = next(_found(objective, rule, before, after, batch, key, layers))
    largest = dict(_largest(before, batch, layers))
    advice = _advice(objective, quantity, batch)
    return Divergence(*where, layer, quantity, rows, largest, advice, rows[_bad(batch, len(rows))])


def _bad(batch: Mapping[str, Array], num_rows: int) -> np.ndarray:
    """bool[num_rows]: which rows have a number that is not finite; padding comes after them."""
    bad = np.zeros(num_rows, bool)
    for leaf in jax.tree.leaves([batch.get(name) for name in ("x", "y", "sample_weight")]):
        if jnp.issubdtype(leaf.dtype, jnp.inexact):
            bad |= ~np.isfinite(np.asarray(leaf, np.float64)[:num_rows]).reshape(num_rows, -1).all(axis=1)
    return bad


class _Seen(NamedTuple):
    """What came out of a layer, where nothing more is laid open."""

    name: str
    a: Any
    z: Array | None = None


def _trace(
    objective: Objective, state: TrainState, batch: Mapping[str, Array], key: Any
) -> Sequence[backprop.LayerTrace | _Seen]:
    """The step laid open, first layer to last; of a graph, or with models as layers, the outputs alone."""
    model, row_mask, x = objective.model, batch.get("row_mask"), batch["x"]
    has_models = any(isinstance(layer, Nested) for layer in model.layers)
    if has_models or not isinstance(model, Sequential) or not isinstance(objective.loss, Loss):
        x = x.arrays if isinstance(x, Bundle) else x
        outputs = model.outputs(state.params, x, training=True, key=key, row_mask=row_mask)
        return [_Seen(name, y) for name, y in outputs]
    weight = batch.get("sample_weight")
    return backprop.trace(
        model, state.params, x, batch["y"], objective.loss,
        training=True, key=key, sample_weight=weight, row_mask=row_mask,
    ).layers  # fmt: skip


def _found(
    objective: Objective,
    rule: Any,
    before: TrainState,
    after: TrainState,
    batch: Mapping[str, Array],
    key: Any,
    layers: Sequence[backprop.LayerTrace | _Seen],
) -> Iterator[tuple[str, str]]:
    """What is not finite, in the order in which a step computes it."""
    if not _finite(batch["x"]):
        yield "x", "input"
    names = list(objective.model.names)
    yield from ((name, "parameters") for name in names if not _finite(before.params.get(name, {})))
    for layer in layers:
        values = {"pre_activation": layer.z, "output": layer.a}
        yield from ((layer.name, what) for what, value in values.items() if not _finite(value))
    loss, _ = objective(before.params, batch, key)
    if not _finite(loss):
        yield "loss", "value"
    gradients = _gradients(objective, rule, before, batch, key)
    yield from ((name, "gradient") for name in reversed(names) if not _finite(gradients.get(name, {})))
    for path, leaf in jax.tree_util.tree_leaves_with_path(slots_of(after.opt_state)):
        if not _finite(leaf):
            yield _layer_of(path, names), "slot"
    yield from ((name, "update") for name in names if not _finite(after.params.get(name, {})))
    yield "loss", "update"


def _gradients(
    objective: Objective, rule: Any, state: TrainState, batch: Mapping[str, Array], key: Any
) -> Mapping[str, Any]:
    """Of the loss as the step scales it: this is what overflows in float16."""
    moving, fixed = partition(state.params, objective.model.trainable(state.params))

    def scaled_loss(moving: PyTree) -> Array:
        return rule.scale_loss(objective(merge(moving, fixed), batch, key)[0], state.opt_state)

    return jax.grad(scaled_loss)(moving)


def _layer_of(path: Any, names: list[str]) -> str:
    keys = [getattr(each, "key", None) for each in path]
    return next((name for name in names if name in keys), "optimizer")


def _largest(
    state: TrainState, batch: Mapping[str, Array], layers: Sequence[backprop.LayerTrace | _Seen]
) -> Iterator[tuple[str, float]]:
    trees: dict[str, PyTree] = {"x": batch["x"]}
    for name, leaves in state.params.items():
        trees |= {f"{name}/{leaf}": value for leaf, value in leaves.items()}
    trees |= {f"output of {layer.name}": layer.a for layer in layers}
    trees["slots"] = slots_of(state.opt_state)
    for name, tree in trees.items():
        values = [np.abs(np.asarray(leaf, np.float64)).ravel() for leaf in jax.tree.leaves(tree)]
        finite = [value[np.isfinite(value)] for value in values]
        largest = max((float(value.max()) for value in finite if value.size), default=None)
        if largest is not None:
            yield name, largest


def _advice(objective: Objective, quantity: str, batch: Mapping[str, Array]) -> str:
    if quantity == "value" and _finite([batch["y"], batch.get("sample_weight")]):
        return _USUAL
    is_narrow = objective.model.policy.compute == jnp.float16
    if is_narrow and quantity in ("pre_activation", "output", "gradient", "update", "slot"):
        return _FLOAT16
    return _ADVICE.get(quantity, _USUAL)


def _finite(tree: Any) -> bool:
    return bool(all_finite(tree))
