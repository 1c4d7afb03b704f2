"""The loss of a model on a batch as a pure function of the parameters, in the form that `make_step` takes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from operator import add
from typing import Any, NamedTuple

import jax.numpy as jnp

from jaxgd import losses
from jaxgd._types import Array, Params, PyTree
from jaxgd.layers.base import count_rows
from jaxgd.metrics import Metric
from jaxgd.metrics import get as get_metric
from jaxgd.model_base import Forward, Model
from jaxgd.training.bundle import Bundle, parts
from jaxgd.training.per_output import (
    Losses,
    OutputLoss,
    columns,
    make_losses,
    make_metrics,
    metric_columns,
)


class Aux(NamedTuple):
    """What an objective may return beside its loss."""

    record: PyTree
    """Kept for every step."""
    statistics: Mapping[str, Mapping[str, Array]] = {}
    """{layer: {leaf: new value}}, written into the parameters after the step."""


class _Output(NamedTuple):
    """What the loss and the metrics of one output see, besides their weights."""

    y: Any
    y_pred: Array
    logits: Array | None
    weight: Any


@dataclass(frozen=True)
class Objective:
    """objective(params, batch, key) -> (loss, Aux). Made by `make_objective`.

    loss = data loss + activity regularizers / rows + weight regularizers, as Keras adds them up; the data
    loss of several outputs is the weighted sum of theirs. `batch` is a mapping with `x`, `y` and, if wanted,
    `sample_weight` and `row_mask`; several inputs or targets are a `Bundle`.
    """

    model: Model
    loss: losses.Loss | Losses
    metrics: tuple[Any, ...] = ()
    """`Metric`, or `OutputMetric` where there are several outputs."""
    weighted_metrics: tuple[Any, ...] = ()
    training: bool = True

    def __call__(self, params: Params, batch: Mapping[str, Any], key: Any = None) -> tuple[Array, Aux]:
        row_mask, x = batch.get("row_mask"), batch["x"]
        x = x.arrays if isinstance(x, Bundle) else x
        result = self.model.run(params, x, training=self.training, key=key, row_mask=row_mask)
        wide, outputs = self.model.policy.params, self._outputs(result, batch)
        values = [self._data_loss(one, outputs[one.output], row_mask) for one in self.losses]
        loss = reduce(add, values) + jnp.asarray(result.activity, wide) + self.model.penalty(params)
        return loss, Aux(self._sums(outputs, row_mask), result.statistics)

    @property
    def losses(self) -> tuple[OutputLoss, ...]:
        """The loss of each output."""
        return self.loss.each if isinstance(self.loss, Losses) else (OutputLoss(0, "", self.loss),)

    def _outputs(self, result: Forward, batch: Mapping[str, Any]) -> list[_Output]:
        wide = self.model.policy.params
        several = isinstance(result.y, tuple)
        y_pred, logits = (result.y, result.logits) if several else ((result.y,), (result.logits,))
        targets, weights = (parts(batch.get(name), len(y_pred)) for name in ("y", "sample_weight"))
        return [
            _Output(y, pred.astype(wide), None if logit is None else logit.astype(wide), weight)
            for y, pred, logit, weight in zip(targets, y_pred, logits, weights, strict=True)
        ]

    def _data_loss(self, one: OutputLoss, output: _Output, row_mask: Array | None) -> Array:
        weights = {"sample_weight": output.weight, "row_mask": row_mask}
        try:
            value = one.loss(output.y, output.y_pred, logits=output.logits, **weights)
        except ValueError as error:
            if not one.name:
                raise
            raise ValueError(f"output {one.name!r}: {error}") from error
        return value if one.weight == 1.0 else value * one.weight

    def _sums(self, outputs: Sequence[_Output], row_mask: Array | None) -> dict[str, PyTree]:
        found = {}
        for name, metric in self.named_metrics.items():
            output = outputs[getattr(metric, "output", 0)]
            weight = output.weight if name in self._weighted_columns else None
            found[name] = metric.sums(
                output.y, output.y_pred, weights=weight, row_mask=row_mask, logits=output.logits
            )
        return found

    @property
    def named_metrics(self) -> dict[str, Any]:
        """{name in the history: metric}, plain ones first; a repeated name is numbered, as in Keras.

        With several outputs the loss of each is among them.
        """
        if isinstance(self.loss, Losses):
            return columns(self.loss, self.metrics, self.weighted_metrics)
        return metric_columns(self.metrics, self.weighted_metrics)

    @property
    def _weighted_columns(self) -> tuple[str, ...]:
        """The columns that sample weights touch: the weighted metrics, which come last, and the losses."""
        names, num_plain = list(self.named_metrics), len(self.metrics)
        num_losses = len(names) - num_plain - len(self.weighted_metrics)
        return (*names[:num_losses], *names[num_losses + num_plain :])

    def at_inference(self) -> "Objective":
        """The objective of an evaluation."""
        return replace(self, training=False)

    def rows(self, batch: Mapping[str, Any]) -> Array:
        """How many rows of the batch count, in the parameter dtype."""
        dtype = self.model.policy.params
        return jnp.asarray(count_rows(batch["x"].shape[0], batch.get("row_mask"), dtype), dtype)

    def results(self, sums: Mapping[str, PyTree]) -> dict[str, Array]:
        """The metrics' values from their sums."""
        return {name: metric.result(sums[name]) for name, metric in self.named_metrics.items()}


def make_objective(
    model: Model,
    loss: Any,
    *,
    metrics: Any = (),
    weighted_metrics: Any = (),
    loss_weights: Any = None,
    targets: Any = None,
    training: bool = True,
) -> Objective:
    """The training objective of a model; cross-entropies see the logits, as in Keras.

    With a mixed dtype they see them too, where Keras loses them in the cast to float32 and clips.

    Args:
      model: from `mlp`, `sequential` or `graph`.
      loss: a name, a `losses.Loss`, or a function (y_true, y_pred) -> values. For several outputs one for
        all, a list, or a dict by the outputs' names; None in them is an output without a loss.
      metrics: names or `metrics.Metric`; sample weights do not touch them. For several outputs a list with an
        entry (one or a list) for each, or a dict by the outputs' names.
      weighted_metrics: the same, with sample weights.
      loss_weights: for several outputs, how much of each loss the total has: a list or a dict; None is 1
        each.
      targets: an array like the targets, or a `Bundle` of them, needed where a name such as "accuracy"
        depends on their shape.
      training: False gives the objective of an evaluation.

    Raises:
      TypeError: one name where a list is wanted. ValueError: an unknown name.
    >>> import jax, jax.numpy as jnp, jaxgd
    >>> model = jaxgd.mlp([2, 1], output_activation="sigmoid")
    >>> objective = make_objective(model, "binary_crossentropy")
    >>> batch = {"x": jnp.zeros((4, 2)), "y": jnp.ones((4, 1))}
    >>> value, _ = objective(model.init(0), batch)
    >>> round(float(value), 4)
    0.6931
    """
    for name, group in (("metrics", metrics), ("weighted_metrics", weighted_metrics)):
        if isinstance(group, str):
            raise TypeError(f"{name}: expected a list of metrics, got {group!r}.")
    resolver = _Resolver(model, targets)
    outputs = list(model.output_names)
    if len(outputs) > 1:
        of_outputs = make_losses(loss, loss_weights, outputs, resolver.loss)
        plain, weighted = (
            make_metrics(name, group, outputs, lambda each, index: resolver.metric(each, index, of_outputs))
            for name, group in (("metrics", metrics), ("weighted_metrics", weighted_metrics))
        )
        return Objective(model, of_outputs, plain, weighted, training)
    given = {"loss": loss, "metrics": metrics, "weighted_metrics": weighted_metrics}
    loss, metrics, weighted_metrics = (_only(name, each, outputs[0]) for name, each in given.items())
    chosen = resolver.loss(loss, 0)
    plain, weighted = (
        tuple(resolver.metric(each, 0, chosen) for each in group) for group in (metrics, weighted_metrics)
    )
    if loss_weights is not None:
        chosen = make_losses(chosen, _listed(loss_weights), outputs, resolver.loss)
    return Objective(model, chosen, plain, weighted, training)


def _listed(value: Any) -> Any:
    return value if isinstance(value, Mapping | list | tuple) else [value]


def _only(name: str, value: Any, output: str) -> Any:
    """What belongs to the one output, where a dict by names was given."""
    if not isinstance(value, Mapping):
        return value
    if set(value) != {output}:
        raise ValueError(f"{name}: expected the output {output!r} alone, got {sorted(value, key=str)}.")
    return value[output]


class _Resolver:
    """What names mean for a model's outputs and its targets."""

    def __init__(self, model: Model, targets: Any) -> None:
        self.output_shapes = [(1, *shape) for shape in model.output_shapes]
        each = (
            (None,) * len(self.output_shapes) if targets is None else parts(targets, len(self.output_shapes))
        )
        self.target_shapes = [None if one is None else tuple(jnp.shape(one)) for one in each]

    def loss(self, identifier: Any, output: int) -> losses.Loss:
        shape = self.target_shapes[output]
        if shape is None:
            return losses.get(identifier)
        return losses.resolve(identifier, shape, self.output_shapes[output])

    def metric(self, identifier: Any, output: int, loss: losses.Loss | Losses) -> Metric:
        shapes = {"output_shape": self.output_shapes[output], "target_shape": self.target_shapes[output]}
        return get_metric(
            identifier, **shapes, loss=loss.of_output(output) if isinstance(loss, Losses) else loss
        )
