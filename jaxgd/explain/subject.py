"""What is explained: a network with its parameters, a few rows, a loss and an optimizer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxgd import optimizers
from jaxgd._checks import check_integer
from jaxgd._types import Params
from jaxgd.graphs import Graph
from jaxgd.layers import Nested
from jaxgd.model import Sequential, mlp
from jaxgd.model_base import Model
from jaxgd.optimizers import Optimizer
from jaxgd.training import Objective, make_objective
from jaxgd.training.bundle import Bundle, parts
from jaxgd.training.inputs import check_rows, check_targets, model_input, model_targets
from jaxgd.training.per_output import OutputLoss

EXAMPLE_SIZES = (5, 10, 1)
EXAMPLE_ROWS = 32


@dataclass(frozen=True, eq=False)
class Subject:
    """A training step before it is taken. Made by `make_subject` and `example`.

    Attributes:
      title: in one line.
      model, params: the network.
      objective: the loss of a batch.
      batch: {"x": [rows, features], "y": targets}: all rows of the step; of several inputs or outputs a
        `Bundle`.
      optimizer: with its learning rate.
      features: {input: names of its features}.
      row_numbers: what the rows are called, counted from 1 where they come from.
      seed: of dropout and noise.
    """

    title: str
    model: Sequential | Graph
    params: Params
    objective: Objective
    batch: dict[str, Any]
    optimizer: Optimizer
    features: Mapping[str, tuple[str, ...]]
    row_numbers: tuple[int, ...]
    seed: int = 0

    @property
    def losses(self) -> tuple[OutputLoss, ...]:
        """What is minimised: the loss of each output that has one."""
        return self.objective.losses

    @property
    def loss_text(self) -> str:
        """What is minimised, in one line.

        >>> example(rows=4).loss_text
        'mean_squared_error'
        """
        return " + ".join(
            ("" if each.weight == 1 else f"{each.weight:g} * ")
            + repr(each.loss)
            + (f" of {each.name}" if each.name else "")
            for each in self.losses
        )

    @property
    def inputs(self) -> Any:
        """x as the model takes it."""
        x = self.batch["x"]
        return list(x.arrays) if isinstance(x, Bundle) else x

    @property
    def targets(self) -> tuple[Any, ...]:
        """y of each output, None where it has none."""
        return parts(self.batch["y"], len(self.model.output_shapes))

    @cached_property
    def wanted(self) -> dict[int, np.ndarray]:
        """{output: its targets as it should be, [rows, units]}; a label is a row of zeros and a one."""
        return {each.output: self._wanted(each.output) for each in self.losses}

    def _wanted(self, output: int) -> np.ndarray:
        y = np.asarray(self.targets[output])
        units = int(np.prod(self.model.output_shapes[output]))
        if y.size == len(y) * units:
            return y.reshape(len(y), units)
        return np.eye(units)[y.reshape(len(y)).astype(int)]


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
    model: Model,
    params: Params,
    x: Any,
    y: Any,
    *,
    loss: Any = "mean_squared_error",
    loss_weights: Any = None,
    optimizer: Any = "sgd",
    features: Sequence[str] = (),
    row_numbers: Sequence[int] = (),
    seed: int = 0,
) -> Subject:
    """A subject whose parts fit together.

    Args:
      title: in one line.
      model, params: the network, a stack or a graph of layers.
      x: [rows, features]; y: targets, one a row; of several inputs or outputs as in `jaxgd.fit`.
      loss, loss_weights, optimizer: as in `jaxgd.fit`.
      features: what the features of the one input are called; numbered without them.
      row_numbers: what the rows are called; counted from 1 without them.
      seed: of dropout and noise.

    Raises:
      TypeError: not a model of this package.
      ValueError: shapes that do not fit, or a nested model with several outputs.
    """
    model = _checked(model)
    model.check_params(params)
    data = check_rows({"x": model_input(model, x), "y": model_targets(model, y)})
    if not all(np.isfinite(np.asarray(each, np.float64)).all() for each in jax.tree.leaves(data["x"])):
        raise ValueError("x: expected finite numbers, got NaN or infinity; give rows without gaps.")
    if not any(jax.tree.leaves(model.trainable(params))):
        raise ValueError("model: expected parameters that are trained, got none; there is no gradient.")
    objective = make_objective(model, loss, loss_weights=loss_weights, targets=data["y"])
    batch = {"x": data["x"], "y": check_targets(objective, data["y"])}
    names = {name: _feature_names(name, features, model) for name in model.input_names}
    rows = tuple(map(int, row_numbers)) or tuple(range(1, len(batch["x"]) + 1))
    return Subject(title, model, params, objective, batch, optimizers.get(optimizer), names, rows, seed)


def _checked(model: Any) -> Sequential | Graph:
    if not isinstance(model, Sequential | Graph):
        raise TypeError(
            f"model: expected one of jaxgd's (mlp, sequential, graph), got {type(model).__name__}."
        )
    for layer in model.layers:
        if isinstance(layer, Nested) and layer.num_outputs > 1:
            raise ValueError(
                f"model: {', '.join(layer.model.output_names)} are outputs of one nested model, which cannot "
                "be drawn as a layer; put its layers into the graph."
            )
    return model


def _feature_names(name: str, given: Sequence[str], model: Sequential | Graph) -> tuple[str, ...]:
    """Of an input: those given, or its name with numbers."""
    size = int(np.prod(model.input_shapes[model.input_names.index(name)]))
    if given and len(model.input_names) == 1:
        return tuple(map(str, given))
    return tuple(f"{name}{place}" for place in range(size))


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
    >>> small.wanted[0].shape
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
