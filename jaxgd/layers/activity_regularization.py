"""A layer that only adds a penalty on what goes through it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from jaxgd import regularizers
from jaxgd._types import Array
from jaxgd.layers.base import Context, Gradients, Layer, Output


@dataclass(frozen=True, repr=False)
class ActivityRegularization(Layer):
    """y = x; the loss gets (l1 * sum |x| + l2 * sum x**2) / rows, also in `evaluate`.

    Args:
      l1, l2: not negative.

    Keras: `ActivityRegularization`.
    >>> activity_regularization(l2=0.01)
    activity_regularization(l2=0.01)
    """

    l1: float = 0.0
    l2: float = 0.0

    keeps_values: ClassVar[bool] = True

    def __post_init__(self) -> None:
        self.output_regularizer()

    def output_regularizer(self) -> Any:
        return regularizers.L1L2(self.l1, self.l2)

    def forward(self, params: Mapping[str, Array], x: Array, context: Context) -> Output:
        return Output(x)

    def backward(self, params: Mapping[str, Array], x: Array, upstream: Array, context: Context) -> Gradients:
        return Gradients(upstream)


activity_regularization = ActivityRegularization
