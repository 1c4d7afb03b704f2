"""The loss of a model on a batch as a pure function of the parameters, in the form that `make_step` takes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import jax.numpy as jnp

from jaxgd import losses
from jaxgd._types import Array, Params, PyTree
from jaxgd.layers.base import count_rows
from jaxgd.metrics import Metric, log_names
from jaxgd.metrics import get as get_metric
from jaxgd.model import Sequential


class Aux(NamedTuple):
    """What an objective may return beside its loss."""

    record: PyTree
    """Kept for every step."""
    statistics: Mapping[str, Mapping[str, Array]] = {}
    """{layer: {leaf: new value}}, written into the parameters after the step."""


@dataclass(frozen=True)
class Objective:
    """objective(params, batch, key) -> (loss, Aux). Made by `make_objective`.

    loss = data loss + activity regularizers / rows + weight regularizers, as Keras adds them up.
    `batch` is a mapping with `x`, `y` and, if wanted, `sample_weight` and `row_mask`.
    """

    model: Sequential
    loss: losses.Loss
    metrics: tuple[Metric, ...] = ()
    weighted_metrics: tuple[Metric, ...] = ()
    training: bool = True

    def __call__(self, params: Params, batch: Mapping[str, Array], key: Any = None) -> tuple[Array, Aux]:
        row_mask = batch.get("row_mask")
        result = self.model.run(params, batch["x"], training=self.training, key=key, row_mask=row_mask)
        wide = self.model.policy.params
        y_pred = result.y.astype(wide)
        logits = None if result.logits is None else result.logits.astype(wide)
        weight = batch.get("sample_weight")
        data_loss = self.loss(batch["y"], y_pred, sample_weight=weight, logits=logits, row_mask=row_mask)
        loss = data_loss + jnp.asarray(result.activity, wide) + self.model.penalty(params)
        sums = self._sums(batch["y"], y_pred, logits, weight, row_mask)
        return loss, Aux(sums, result.statistics)

    def _sums(
        self, y: Array, y_pred: Array, logits: Array | None, weight: Array | None, row_mask: Array | None
    ) -> dict[str, PyTree]:
        weights = [None] * len(self.metrics) + [weight] * len(self.weighted_metrics)
        return {
            name: metric.sums(y, y_pred, weights=of_metric, row_mask=row_mask, logits=logits)
            for (name, metric), of_metric in zip(self.named_metrics.items(), weights, strict=True)
        }

    @property
    def named_metrics(self) -> dict[str, Metric]:
        """{name in the history: metric}, plain ones first; a repeated name is numbered, as in Keras."""
        both = (*self.metrics, *self.weighted_metrics)
        return dict(zip(log_names(both), both, strict=True))

    def at_inference(self) -> "Objective":
        """The objective of an evaluation."""
        return replace(self, training=False)

    def rows(self, batch: Mapping[str, Array]) -> Array:
        """How many rows of the batch count, in the parameter dtype."""
        dtype = self.model.policy.params
        return jnp.asarray(count_rows(batch["x"].shape[0], batch.get("row_mask"), dtype), dtype)

    def results(self, sums: Mapping[str, PyTree]) -> dict[str, Array]:
        """The metrics' values from their sums."""
        return {name: metric.result(sums[name]) for name, metric in self.named_metrics.items()}


def make_objective(
    model: Sequential,
    loss: Any,
    *,
    metrics: Sequence[Any] = (),
    weighted_metrics: Sequence[Any] = (),
    targets: Any = None,
    training: bool = True,
) -> Objective:
    """The training objective of a model; cross-entropies see the logits, as in Keras.

    With a mixed dtype they see them too, where Keras loses them in the cast to float32 and clips.

    Args:
      model: from `mlp` or `sequential`.
      loss: a name, a `losses.Loss`, or a function (y_true, y_pred) -> values.
      metrics: names or `metrics.Metric`; sample weights do not touch them.
      weighted_metrics: the same, with sample weights.
      targets: an array like the targets, needed where a name such as "accuracy" depends on their shape.
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
    shape = None if targets is None else tuple(jnp.shape(targets))
    chosen_loss = losses.get(loss) if shape is None else losses.resolve(loss, shape, (1, *model.output_shape))
    plain, weighted = (
        tuple(_metric(each, model, shape, chosen_loss) for each in group)
        for group in (metrics, weighted_metrics)
    )
    return Objective(model, chosen_loss, plain, weighted, training)


def _metric(identifier: Any, model: Sequential, target_shape: Any, loss: losses.Loss) -> Metric:
    output_shape = (1, *model.output_shape)
    return get_metric(identifier, output_shape=output_shape, target_shape=target_shape, loss=loss)
