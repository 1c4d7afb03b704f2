"""How much memory of a device a run takes: a forecast from shapes, before anything is compiled."""

import math
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxgd import optimizers
from jaxgd._checks import check_integer
from jaxgd._statistics import partition
from jaxgd._types import PyTree
from jaxgd.model_base import Model
from jaxgd.optimizers import Optimizer
from jaxgd.training.preparing import new_state

_COPIES = {"adadelta": 2, "lamb": 2, "lion": 2, "adafactor": 3, "ftrl": 3, "muon": 4}
"""Arrays of all parameters' size that a step of a rule needs besides its state: the gradient, which is all
for the others, and what lies between the slots and the new parameters. Read from compiled programs."""


class Memory(NamedTuple):
    """Bytes of one device.

    Attributes:
      state: parameters, what the optimizer remembers, counters; for as long as the run goes on.
      step: gradients, and what the update needs besides.
      batch: activations and their gradients, of the rows of a batch that the device has.
      data: all rows, if they lie on the device.
    """

    state: int
    step: int
    batch: int
    data: int

    @property
    def total(self) -> int:
        """All of them together."""
        return sum(self)


def memory_of(
    model: Model,
    batch_size: int,
    *,
    optimizer: str | Optimizer = "adam",
    num_rows: int = 0,
    devices: int = 1,
) -> Memory:
    """The memory that `fit` needs on each device; at most, as a compiler may need less.

    state = itemsize * parameters * (1 + slots)
    step  = itemsize * parameters * copies                      copies: 1 for most rules, up to 4
    batch = itemsize * rows * (2 * sum(widths) + max(widths))   rows: ceil(batch_size / devices)
    data  = bytes of x and y * num_rows

    The widths are those of the inputs and of every layer's output: each is kept for the way back and has
    a gradient there, and one at a time is turned for its kernel's gradient. State is exact. In float32, Adam
    has 12 bytes of state and 4 of a step for each parameter.

    Args:
      model: any model.
      batch_size: rows of a step, of all devices together.
      optimizer: as in `fit`.
      num_rows: of the run's data, with targets as wide as the outputs; 0 without them. They are counted
        whole, as `devices=` keeps them on every device.
      devices: among which a batch is divided.

    Raises:
      TypeError, ValueError: numbers or an optimizer that do not fit.

    >>> import jaxgd
    >>> need = memory_of(jaxgd.mlp([64, 128, 64, 10]), batch_size=1024)
    >>> need.state, need.step, need.batch
    (206760, 68904, 2703360)
    """
    rows = -(-check_integer("batch_size", batch_size, 1) // check_integer("devices", devices, 1))
    check_integer("num_rows", num_rows, 0)
    chosen, item = optimizers.get(optimizer), np.dtype(model.policy.params).itemsize
    state = jax.eval_shape(lambda: new_state(model, chosen, 0, None))
    moving, _ = partition(state.params, model.trainable(state.params))
    widths = _widths(model)
    of_row = sum(math.prod(shape) for shape in (*model.input_shapes, *model.output_shapes))
    return Memory(
        state=_bytes(state),
        step=_bytes(moving) * _COPIES.get(getattr(chosen, "name", ""), 1),
        batch=item * rows * (2 * sum(widths) + max(widths)),
        data=item * num_rows * of_row,
    )


def _widths(model: Any) -> list[int]:
    """Numbers of a row in the inputs and in each layer's outputs, those of models inside of it included."""
    shapes = [shape for each in model.shapes for shape in (each if each and _is_several(each) else [each])]
    inner = [layer.model for layer in model.layers if hasattr(layer, "model")]
    return [math.prod(shape) for shape in shapes] + [width for each in inner for width in _widths(each)]


def _is_several(shape: Any) -> bool:
    """Whether it is several outputs' shapes."""
    return isinstance(shape[0], tuple)


def _bytes(tree: PyTree) -> int:
    return sum(math.prod(leaf.shape) * np.dtype(leaf.dtype).itemsize for leaf in jax.tree.leaves(tree))
