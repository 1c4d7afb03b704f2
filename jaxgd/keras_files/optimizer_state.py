"""An optimizer's state from and to the variables that a file holds of it."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

import jax.numpy as jnp
import numpy as np

from jaxgd._statistics import partition
from jaxgd._types import Params, PyTree
from jaxgd.keras_files.errors import KerasFileError
from jaxgd.keras_files.hdf5 import ArrayFile
from jaxgd.keras_files.optimizer_cells import Cell, step_into
from jaxgd.model_base import Model
from jaxgd.optimizers import Optimizer, OptimizerState

_COUNTS = ("count", "step_counter")


def trainable_part(model: Model, params: Params) -> PyTree:
    """What an optimizer of the model gets: the parameters with None for those it must leave alone."""
    return partition(params, model.trainable(params))[0]


def first_state(model: Model, optimizer: Optimizer, params: Params) -> OptimizerState:
    """The state before the first update."""
    return cast(OptimizerState, optimizer.init(trainable_part(model, params)))


def get(state: OptimizerState, keys: Sequence[Any]) -> Any:
    """What stands at `keys` in a state."""
    value: Any = state
    for key in keys:
        value = step_into(value, key)
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
    where = f"opt_state: {'/'.join(map(str, cell.keys))}"
    try:
        value = get(state, cell.keys)
    except (KeyError, TypeError, AttributeError, IndexError) as error:
        raise KerasFileError(f"{where}: missing; is it the state of this optimizer and model?") from error
    if value is None or np.shape(value) != cell.shape:
        got = "nothing" if value is None else list(np.shape(value))
        raise KerasFileError(f"{where}: expected shape {list(cell.shape)}, got {got}.")
    return np.asarray(value).astype(cell.file_dtype)


def check_cells(file: ArrayFile, layout: Mapping[str, Cell]) -> None:
    """Raises for a variable of another shape, and for a count that is none. Reads nothing but the counts."""
    for path, cell in layout.items():
        file.check(path, cell.shape, cell.file_dtype)
        if _is_count(cell) and not 0 <= (count := int(file.read(path, (), cell.file_dtype))) < 2**31:
            raise KerasFileError(f"{path}: expected a count below 2**31, got {count}.")


def read_state(
    model: Model, optimizer: Optimizer, params: Params, file: ArrayFile, layout: Mapping[str, Cell]
) -> OptimizerState:
    """The state that a file holds at `layout`; what `layout` leaves out is as before the first update."""
    state = first_state(model, optimizer, params)
    for path, cell in layout.items():
        if cell.constant is None:
            array = file.read(path, cell.shape, cell.file_dtype)
            state = _replaced(state, cell.keys, jnp.asarray(array, jnp.int32 if _is_count(cell) else None))
    if state.shared.keys() >= {"u_product", "dynamic_scale"}:
        product = _u_product(float(optimizer.settings["inner"].settings["beta_1"]), int(state.count))
        state = _replaced(state, ("shared", "u_product"), product.astype(state.shared["u_product"].dtype))
    return state


def _u_product(beta_1: float, count: int) -> Any:
    """Nadam's product of its momenta so far, for a file that has forgotten it."""
    steps = np.arange(1, min(count, 10_000) + 1)  # it is 0 long before that
    return jnp.asarray(np.prod(beta_1 * (1.0 - 0.5 * 0.96**steps)))


def _is_count(cell: Cell) -> bool:
    return cell.constant is None and cell.keys[-1] in _COUNTS


def _replaced(node: Any, keys: Sequence[Any], value: Any) -> Any:
    """A state, or a part of one, with another value at `keys`."""
    if not keys:
        return value
    child = _replaced(step_into(node, keys[0]), keys[1:], value)
    if isinstance(node, OptimizerState):
        return node._replace(**{keys[0]: child})
    if isinstance(node, tuple):
        return (*node[: keys[0]], child, *node[keys[0] + 1 :])
    return {**node, keys[0]: child}
