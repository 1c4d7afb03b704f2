"""ReLU with a slope on the left that is trained."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp

from jaxgd import constraints, initializers, regularizers
from jaxgd._checks import check_integer
from jaxgd._types import Array, Shape
from jaxgd.layers.base import Context, Gradients, Layer, Output


@dataclass(frozen=True, repr=False)
class PReLU(Layer):
    """y = max(x, 0) - alpha * max(-x, 0).

    Args:
      alpha_initializer, alpha_regularizer, alpha_constraint: as those of a dense layer's kernel.
      shared_axes: axes along which the slope is the same, counted with the batch as axis 0.

    Parameters: `alpha`, of the shape of a row, 1 along the shared axes.
    Raises:
      ValueError: an unknown name, or an axis that a row does not have.
    Keras: `PReLU`.
    References: He et al. (2015), arXiv:1502.01852.
    >>> prelu()
    prelu()
    """

    alpha_initializer: Any = "zeros"
    alpha_regularizer: Any = None
    alpha_constraint: Any = None
    shared_axes: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        initializers.get(self.alpha_initializer)
        regularizers.get(self.alpha_regularizer)
        constraints.get(self.alpha_constraint)
        if self.shared_axes is not None:
            axes = tuple(check_integer("shared_axes", axis, 1) for axis in self.shared_axes)
            object.__setattr__(self, "shared_axes", axes)

    @property
    def kind(self) -> str:
        return "p_re_lu"

    @property
    def word(self) -> str:
        return "prelu"

    def output_shape(self, input_shape: Shape) -> Shape:
        self._shape(input_shape)
        return input_shape

    def _shape(self, input_shape: Shape) -> Shape:
        shared = self.shared_axes or ()
        if max(shared, default=0) > len(input_shape):
            raise ValueError(
                f"prelu: shared_axes: expected axes of a row of rank {len(input_shape)}, got {shared}."
            )
        return tuple(1 if axis in shared else size for axis, size in enumerate(input_shape, start=1))

    def draws(self) -> tuple[str, ...]:
        return ("alpha",) if initializers.is_random(initializers.get(self.alpha_initializer)) else ()

    def init(self, sources: Mapping[str, Any], input_shape: Shape, dtype: Any) -> dict[str, Array]:
        init = initializers.get(self.alpha_initializer)
        return {"alpha": init(sources.get("alpha"), self._shape(input_shape), dtype)}

    def forward(self, params: Mapping[str, Array], x: Array, context: Context) -> Output:
        alpha = params["alpha"].astype(x.dtype)
        return Output(jax.nn.relu(x) - alpha * jax.nn.relu(-x))

    def backward(self, params: Mapping[str, Array], x: Array, upstream: Array, context: Context) -> Gradients:
        alpha = params["alpha"].astype(x.dtype)
        slope = jnp.where(x > 0, 1, jnp.where(x < 0, alpha, 0)).astype(x.dtype)
        shared = tuple(axis for axis in self.shared_axes or ())
        grads = (-jax.nn.relu(-x) * upstream).sum(axis=(0, *shared), keepdims=True)[0]
        return Gradients(upstream * slope, {"alpha": grads})

    def weight_regularizers(self) -> dict[str, Any]:
        rule = regularizers.get(self.alpha_regularizer)
        return {} if rule is None else {"alpha": rule}

    def constraints(self) -> dict[str, Any]:
        rule = constraints.get(self.alpha_constraint)
        return {} if rule is None else {"alpha": rule}


prelu = PReLU
