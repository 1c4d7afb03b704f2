"""A run that goes on from a model in a file: its network, its weights, and what it was trained with."""

from dataclasses import replace
from typing import Any, NamedTuple

import jax.numpy as jnp

from jaxgd import data, keras_files, losses, optimizers
from jaxgd._types import Params
from jaxgd.keras_files import KerasTraining
from jaxgd.model_base import Model
from jaxgd.optimizers import OptimizerState
from jaxgd.runs.model_task import task_of
from jaxgd.runs.settings import Settings
from jaxgd.training import TrainState


class Start(NamedTuple):
    """What a file gives a run to begin with; `training` is None for a model that was not compiled."""

    model: Model
    params: Params
    training: KerasTraining | None

    def loss(self, otherwise: losses.Loss) -> losses.Loss:
        """The file's loss, if it has one that is not left to the shapes."""
        found = None if self.training is None else self.training.loss
        return found if isinstance(found, losses.Loss) else otherwise

    def metrics(self, otherwise: tuple[Any, ...]) -> tuple[Any, ...]:
        """The file's metrics, if it has any."""
        return tuple(self.training.metrics or otherwise) if self.training is not None else otherwise


def with_its_task(settings: Settings) -> Settings:
    """Settings whose task is that of the model they go on from, if they name none and it is clear.

    Raises: as `read_start`.
    """
    if settings.from_model is None or settings.task is not None:
        return settings
    start = _load(settings.from_model)
    return replace(settings, task=task_of(start.model, start.training))


def _load(path: str) -> Start:
    try:
        return Start(*keras_files.load(path))
    except keras_files.KerasFileError as error:
        raise ValueError(f"{path}: {error}") from error


def read_start(settings: Settings, encoding: data.Encoding) -> Start:
    """The model that a run goes on from.

    Raises:
      ValueError: it is not a model of the table's features and classes.
      OSError: the file cannot be opened.
    """
    path = str(settings.from_model)
    model, params, training = _load(path)
    if len(model.input_names) != 1 or len(model.output_names) != 1:
        raise ValueError(
            f"{path}: expected a model with one input and one output for a table, got "
            f"{len(model.input_names)} and {len(model.output_names)}; jaxgd.fit trains it from Python."
        )
    for what, got, given in (
        ("features", model.input_shapes[0], encoding.num_features),
        ("outputs", model.output_shapes[0], encoding.num_outputs),
    ):
        if got != (given,):
            raise ValueError(f"{path}: expected {given} {what} for this table, got shape {list(got)}.")
    return Start(model, params, _with_rate(training, settings))


def _with_rate(training: KerasTraining | None, settings: Settings) -> KerasTraining | None:
    """The training with the learning rate of the settings, if they have one."""
    if training is None or settings.learning_rate is None:
        return training
    rate = settings.learning_rate
    return KerasTraining(
        training.loss,
        training.optimizer.with_hyperparameters(learning_rate=rate),
        optimizers.set_learning_rate(training.opt_state, rate) if training.opt_state is not None else None,
        training.metrics,
        training.weighted_metrics,
    )


def first_train_state(model: Model, params: Params, opt_state: OptimizerState, seed: int) -> TrainState:
    """The state of a run that begins with an optimizer that has been at work before."""
    return TrainState(jnp.int32(0), params, opt_state, model.key(seed))
