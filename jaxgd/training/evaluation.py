"""Evaluation and prediction over batches, each one compiled program."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxgd._checks import check_integer
from jaxgd._programs import compiled
from jaxgd._types import Array, Params, PyTree
from jaxgd.model_base import Model
from jaxgd.scaling.hosts import lost_hosts
from jaxgd.training.batching import batches, take
from jaxgd.training.bundle import Bundle
from jaxgd.training.inputs import check_rows, check_targets, model_input, model_targets, model_weights
from jaxgd.training.keras_words import explains_keras_words
from jaxgd.training.objective import Objective, make_objective
from jaxgd.training.own_rows import OwnRows
from jaxgd.training.placed_rows import Rows, num_rows_of, place_rows
from jaxgd.training.spreading import hosts_layout
from jaxgd.training.streaming.source import RowSource


@explains_keras_words
def evaluate(
    model: Model,
    params: Params,
    x: Any,
    y: Any = None,
    *,
    loss: Any,
    metrics: Any = (),
    weighted_metrics: Any = (),
    loss_weights: Any = None,
    sample_weight: Any = None,
    batch_size: int = 32,
) -> dict[str, Any]:
    """The loss and the metrics at inference.

    Args:
      model, params: the network.
      x: [rows, features]; y: targets, one a row; several of either as in `fit`. Or a `RowSource` as x alone.
      loss, metrics, weighted_metrics, loss_weights: as in `fit`.
      sample_weight: float[rows], or None; or one for each output, as in `fit`.
      batch_size: rows of one batch. The result does not depend on it beyond rounding, except where a
        regularizer of activities or a loss of the whole batch is used.

    Returns: {"loss": value, metric name: value}; with several outputs "<output>_loss" too.
    Raises:
      ValueError: shapes that do not fit, no rows, an unknown name.
    Keras: `Model.evaluate`.
    """
    check_integer("batch_size", batch_size, 1)
    if isinstance(x, RowSource):
        from jaxgd.training.streaming.evaluating import evaluate_stream

        x.check_alone(y, sample_weight)
        named = {"loss": loss, "metrics": metrics, "weighted_metrics": weighted_metrics}
        return evaluate_stream(model, params, x, batch_size, **named, loss_weights=loss_weights)
    own = x if isinstance(x, OwnRows) else None
    if own is not None:
        x, y = own.rows, y.rows
    y, weight = model_targets(model, y), model_weights(model, sample_weight)
    data = check_rows({"x": model_input(model, x), "y": y, "sample_weight": weight})
    objective = make_objective(
        model,
        loss,
        metrics=metrics,
        weighted_metrics=weighted_metrics,
        loss_weights=loss_weights,
        targets=y,
        training=False,
    )
    data["y"] = check_targets(objective, data["y"])
    num_rows = len(data["x"] if own is None else own)
    spec = evaluation_spec(objective, min(batch_size, num_rows))
    arguments = (model_scalars(model), params, data)
    if own is None:
        values = compiled(_evaluate, spec, arguments).call(*arguments)
    else:
        values = _evaluated_together(spec, arguments, num_rows)
    return {name: float(value) if value.ndim == 0 else np.asarray(value) for name, value in values.items()}


@explains_keras_words
def predict(model: Model, params: Params, x: Any, *, batch_size: int = 1024) -> Any:
    """The outputs at inference, computed in batches.

    Args:
      x: [rows, features]; for several inputs a list, or {name of the input: array}; or a `RowSource`.
      batch_size: rows computed at once.

    Returns: [rows, outputs] on the host; for several outputs a list or a dict of them, as `model.apply`. Of a
      `RowSource` an iterator of such pieces, in the order of its rows.
    Raises:
      ValueError: the shape of `x` is not the model's, or it has no rows.
    Keras: `Model.predict`.
    """
    check_integer("batch_size", batch_size, 1)
    if isinstance(x, RowSource):
        from jaxgd.training.streaming.evaluating import predict_stream

        return predict_stream(model, params, x, batch_size)
    data = check_rows({"x": model_input(model, x)})
    arguments = (model_scalars(model), params, data["x"])
    static = (jax.tree.structure(model), min(batch_size, len(data["x"])))
    return jax.tree.map(np.asarray, compiled(predicted, static, arguments).call(*arguments))


class EvaluationSpec(NamedTuple):
    """What an evaluation's program depends on."""

    model: Any
    loss: Any
    metrics: tuple[Any, ...]
    weighted_metrics: tuple[Any, ...]
    batch_size: int


def evaluation_spec(objective: Objective, batch_size: int) -> EvaluationSpec:
    """What the program of this evaluation depends on."""
    parts = (objective.loss, objective.metrics, objective.weighted_metrics)
    return EvaluationSpec(jax.tree.structure(objective.model), *parts, batch_size)


def _evaluate(
    spec: EvaluationSpec, scalars: list[Array], params: Params, data: Mapping[str, Array] | Rows
) -> dict[str, Array]:
    model = jax.tree.unflatten(spec.model, scalars)
    objective = Objective(model, spec.loss, spec.metrics, spec.weighted_metrics, training=False)
    return evaluate_batches(objective, params, data, spec.batch_size)


def _evaluated_together(spec: EvaluationSpec, arguments: tuple[Any, Any, Any], num_rows: int) -> Any:
    """The values of an evaluation of which every process has its own rows."""
    layout = hosts_layout(None)
    if layout is None:
        raise ValueError("x: rows that are shared with other processes, of which there are none.")
    scalars, params, data = arguments
    rows = place_rows(data, num_rows, layout)
    with lost_hosts():
        placed = (layout.spread(scalars), layout.spread(params), rows)
        return jax.tree.map(layout.gathered, compiled(_evaluate_placed, spec, placed).call(*placed))


def _evaluate_placed(
    spec: EvaluationSpec, scalars: list[Array], params: Params, data: Rows
) -> dict[str, Array]:
    values = _evaluate(spec, scalars, params, data)
    return jax.tree.map(lambda each: jax.lax.with_sharding_constraint(each, data.layout.everywhere), values)


def evaluate_batches(
    objective: Objective, params: Params, data: Mapping[str, Array] | Rows, batch_size: int
) -> dict[str, Array]:
    """The loss and the metrics over all rows, inside a program."""
    num_rows = num_rows_of(data)
    schedule = batches(jnp.arange(num_rows, dtype=jnp.int32), batch_size)

    def body(sums: PyTree, rows: Array) -> tuple[PyTree, None]:
        batch = fetch(data, rows, padded=num_rows % batch_size != 0)
        loss, aux = objective(params, batch)
        return add_batch(sums, loss, objective.rows(batch), aux.record), None

    first = jax.eval_shape(lambda: body(None, schedule[0])[0])
    zero = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), first)
    sums, _ = jax.lax.scan(body, zero, schedule)
    return close(objective, sums)


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Summed:
    """Validation that was done outside the program: the sums over all its batches."""

    sums: PyTree


def fetch(data: Mapping[str, Array] | Rows, rows: Array, padded: bool) -> dict[str, Array]:
    """One batch, with a row mask if there may be padding."""
    if isinstance(data, Rows):
        batch, placed = data.batch(rows)
        padded, rows = padded or len(placed) > len(rows), placed
    else:
        batch = dict(take(data, rows))
    return {**batch, "row_mask": rows >= 0} if padded else batch


def add_batch(sums: PyTree, loss: Array, rows: Array, record: PyTree) -> PyTree:
    """Sums with one more batch; a batch's loss counts once a row, as Keras averages it. None is zero."""
    new = {"loss": loss * rows, "rows": rows, "metrics": record}
    return new if sums is None else jax.tree.map(jnp.add, sums, new)


def close(objective: Objective, sums: PyTree) -> dict[str, Array]:
    """Loss and metrics from their sums."""
    return {"loss": sums["loss"] / sums["rows"], **objective.results(sums["metrics"])}


def predicted(spec: tuple[Any, int], scalars: list[Array], params: Params, x: Any) -> Any:
    """The program of `predict`; `spec` are the model's structure and the rows of a batch."""
    treedef, batch_size = spec
    model = jax.tree.unflatten(treedef, scalars)
    num_rows = x.shape[0]
    schedule = batches(jnp.arange(num_rows, dtype=jnp.int32), batch_size)

    def one_batch(rows: Array) -> Any:
        of_batch = take(x, rows)
        return model.apply(params, of_batch.arrays if isinstance(of_batch, Bundle) else of_batch)

    def joined(y: Array) -> Array:
        return y.reshape(-1, *y.shape[2:])[:num_rows].astype(model.policy.params)

    return jax.tree.map(joined, jax.lax.map(one_batch, schedule))


def model_scalars(model: Model) -> list[Any]:
    """The layers' scalars as arrays on the host: inputs of a program, not part of it."""
    return [np.asarray(leaf, model.policy.params) for leaf in jax.tree.leaves(model)]
