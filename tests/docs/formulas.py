"""Formulas as docs/mathematics writes them: tables of expressions, and the names that they use, in NumPy."""

import math
import re
from pathlib import Path

import numpy as np

PAGES = Path(__file__).parents[2] / "docs/mathematics"
RNG_SEED = 7


def rows_of(page, section=None):
    """The cells of each row that begins with code, in the tables of a page or of one of its sections."""
    text = (PAGES / f"{page}.md").read_text()
    if section is not None:
        text = re.search(rf"^## {re.escape(section)}\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)[1]
    rows = re.findall(r"^\|( `.*)\|$", text, flags=re.MULTILINE)
    return [[cell.strip() for cell in row.split(" | ")] for row in rows]


def names_in(cell):
    """Every name or call in a cell: `silu`, `swish`."""
    return re.findall(r"`([^`]+)`", cell)


def expression(cell):
    """The first piece of code in a cell, "" if it has none."""
    return next(iter(names_in(cell)), "")


def _over_row(function):
    return lambda x: function(x, axis=-1, keepdims=True)


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def softmax(z):
    shifted = np.exp(z - z.max(axis=-1, keepdims=True))
    return shifted / shifted.sum(axis=-1, keepdims=True)


def norm(x):
    """The length of each row."""
    return np.sqrt(np.sum(x**2, axis=-1, keepdims=True))


def sparsemax_threshold(z):
    """tau by bisection: sum(max(z - tau, 0)) = 1."""
    low, high = z.min(axis=-1, keepdims=True) - 1, z.max(axis=-1, keepdims=True)
    for _ in range(80):
        middle = (low + high) / 2
        above = np.maximum(z - middle, 0).sum(axis=-1, keepdims=True) > 1
        low, high = np.where(above, middle, low), np.where(above, high, middle)
    return low


def _half(number):
    return lambda z: np.split(z, 2, axis=-1)[number]


NAMES = {
    **{name: getattr(np, name) for name in ("exp", "log", "sqrt", "tanh", "abs", "where", "sign", "clip")},
    **{name: getattr(np, name) for name in ("maximum", "minimum", "floor", "cos", "pi", "round")},
    **{name: _over_row(getattr(np, name)) for name in ("sum", "mean", "max", "var", "std")},
    "total": np.sum,
    "share": np.mean,
    "argmax": lambda x: np.argmax(x, axis=-1),
    "rows": lambda x: np.mean(x, axis=0),
    "down": lambda x: np.sum(x, axis=0),
    "row_var": lambda x: np.var(x, axis=0),
    "larger": lambda p, k: np.sum(p > np.take_along_axis(p, np.asarray(k)[:, None], -1), axis=-1),
    "sigmoid": sigmoid,
    "softmax": softmax,
    "softplus": lambda z: np.log1p(np.exp(z)),
    "hard_sigmoid": lambda z: np.clip(z + 3, 0, 6) / 6,
    "normal_cdf": np.vectorize(lambda z: 0.5 * math.erfc(-z / math.sqrt(2))),
    "norm": norm,
    "tau": sparsemax_threshold,
    "first": _half(0),
    "second": _half(1),
    "join": lambda a, b: np.concatenate([a, b], axis=-1),
    "size": lambda x: np.sqrt(np.sum(x**2)),
    "rms": lambda x: np.sqrt(np.mean(x**2)),
    "mean_of_all": np.mean,
    "mean_of_rows": _over_row(np.mean),
    "mean_of_columns": lambda x: np.mean(x, axis=0, keepdims=True),
    "unit": lambda w: w / norm(w),
}


def value_of(formula, **names):
    """What a formula gives for these names."""
    return eval(formula, {**NAMES, **names})
