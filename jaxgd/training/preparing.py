"""From the arguments of `fit` to what its program takes: data, first state, order of rows, specification."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxgd._checks import check_integer, of_keras, unknown_name, wrong
from jaxgd._param_shapes import param_shapes
from jaxgd._statistics import partition
from jaxgd._types import Params
from jaxgd.losses._align import ShapeError
from jaxgd.model_base import Model
from jaxgd.optimizers._scaling import scale_learning_rate
from jaxgd.random import keras_epoch_order
from jaxgd.training import inputs
from jaxgd.training.batching import Fixed, InOrder, Shuffled
from jaxgd.training.early_stopping import EarlyStopping
from jaxgd.training.objective import Objective
from jaxgd.training.placed_rows import Data, num_rows_of
from jaxgd.training.run import RunSpec
from jaxgd.training.state import TrainState, copy

_HISTORY_CAPACITY = 65_536
"""Epochs that one call of the program can record."""


def split_data(
    model: Model,
    x: Any,
    y: Any,
    sample_weight: Any,
    class_weight: Mapping[int, float] | None,
    validation_data: Sequence[Any] | None,
    validation_split: float,
) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """Training and validation rows from the arguments of `fit`. Raises ValueError for what does not fit."""
    if class_weight is not None and sample_weight is not None:
        raise ValueError("class_weight: expected not together with sample_weight.")
    training, validation = _rows(model, x, y, sample_weight), None
    if validation_data is not None:
        if len(validation_data) not in (2, 3):
            raise wrong("validation_data", f"{len(validation_data)} items", "(x, y) or (x, y, sample_weight)")
        validation = _rows(model, *validation_data, *[None] * (3 - len(validation_data)))
    elif validation_split:
        training, validation = inputs.split_validation(training, validation_split)
    if class_weight is not None:  # weighs the rows that train, never those that validate
        training["sample_weight"] = inputs.model_class_weights(model, class_weight, training["y"])
    return training, validation


def _rows(model: Model, x: Any, y: Any, sample_weight: Any) -> dict[str, Any]:
    weight = inputs.model_weights(model, sample_weight)
    y = inputs.model_targets(model, y)
    return inputs.check_rows({"x": inputs.model_input(model, x), "y": y, "sample_weight": weight})


def ready_data(objective: Objective, data: dict[str, Any]) -> dict[str, Any]:
    """`data` with targets that the loss takes; a shape that it refuses is refused here, by its own words."""
    ready = {**data, "y": inputs.check_targets(objective, data["y"])}
    leaves, structure = jax.tree.flatten(jax.tree.map(_shape_of_one_row, ready))
    _try_objective(objective.at_inference(), structure, tuple(leaves))
    return ready


def _shape_of_one_row(array: Any) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct((1, *array.shape[1:]), array.dtype)


@lru_cache(maxsize=64)
def _try_objective(objective: Objective, structure: Any, leaves: tuple[Any, ...]) -> None:
    """Trace an objective on a batch of these shapes; what it refuses is raised, and is not remembered."""
    params = param_shapes(objective.model)
    try:
        jax.eval_shape(objective, params, jax.tree.unflatten(structure, leaves))
    except ShapeError as error:
        words = "That is one row of each: y_true is y as it was given, y_pred is what the model gives for x."
        raise ValueError(f"{error} {words}") from error


def check_on_divergence(on_divergence: str, max_halvings: int) -> int:
    """How often the learning rate may be halved. Raises TypeError or ValueError."""
    check_integer("max_halvings", max_halvings, 1)
    if on_divergence not in ("stop", "restore"):
        raise unknown_name("on_divergence", on_divergence, ("stop", "restore"))
    return max_halvings if on_divergence == "restore" else 0


def check_kinds(early_stopping: Any, seed: Any, params: Any, state: Any) -> None:
    """Raises TypeError or ValueError for arguments of `fit` of another kind, or that exclude each other."""
    if early_stopping is not None and not isinstance(early_stopping, EarlyStopping):
        raise TypeError(f"early_stopping: expected an EarlyStopping, got {early_stopping!r}.")
    check_seed(seed)
    if state is not None and params is not None:
        raise ValueError("params: expected not together with state, which has its own.")


def check_model(model: Any) -> None:
    """Raises TypeError for a model that is none of jaxgd's."""
    if of_keras(model):
        raise TypeError(
            "model: got a model of Keras. Save it as model.keras and give jaxgd.load('model.keras')[0]."
        )


def check_seed(seed: Any) -> None:
    """Raises TypeError for a seed that is neither an int nor a JAX key."""
    is_int = isinstance(seed, int | np.integer) and not isinstance(seed, bool)
    if not is_int and not (isinstance(seed, jax.Array) and seed.size):
        raise TypeError(f"seed: expected an int or a JAX key, got {seed!r}.")


def check_state(model: Model, optimizer: Any, state: TrainState) -> None:
    """Raises ValueError for a state of another network or another kind of optimizer."""
    model.check_params(state.params)
    moving, _ = partition(state.params, model.trainable(state.params))
    expected = jax.tree.structure(jax.eval_shape(optimizer.init, moving))
    if jax.tree.structure(state.opt_state) != expected:
        raise ValueError(
            f"state: expected the slots of {optimizer.name!r} with these options, got another optimizer's. "
            "Give optimizer= the one that the state was made with; of a Keras file: training.optimizer."
        )


def new_state(model: Model, optimizer: Any, seed: Any, params: Params | None) -> TrainState:
    """The state before the first step: parameters and keys from `seed`, or the given parameters."""
    if isinstance(seed, int | np.integer):
        init_seed, key = int(seed), model.key(int(seed))
    else:
        init_seed, key = jax.random.fold_in(seed, 0), jax.random.fold_in(seed, 1)
    if params is None:
        params = model.init(init_seed)
    model.check_params(params)
    given: Params = jax.tree.map(lambda leaf: _in_dtype(leaf, model.policy.params), params)
    return TrainState.create(params=given, optimizer=optimizer, key=key, trainable=model.trainable(given))


def _in_dtype(leaf: Any, dtype: Any) -> Any:
    """NumPy's arrays stay on the host until all go to the device together."""
    return np.asarray(leaf, dtype) if isinstance(leaf, np.ndarray) else jnp.asarray(leaf, dtype)


def first_state(
    model: Model, optimizer: Any, seed: Any, params: Params | None, state: TrainState | None, halvings: int
) -> tuple[TrainState, dict[str, Any]]:
    """The state a run begins with, in buffers of its own, and what the caller gave. Raises ValueError."""
    given = {"params": params, "state": state}
    if state is not None:
        check_state(model, optimizer, state)
    first = new_state(model, optimizer, seed, params) if state is None else copy(state)
    if halvings:
        scale_learning_rate(first.opt_state, 0.5)  # raises for a rate that cannot be halved
    return first, given


def make_order(shuffle: bool | str, seed: Any, num_rows: int) -> Any:
    """The rule by which epochs order their rows. Raises ValueError for an unknown one."""
    is_int = isinstance(seed, int | np.integer)
    if shuffle == "keras":
        if not is_int:
            raise ValueError(f"shuffle: 'keras' needs an int seed, got {seed!r}.")
        return Fixed(jnp.asarray(keras_epoch_order(int(seed), num_rows), jnp.int32))
    if not isinstance(shuffle, bool):
        raise wrong("shuffle", shuffle, "True, False or 'keras'")
    if not shuffle:
        return InOrder()
    return Shuffled.from_seed(seed if is_int else jax.random.fold_in(seed, 2))


def make_spec(
    objective: Objective,
    rule: Any,
    batch_size: int,
    training: Data,
    validation: Data | None,
    early_stopping: EarlyStopping | None,
) -> RunSpec:
    """What the program of this run depends on."""
    num_validation = batch_size if validation is None else num_rows_of(validation)
    return RunSpec(
        model=jax.tree.structure(objective.model),
        loss=objective.loss,
        metrics=objective.metrics,
        weighted_metrics=objective.weighted_metrics,
        rule=rule,
        batch_size=min(batch_size, num_rows_of(training)),
        validation_batch_size=min(batch_size, num_validation),
        early_stopping=_stopping_rule(objective, early_stopping, validation is not None),
        capacity=_HISTORY_CAPACITY,
    )


def _stopping_rule(objective: Objective, early_stopping: EarlyStopping | None, validates: bool) -> Any:
    if early_stopping is None:
        return None
    directions = column_directions(objective, validates)
    if early_stopping.monitor not in directions:
        known = ", ".join(directions)
        raise ValueError(
            f"early_stopping: monitor {early_stopping.monitor!r} is not recorded; there are {known}."
        )
    return early_stopping.rule(directions[early_stopping.monitor])


def column_directions(objective: Objective, validates: bool) -> dict[str, str | None]:
    """The columns of the history, and for each whether "min" or "max" is better; None where that is open."""
    directions: dict[str, str | None] = {"loss": "min"}
    directions |= {name: metric.direction for name, metric in objective.named_metrics.items()}
    return (
        directions | {f"val_{name}": each for name, each in directions.items()} if validates else directions
    )
