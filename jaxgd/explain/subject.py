"""What is explained: a network with its parameters, a few rows, a loss and an optimizer."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxgd import losses, optimizers
from jaxgd._checks import check_integer
from jaxgd._types import Array, Params
from jaxgd.model import Sequential, mlp
from jaxgd.optimizers import Optimizer
from jaxgd.training import Objective, make_objective
from jaxgd.training.inputs import check_rows, check_targets, model_input

EXAMPLE_SIZES = (5, 10, 1)
EXAMPLE_ROWS = 32


@dataclass(frozen=True, eq=False)
class Subject:
    """A training step before it is taken. Made by `make_subject` and `example`.

    Attributes:
      title: in one line.
      model, params: the network.
      objective: the loss of a batch.
      batch: {"x": [rows, features], "y": targets}: all rows of the step.
      optimizer: with its learning rate.
      features: the inputs' names.
      row_numbers: what the rows are called, counted from 1 where they come from.
      seed: of dropout and noise.
    """

    title: str
    model: Sequential
    params: Params
    objective: Objective
    batch: dict[str, Array]
    optimizer: Optimizer
    features: tuple[str, ...]
    row_numbers: tuple[int, ...]
    seed: int = 0

    @property
    def loss(self) -> losses.Loss:
        """What is minimised."""
        loss = self.objective.loss
        if not isinstance(loss, losses.Loss):
            raise TypeError(f"loss: expected one, got {loss!r}.")
        return loss

    @cached_property
    def wanted(self) -> np.ndarray:
        """The targets as the outputs should be: [rows, outputs]; a label is a row of zeros and a one."""
        y = np.asarray(self.batch["y"])
        outputs = int(np.prod(self.model.output_shape))
        if y.size == len(y) * outputs:
            return y.reshape(len(y), outputs)
        return np.eye(outputs)[y.reshape(len(y)).astype(int)]


def optimizer_text(optimizer: Optimizer) -> str:
    """An optimizer with its numbers in six digits: a file's are float32, 0.001 is 0.0010000000475 in it.

    >>> optimizer_text(optimizers.adam(0.0010000000475, beta_1=0.8))
    'Adam(learning_rate=0.001, beta_1=0.8, beta_2=0.999, epsilon=1e-07)'
    """
    numbers = optimizer.hyperparameters.items()
    shown = [
        f"{name}={value:.6g}" if isinstance(value, float) else f"{name}={value!r}" for name, value in numbers
    ]
    return f"{optimizer.rule.class_name}({', '.join(shown)})"


def make_subject(
    title: str,
    model: Sequential,
    params: Params,
    x: Any,
    y: Any,
    *,
    loss: Any = "mean_squared_error",
    optimizer: Any = "sgd",
    features: Sequence[str] = (),
    row_numbers: Sequence[int] = (),
    seed: int = 0,
) -> Subject:
    """A subject whose parts fit together.

    Args:
      title: in one line.
      model, params: the network, a stack of layers.
      x: [rows, features]; y: targets, one a row.
      loss, optimizer: as in `jaxgd.fit`.
      features: the inputs' names; numbered without them.
      row_numbers: what the rows are called; counted from 1 without them.
      seed: of dropout and noise.

    Raises:
      TypeError: not a stack of layers.
      ValueError: shapes that do not fit.
    """
    if not isinstance(model, Sequential):
        raise TypeError(f"model: expected a stack of layers (jaxgd.sequential), got {type(model).__name__}.")
    model.check_params(params)
    data = check_rows({"x": model_input(model, x), "y": np.asarray(y)})
    if not np.isfinite(np.asarray(data["x"], np.float64)).all():
        raise ValueError("x: expected finite numbers, got NaN or infinity.")
    if not any(jax.tree.leaves(model.trainable(params))):
        raise ValueError("model: expected parameters that are trained, got none; there is no gradient.")
    objective = make_objective(model, loss, targets=data["y"])
    batch = {"x": data["x"], "y": check_targets(objective, data["y"])}
    names = tuple(map(str, features)) or tuple(f"x{place}" for place in range(batch["x"][0].size))
    rows = tuple(map(int, row_numbers)) or tuple(range(1, len(batch["x"]) + 1))
    return Subject(title, model, params, objective, batch, optimizers.get(optimizer), names, rows, seed)


def example(
    sizes: Sequence[int] = EXAMPLE_SIZES,
    *,
    activation: Any = "relu",
    rows: int = EXAMPLE_ROWS,
    loss: Any = "mean_squared_error",
    optimizer: Any = None,
    seed: int = 0,
    dtype: str = "float32",
) -> Subject:
    """The network of the GradientTape lesson, on rows with something to learn.

    The features are uniform in [0, 1); the targets say whether their mean lies above one half.

    Args:
      sizes: features, hidden widths, outputs.
      activation: of the hidden layers; the output's is a sigmoid.
      rows: of the batch.
      loss, optimizer: as in `jaxgd.fit`; None is SGD with learning rate 0.5.
      seed: of parameters and rows.
      dtype: of the model.

    >>> small = example(rows=4)
    >>> small.model
    sequential([dense(10, activation='relu'), dense(1, activation='sigmoid')], input_size=5)
    >>> small.wanted.shape
    (4, 1)
    """
    check_integer("rows", rows, 1)
    check_integer("seed", seed, 0)
    model = mlp(sizes, activation=activation, output_activation="sigmoid", dtype=dtype)
    rng = np.random.default_rng(seed)
    x = rng.random((rows, sizes[0]), dtype=np.float32)
    y = np.repeat(x.mean(axis=1, keepdims=True) > 0.5, sizes[-1], axis=1).astype(np.float32)
    return make_subject(
        f"{'-'.join(map(str, sizes))} network, {rows} rows",
        model,
        model.init(seed),
        x,
        jnp.asarray(y),
        loss=loss,
        optimizer=optimizers.sgd(0.5) if optimizer is None else optimizer,
        seed=seed,
    )
