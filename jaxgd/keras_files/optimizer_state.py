"""Where an optimizer's state stands in the file: Keras's list of variables, `optimizer/vars/0` and on."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, cast

import jax
import jax.numpy as jnp
import numpy as np

from jaxgd._statistics import partition
from jaxgd._types import Params, PyTree, Shape
from jaxgd.keras_files.errors import KerasFileError
from jaxgd.keras_files.hdf5 import ArrayFile
from jaxgd.keras_files.weights import Variable, trained
from jaxgd.model import Sequential
from jaxgd.optimizers import Optimizer, OptimizerState
from jaxgd.optimizers.loss_scale import LossScaleOptimizer
from jaxgd.optimizers.multi import MultiOptimizer

_ROOT = "optimizer/vars"
_INNER = "optimizer/inner_optimizer/vars"
_BY_SLOT = ("RMSprop",)
"""Optimizers that list the first slot of all parameters, then the second; others list all of a parameter."""

_AFTER_ALL = ("velocity_hat",)
_COUNTS = ("count", "step_counter")


class Cell(NamedTuple):
    """One variable of Keras's optimizer: where an `OptimizerState` has it, or a constant of the format."""

    keys: tuple[str, ...]
    shape: Shape = ()
    file_dtype: Any = np.dtype(np.int64)
    constant: float | None = None


def cells(model: Sequential, optimizer: Optimizer, shapes: Params) -> dict[str, Cell]:
    """{path of a dataset: what stands there}, in Keras's order."""
    if isinstance(optimizer, MultiOptimizer):
        raise KerasFileError("optimizer: a MultiOptimizer cannot be read from or written to a file yet.")
    template = jax.eval_shape(lambda params: first_state(model, optimizer, params), shapes)
    known = trained(model, shapes)
    if not isinstance(optimizer, LossScaleOptimizer):
        return _numbered(_ROOT, _own_cells(optimizer, template, known))
    inner = _own_cells(optimizer.settings["inner"], template, known)
    outer = [
        Cell((), constant=0),
        Cell((), (), np.dtype(np.float32), 0.0),
        Cell(("shared", "step_counter")),
        Cell(("shared", "dynamic_scale"), (), np.dtype(np.float32)),
    ]
    return {**_numbered(_ROOT, [*outer, *inner]), **_numbered(_INNER, inner)}


def trainable_part(model: Sequential, params: Params) -> PyTree:
    """What an optimizer of the model gets: the parameters with None for those it must leave alone."""
    return partition(params, model.trainable(params))[0]


def first_state(model: Sequential, optimizer: Optimizer, params: Params) -> OptimizerState:
    """The state before the first update."""
    return cast(OptimizerState, optimizer.init(trainable_part(model, params)))


def _numbered(root: str, each: Iterable[Cell]) -> dict[str, Cell]:
    return {f"{root}/{index}": cell for index, cell in enumerate(each)}


def _own_cells(optimizer: Optimizer, template: OptimizerState, known: Sequence[Variable]) -> list[Cell]:
    """The variables of one plain optimizer."""
    rate = template.hyperparameters.get("learning_rate")
    found = [Cell(("count",))]
    if hasattr(rate, "dtype"):
        found.append(_cell(template, ("hyperparameters", "learning_rate")))
    for tree in ("average", "accumulator"):
        if getattr(template, tree) is not None:
            found += [_cell(template, (tree, each.layer, each.leaf)) for each in known]
    found += _slot_cells(optimizer, template, known)
    if "u_product" in template.shared:
        found.append(_cell(template, ("shared", "u_product")))
    return found


def _slot_cells(optimizer: Optimizer, template: OptimizerState, known: Sequence[Variable]) -> list[Cell]:
    class_name = optimizer.rule.class_name
    names = optimizer.rule.active_slots()
    first = [name for name in names if name not in _AFTER_ALL]
    last = [name for name in names if name in _AFTER_ALL]
    if class_name in _BY_SLOT:
        order = [(name, each) for name in first for each in known]
    else:
        order = [(name, each) for each in known for name in first]
    order += [(name, each) for name in last for each in known]
    found = []
    for name, each in order:
        if template.slots[name][each.layer][each.leaf] is not None:
            found.append(_cell(template, ("slots", name, each.layer, each.leaf)))
        elif class_name == "Adafactor":
            found.append(Cell((), (), np.dtype(np.int32), 0))
    return found


def _cell(template: OptimizerState, keys: tuple[str, ...]) -> Cell:
    leaf = get(template, keys)
    return Cell(keys, tuple(leaf.shape), np.dtype(leaf.dtype))


def get(state: OptimizerState, keys: Sequence[str]) -> Any:
    """What stands at `keys` in a state."""
    value: Any = getattr(state, keys[0])
    for key in keys[1:]:
        value = value[key]
    return value


def state_arrays(layout: Mapping[str, Cell], state: OptimizerState) -> dict[str, np.ndarray]:
    """{path: array} of an optimizer's state.

    Args:
      layout: from `cells`.
      state: the state.

    Raises:
      KerasFileError: the state is not one of that optimizer and this model.
    """
    return {path: _array(cell, state) for path, cell in layout.items()}


def _array(cell: Cell, state: OptimizerState) -> np.ndarray:
    if cell.constant is not None:
        return np.asarray(cell.constant, cell.file_dtype)
    where = f"opt_state: {'/'.join(cell.keys)}"
    try:
        value = get(state, cell.keys)
    except (KeyError, TypeError, AttributeError, IndexError) as error:
        raise KerasFileError(f"{where}: missing; is it the state of this optimizer and model?") from error
    if value is None or np.shape(value) != cell.shape:
        got = "nothing" if value is None else list(np.shape(value))
        raise KerasFileError(f"{where}: expected shape {list(cell.shape)}, got {got}.")
    return np.asarray(value).astype(cell.file_dtype)


def read_state(
    model: Sequential, optimizer: Optimizer, params: Params, file: ArrayFile, layout: Mapping[str, Cell]
) -> OptimizerState:
    """The state that a file holds at `layout`; what `layout` leaves out is as before the first update."""
    state = first_state(model, optimizer, params)
    for path, cell in layout.items():
        array = file.read(path, cell.shape, cell.file_dtype)
        if cell.constant is None:
            state = _with(state, cell.keys, _value(path, cell, array))
    return state


def _value(path: str, cell: Cell, array: np.ndarray) -> Any:
    if cell.keys[-1] not in _COUNTS:
        return jnp.asarray(array)
    if not 0 <= int(array) < 2**31:
        raise KerasFileError(f"{path}: expected a count below 2**31, got {int(array)}.")
    return jnp.asarray(array, jnp.int32)


def _with(state: OptimizerState, keys: Sequence[str], value: Any) -> OptimizerState:
    """The state with another value at `keys`."""
    return state._replace(**{keys[0]: _replaced(getattr(state, keys[0]), keys[1:], value)})


def _replaced(node: Any, keys: Sequence[str], value: Any) -> Any:
    return {**node, keys[0]: _replaced(node[keys[0]], keys[1:], value)} if keys else value
