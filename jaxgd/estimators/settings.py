"""From an estimator's parameters to what `fit` takes: network, optimizer, stopping, batch size, seed."""

import math
from typing import Any

from sklearn.utils import check_random_state

from jaxgd import layers, optimizers
from jaxgd._checks import check_integer, check_real, wrong
from jaxgd.model import Sequential, sequential
from jaxgd.training.early_stopping import EarlyStopping

ACTIVATIONS = {"identity": "linear", "logistic": "sigmoid"}
"""scikit-learn's names of activations that Keras calls otherwise."""
_OF_OPTIMIZER = {
    "learning_rate_init": "learning_rate",
    "momentum": "momentum",
    "nesterovs_momentum": "nesterov",
    "beta_1": "beta_1",
    "beta_2": "beta_2",
    "epsilon": "epsilon",
}
_LARGEST_BATCH = 200
_SEEDS = 2**31 - 1


def network(estimator: Any, num_features: int, num_outputs: int, output_activation: Any) -> Sequential:
    """The network of an estimator. Raises TypeError or ValueError for a parameter that does not fit."""
    stack: list[Any] = []
    for width in _widths(estimator.hidden_layer_sizes):
        stack.append(_dense(estimator, width, keras_activation(estimator.activation)))
        if estimator.dropout:
            stack.append(layers.dropout(estimator.dropout))
    stack.append(_dense(estimator, num_outputs, output_activation))
    return sequential(stack, num_features, dtype=estimator.dtype)


def keras_activation(activation: Any) -> Any:
    """Keras's name for an activation that scikit-learn calls otherwise; anything else as it is."""
    return ACTIVATIONS.get(activation, activation) if isinstance(activation, str) else activation


def _dense(estimator: Any, units: int, activation: Any) -> layers.Layer:
    return layers.dense(
        units,
        activation,
        kernel_initializer=estimator.kernel_initializer,
        kernel_regularizer=estimator.kernel_regularizer,
    )


def _widths(sizes: Any) -> list[int]:
    several = [sizes] if not hasattr(sizes, "__iter__") or isinstance(sizes, str) else list(sizes)
    return [check_integer("hidden_layer_sizes", width, 1) for width in several]


def optimizer_of(estimator: Any) -> Any:
    """The optimizer of an estimator, with the numbers that are given for it.

    Raises:
      TypeError, ValueError: an unknown optimizer, or a number that it does not have or that is out of range.
    """
    given = {
        keras: getattr(estimator, name)
        for name, keras in _OF_OPTIMIZER.items()
        if getattr(estimator, name) is not None
    }
    optimizer = optimizers.get(estimator.optimizer)
    for name, keras in _OF_OPTIMIZER.items():
        if keras in given and keras not in optimizer.settings:
            raise ValueError(
                f"{name}: the optimizer {optimizer.rule.class_name} has no {keras!r}; leave {name}=None."
            )
    return optimizer.with_hyperparameters(**given) if given else optimizer


def stopping_of(estimator: Any, score: str) -> EarlyStopping | None:
    """When an estimator stops: for the training loss, or with `early_stopping` for the held-out score."""
    if estimator.early_stopping:
        tol = 0.0 if estimator.tol is None else estimator.tol
        rules: dict[str, Any] = {"monitor": f"val_{score}", "restore_best_weights": True}
    elif estimator.tol is None:
        return None
    else:
        tol, rules = estimator.tol, {"monitor": "loss"}
    patience = estimator.n_iter_no_change
    if patience == math.inf:  # scikit-learn's word for never: more epochs than there are
        patience = check_integer("max_iter", estimator.max_iter, 1)
    patience = check_integer("n_iter_no_change", patience, 1)
    return EarlyStopping(min_delta=check_real("tol", tol, 0.0), patience=patience, **rules)


def batch_size_of(estimator: Any, num_rows: int) -> int:
    """Rows of a batch; "auto" is all of them, but 200 at most. Raises TypeError or ValueError."""
    if isinstance(estimator.batch_size, str):
        if estimator.batch_size != "auto":
            raise wrong("batch_size", estimator.batch_size, "an integer of at least 1, or 'auto'")
        return min(_LARGEST_BATCH, num_rows)
    return min(check_integer("batch_size", estimator.batch_size, 1), num_rows)


def seed_of(random_state: Any) -> int:
    """Keras's seed: `random_state` itself if it is a number, else one drawn as scikit-learn draws."""
    if random_state is None or hasattr(random_state, "randint"):
        return int(check_random_state(random_state).randint(_SEEDS))
    return check_integer("random_state", random_state, 0)
