"""The small real data sets that come with scikit-learn, as tables. Nothing is downloaded."""

from typing import Any

import numpy as np

from jaxgd.data.errors import unknown
from jaxgd.data.table import Table

EMBEDDED = ("digits", "breast-cancer", "wine", "iris", "diabetes")
"""The names of the embedded sets."""


def load_embedded(name: str) -> Table:
    """An embedded set, its features raw, its last column called `target`.

    digits: 1,797 rows of 64 pixels, classes 0 to 9. breast-cancer: 569 rows of 30 measures, `benign` or
      `malignant`.
    wine: 178 rows of 13 measures, 3 classes. iris: 150 rows of 4 measures, 3 species. diabetes: 442 rows of
    10 measures (in their own units), a score to predict.

    Args:
      name: one of `EMBEDDED`.

    Raises:
      DataError: another name.

    >>> load_embedded("wine").names[0]
    'alcohol'
    """
    if name not in EMBEDDED:
        raise unknown("data set", name, EMBEDDED, "embedded sets")
    from sklearn import datasets

    options: dict[str, Any] = {"scaled": False} if name == "diabetes" else {}
    bunch = getattr(datasets, f"load_{name.replace('-', '_')}")(**options)
    names = [*(str(feature) for feature in bunch.feature_names), "target"]
    columns = [*np.asarray(bunch.data).T, _target(name, bunch)]
    return Table.from_columns(dict(zip(names, columns, strict=True)), f"embedded {name}", "embedded")


def _target(name: str, bunch: Any) -> np.ndarray:
    """Classes by their names where they have any, else numbers."""
    if name in ("digits", "diabetes"):
        return np.asarray(bunch.target)
    return np.asarray(bunch.target_names).astype(str)[bunch.target]
