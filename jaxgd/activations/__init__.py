"""Activations with Keras's names, arguments, defaults and subgradients, each with its derivative beside it.

The functions take an array and plain settings. `get` makes of a name the `Activation` that a description
holds.
"""

from jaxgd.activations.exponentials import celu, elu, exponential, selu
from jaxgd.activations.normalizing import glu, log_softmax, softmax, sparsemax
from jaxgd.activations.piecewise import (
    hard_shrink,
    hard_sigmoid,
    hard_silu,
    hard_tanh,
    soft_shrink,
    sparse_plus,
    sparse_sigmoid,
    threshold,
)
from jaxgd.activations.rectifiers import leaky_relu, linear, relu, relu6
from jaxgd.activations.registry import Activation, Identifier, get, names
from jaxgd.activations.smooth import (
    gelu,
    log_sigmoid,
    mish,
    sigmoid,
    silu,
    softplus,
    softsign,
    squareplus,
    tanh,
    tanh_shrink,
)

swish = silu
hard_swish = hard_silu

__all__ = [
    "Activation",
    "Identifier",
    "celu",
    "elu",
    "exponential",
    "gelu",
    "get",
    "glu",
    "hard_shrink",
    "hard_sigmoid",
    "hard_silu",
    "hard_swish",
    "hard_tanh",
    "leaky_relu",
    "linear",
    "log_sigmoid",
    "log_softmax",
    "mish",
    "names",
    "relu",
    "relu6",
    "selu",
    "sigmoid",
    "silu",
    "soft_shrink",
    "softmax",
    "softplus",
    "softsign",
    "sparse_plus",
    "sparse_sigmoid",
    "sparsemax",
    "squareplus",
    "swish",
    "tanh",
    "tanh_shrink",
    "threshold",
]
