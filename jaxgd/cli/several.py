"""The columns of a table as the inputs, the targets and the outputs of a model that has several of them.

The features of the inputs stand side by side, in the order of the inputs. An output `price` has the column
`price` if it is one number (or one label), else the columns `price_0`, `price_1` and so on.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from jaxgd import data


def num_features(model: Any) -> int:
    """Features of all inputs together."""
    return sum(math.prod(shape) for shape in model.input_shapes)


def split_inputs(model: Any, x: np.ndarray) -> Any:
    """[rows, features] as what the model takes: one array, or one for each input."""
    if len(model.input_shapes) == 1:
        return x
    ends = np.cumsum([math.prod(shape) for shape in model.input_shapes])
    parts = np.split(x, ends[:-1], axis=1)
    return [part.reshape(-1, *shape) for part, shape in zip(parts, model.input_shapes, strict=True)]


def output_columns(model: Any, outputs: Any) -> dict[str, np.ndarray]:
    """{column: [rows]} of all outputs; those of a model with one output are called output_0 and so on."""
    if len(model.output_names) == 1:
        return _named("output", np.asarray(outputs), numbered=True)
    each = list(outputs.values()) if isinstance(outputs, dict) else list(outputs)
    columns: dict[str, np.ndarray] = {}
    for name, array in zip(model.output_names, each, strict=True):
        columns |= _named(name, np.asarray(array), numbered=False)
    return columns


def _named(name: str, array: np.ndarray, numbered: bool) -> dict[str, np.ndarray]:
    flat = array.reshape(len(array), -1)
    if flat.shape[1] == 1 and not numbered:
        return {name: flat[:, 0]}
    return {f"{name}_{place}": flat[:, place] for place in range(flat.shape[1])}


def target_columns(model: Any, names: Sequence[str]) -> dict[str, list[str]]:
    """{output: its columns among `names`}, none for an output that the table does not have."""
    found: dict[str, list[str]] = {}
    for name, shape in zip(model.output_names, model.output_shapes, strict=True):
        numbered = [f"{name}_{place}" for place in range(math.prod(shape))]
        found[name] = [name] if name in names else numbered if set(numbered) <= set(names) else []
    return found


def target_arrays(model: Any, table: data.Table, dtype: str) -> dict[str, np.ndarray]:
    """{output: targets}, [rows] from one column and [rows, outputs] from several.

    Raises:
      ValueError: an output without columns.
    """
    columns = target_columns(model, table.names)
    missing = [name for name, each in columns.items() if not each]
    if missing:
        raise ValueError(
            f"{table.source}: no target for the output {missing[0]!r}: expected a column {missing[0]!r}, or "
            f"{missing[0]}_0 and so on; the columns are {', '.join(table.names)}."
        )
    arrays = {name: numbers(table, each, dtype) for name, each in columns.items()}
    return {name: array[:, 0] if array.shape[1] == 1 else array for name, array in arrays.items()}


def numbers(table: data.Table, names: Sequence[str], dtype: str) -> np.ndarray:
    """[rows, columns] of some columns that hold numbers. Raises DataError."""
    columns = tuple(data.EncodingColumn(name, "number") for name in names)
    return data.Encoding(columns, "", "regression").encode(table, dtype)
