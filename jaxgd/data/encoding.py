"""`Encoding`: how the columns of a table become x, and predictions become classes again. Plain data."""

import json
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from jaxgd.data import columns
from jaxgd.data.encoding_column import EncodingColumn
from jaxgd.data.encoding_json import parse_encoding
from jaxgd.data.errors import DEFAULT_MAX_BYTES, DataError, check_bytes
from jaxgd.data.sums import Exchange, alone, moments
from jaxgd.data.table import Table


@dataclass(frozen=True)
class Encoding:
    """How raw rows become x, and predictions become values or class names. Hashable; a file of it is JSON.

    Attributes:
      columns: the feature columns, in the order of the features.
      target: the name of the target column.
      task: `regression`, `binary` or `multiclass`.
      classes: the names of the classes; label k of y is `classes[k]`. Empty for a regression.
      missing: `error`, `mean` or `drop`, as given to `prepare`.

    >>> table = Table.from_columns({"size": [1.0, 2.0], "color": ["red", "blue"]})
    >>> size, color = EncodingColumn("size", "number"), EncodingColumn("color", "category", ("blue", "red"))
    >>> Encoding((size, color), "price", "regression").encode(table).tolist()
    [[1.0, 0.0, 1.0], [2.0, 1.0, 0.0]]
    """

    columns: tuple[EncodingColumn, ...]
    target: str
    task: str
    classes: tuple[str, ...] = ()
    missing: str = "error"

    @cached_property
    def feature_names(self) -> tuple[str, ...]:
        """The names of the features of x, in order."""
        return tuple(name for column in self.columns for name in column.feature_names)

    @property
    def num_features(self) -> int:
        """The number of columns of x."""
        return len(self.feature_names)

    @property
    def num_outputs(self) -> int:
        """How many numbers a model predicts a row: one for `regression` and `binary`, else one a class."""
        return len(self.classes) if self.task == "multiclass" else 1

    def numeric_mask(self) -> np.ndarray:
        """bool[features]: True for numbers, which are to be standardised; False for features that are 0 or 1.

        >>> Encoding((EncodingColumn("size", "number"),), "price", "regression").numeric_mask().tolist()
        [True]
        """
        return np.array([column.kind == "number" for column in self.columns for _ in column.feature_names])

    def encode(self, table: Table, dtype: Any = np.float32) -> np.ndarray:
        """The features of raw rows.

        A category that the encoding does not know is zero in every feature of its column (`count_unknown`
        counts these), as is a missing category if `missing` is `mean`. Columns of the table that the
        encoding does not name, the target among them, are ignored.

        Args:
          table: rows with at least the encoding's columns.
          dtype: of the features.

        Returns:
          [rows, features].

        Raises:
          DataError: a column is not in the table; a number column has text, infinite values, values too large
            for float32; cells are missing and `missing` is not `mean`.
        """
        size = table.num_rows * self.num_features * np.dtype(dtype).itemsize
        check_bytes(size, DEFAULT_MAX_BYTES, f"{table.source}, encoded")
        x = np.zeros((table.num_rows, self.num_features), dtype=dtype)
        start = 0
        for column in self.columns:
            stop = start + len(column.feature_names)
            self._fill(x[:, start:stop], column, table)
            start = stop
        return x

    def with_means_of(self, table: Table, exchange: Exchange = alone) -> "Encoding":
        """The same encoding, with the means of these rows for missing cells.

        Args:
          table: the rows; of several processes those of this one.
          exchange: gives what every process brings.

        Raises:
          DataError: a column of numbers is not in the table, or every cell of it is missing.
        """
        new = []
        for column in self.columns:
            if column.mean is not None:
                values = columns.numbers(table, column.name)
                mean = float(moments(values[:, None], exchange).mean[0])
                if np.isnan(mean):
                    raise DataError(f"{columns.place(table, column.name)}: every cell is missing.")
                mean = float(np.nanmean(values)) if table.is_former else mean
                column = replace(column, mean=mean)
            new.append(column)
        return replace(self, columns=tuple(new))

    def count_unknown(self, table: Table) -> dict[str, int]:
        """How many cells of each category column hold a category that the encoding does not know.

        Returns:
          {column: cells}, only for columns that have any.

        Raises:
          DataError: a column is not in the table.

        >>> color = EncodingColumn("color", "category", ("blue", "red"))
        >>> encoding = Encoding((color,), "price", "regression")
        >>> encoding.count_unknown(Table.from_columns({"color": ["red", "green", "grey"]}))
        {'color': 2}
        """
        kinds = [column for column in self.columns if column.kind == "category"]
        codes = {
            column.name: columns.category_codes(table, column.name, column.categories) for column in kinds
        }
        counts = {name: int((code == columns.UNKNOWN).sum()) for name, code in codes.items()}
        return {name: count for name, count in counts.items() if count}

    def encode_target(self, table: Table, dtype: Any = np.float32) -> np.ndarray:
        """The target of raw rows.

        Args:
          table: rows with the target's column.
          dtype: of a regression's target.

        Returns:
          dtype[rows] for a regression, else int32[rows]: places in `classes`.

        Raises:
          DataError: no such column, a missing cell, a class that the encoding does not know, or for a
            regression what is not a finite number that float32 holds.

        >>> encoding = Encoding((), "y", "binary", ("no", "yes"))
        >>> encoding.encode_target(Table.from_columns({"y": ["yes", "no"]})).tolist()
        [1, 0]
        """
        columns.check_present(table, self.target)
        if self.task == "regression":
            return columns.numbers(table, self.target).astype(dtype)
        codes = columns.category_codes(table, self.target, self.classes)
        if (codes == columns.UNKNOWN).any():
            row = int(np.argmax(codes == columns.UNKNOWN))
            got, known = table[self.target][row], ", ".join(self.classes[:20])
            raise DataError(
                f"{columns.place(table, self.target, row)}: class {got!r}, expected one of {known}."
            )
        return codes.astype(np.int32)

    def decode(self, predictions: Any) -> np.ndarray:
        """Predictions in the words of the target.

        Args:
          predictions: a regression: [rows] or [rows, 1] values. Two classes: [rows] or [rows, 1]
            probabilities of `classes[1]` (above one half is `classes[1]`), or [rows, 2]. Several: [rows,
            classes] probabilities or logits. Any classes: int[rows], labels.

        Returns:
          float[rows] values, or object[rows] class names (str).

        Raises:
          DataError: another shape, NaN, or labels that are no class.

        >>> Encoding((), "y", "binary", ("no", "yes")).decode([[0.2], [0.9]]).tolist()
        ['no', 'yes']
        """
        values = np.asarray(predictions)
        if values.ndim == 2 and values.shape[1] == 1:
            values = values[:, 0]
        if values.dtype.kind == "f" and np.isnan(values).any():
            raise DataError(f"predictions: {int(np.isnan(values).sum())} are NaN.")
        if self.task == "regression":
            return _flat(values)
        return np.array(self.classes, dtype=object)[self._labels(values)]

    def to_json(self) -> str:
        """The encoding as JSON text, from which `from_json` makes an equal one."""
        return json.dumps({"version": 1, **asdict(self)}, allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> "Encoding":
        """The encoding that `to_json` wrote.

        Raises:
          DataError: text that is not such JSON.

        >>> encoding = Encoding((EncodingColumn("size", "number"),), "price", "regression")
        >>> Encoding.from_json(encoding.to_json()) == encoding
        True
        """
        return cls(**parse_encoding(text))

    def _fill(self, block: np.ndarray, column: EncodingColumn, table: Table) -> None:
        """Writes one column's features into its part of x, which is zero."""
        if self.missing != "mean" or (column.kind == "number" and column.mean is None):
            columns.check_present(table, column.name, _ADVICE.get(self.missing, ""))
        if column.kind == "number":
            values = columns.numbers(table, column.name)
            block[:, 0] = np.where(np.isnan(values), column.mean or 0.0, values)
            return
        codes = columns.category_codes(table, column.name, column.categories)
        rows = np.flatnonzero(codes >= 0)
        block[rows, codes[rows]] = 1.0

    def _labels(self, values: np.ndarray) -> np.ndarray:
        """int[rows]: the place in `classes` of every prediction."""
        num_classes = len(self.classes)
        if values.ndim == 2 and values.shape[1] == num_classes:
            return values.argmax(axis=1)
        if values.dtype.kind == "f" and self.task == "binary":
            return (_flat(values) > 0.5).astype(np.int64)
        if values.ndim != 1 or values.dtype.kind not in "iu":
            raise DataError(f"predictions: expected shape [rows, {num_classes}], got {values.shape}.")
        if values.size and not 0 <= values.min() <= values.max() < num_classes:
            raise DataError(f"predictions: labels outside [0, {num_classes}).")
        return values


_ADVICE = {
    "error": "Fill them, or prepare (train) with missing='mean' or missing='drop' (--missing).",
    "drop": "The encoding drops such rows when it is made, and predicts none: leave them out first.",
}


def _flat(values: np.ndarray) -> np.ndarray:
    if values.ndim != 1 or values.dtype.kind not in "iuf":
        raise DataError(
            f"predictions: expected numbers [rows] or [rows, 1], got {values.dtype}{values.shape}."
        )
    return values
