"""Standardisation of the input by means and variances that were measured once, not trained."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxgd._checks import wrong
from jaxgd._types import Array, Shape
from jaxgd.layers.base import Context, Gradients, Layer, Output
from jaxgd.random import filled

SMALLEST_DEVIATION = 1e-7
"""Keras's epsilon(): a constant feature is divided by this, not by zero."""


@dataclass(frozen=True, repr=False)
class Normalization(Layer):
    """y = (x - mean) / max(sqrt(variance), 1e-7), per feature of the last axis.

    Args:
      mean, variance: numbers or tuples of them, one a feature; None leaves 0 and 1 until `model.adapt`.
        A single number is rounded to float32 also in float64, as Keras on TensorFlow does.
      invert: whether y = mean + x * max(sqrt(variance), 1e-7) is wanted instead.

    Parameters, none of them trained: `mean`, `variance` [features], and Keras's `count`, which stays 0.
    Raises:
      ValueError: only one of mean and variance is given, or a length is not the number of features.
    Keras: `Normalization` with axis -1.
    >>> normalization()
    normalization()
    """

    mean: float | tuple[float, ...] | None = None
    variance: float | tuple[float, ...] | None = None
    invert: bool = field(default=False, kw_only=True)

    def __post_init__(self) -> None:
        if (self.mean is None) != (self.variance is None):
            raise ValueError("normalization: give both mean and variance, or neither.")
        if self.variance is not None and np.min(self.variance) < 0:
            raise wrong("variance", float(np.min(self.variance)), "no negative number")
        for name in ("mean", "variance"):
            value = getattr(self, name)
            if value is not None and np.ndim(value):
                object.__setattr__(self, name, tuple(float(each) for each in value))

    def init(self, sources: Mapping[str, Any], input_shape: Shape, dtype: Any) -> dict[str, Array]:
        features = input_shape[-1]
        mean = 0.0 if self.mean is None else self.mean
        variance = 1.0 if self.variance is None else self.variance
        return {
            "mean": _per_feature("mean", mean, features, dtype),
            "variance": _per_feature("variance", variance, features, dtype),
            "count": filled((), 0, dtype),
        }

    def measure(self, x: Array, dtype: Any) -> dict[str, Array]:
        """The leaves that standardise `x`: [rows, ..., features]; the variance is the biased one."""
        rows = np.asarray(x, np.float64).reshape(-1, x.shape[-1])
        mean, variance = rows.mean(axis=0), rows.var(axis=0)
        return {
            "mean": jnp.asarray(mean, dtype),
            "variance": jnp.asarray(variance, dtype),
            "count": jnp.zeros((), dtype),
        }

    def _shift_and_deviation(self, params: Mapping[str, Array], x: Array) -> tuple[Array, Array]:
        mean = jax.lax.stop_gradient(params["mean"])
        deviation = jnp.maximum(jnp.sqrt(jax.lax.stop_gradient(params["variance"])), SMALLEST_DEVIATION)
        return mean.astype(x.dtype), deviation.astype(x.dtype)

    def forward(self, params: Mapping[str, Array], x: Array, context: Context) -> Output:
        mean, deviation = self._shift_and_deviation(params, x)
        return Output(mean + x * deviation if self.invert else (x - mean) / deviation)

    def backward(self, params: Mapping[str, Array], x: Array, upstream: Array, context: Context) -> Gradients:
        _, deviation = self._shift_and_deviation(params, x)
        return Gradients(upstream * deviation if self.invert else upstream / deviation)


def _per_feature(name: str, value: Any, features: int, dtype: Any) -> Array:
    array = np.asarray(np.float32(value) if np.ndim(value) == 0 else value, dtype)
    if array.ndim and array.shape != (features,):
        raise wrong(f"normalization: {name}", f"{array.shape[0]} values", f"{features} values, one a feature")
    return filled((features,), array, dtype)


normalization = Normalization
