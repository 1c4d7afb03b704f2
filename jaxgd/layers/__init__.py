"""Layers: frozen descriptions, each with its forward rule and the chain rule through it."""

from jaxgd.layers.activation import ActivationLayer, activation
from jaxgd.layers.activity_regularization import ActivityRegularization, activity_regularization
from jaxgd.layers.base import Context, Gradients, Layer, Output
from jaxgd.layers.batch_normalization import BatchNormalization, batch_normalization
from jaxgd.layers.dense import Dense, dense
from jaxgd.layers.dot import Dot, dot
from jaxgd.layers.dropout import Dropout, dropout
from jaxgd.layers.layer_normalization import LayerNormalization, layer_normalization
from jaxgd.layers.merge import (
    Add,
    Average,
    Concatenate,
    Maximum,
    Merge,
    Minimum,
    Multiply,
    Subtract,
    add,
    average,
    concatenate,
    maximum,
    minimum,
    multiply,
    subtract,
)
from jaxgd.layers.nested import Nested, nested
from jaxgd.layers.noise import GaussianNoise, gaussian_noise
from jaxgd.layers.noisy_dropout import AlphaDropout, GaussianDropout, alpha_dropout, gaussian_dropout
from jaxgd.layers.normalization import Normalization, normalization
from jaxgd.layers.prelu import PReLU, prelu
from jaxgd.layers.reshaping import Flatten, Rescaling, flatten, rescaling
from jaxgd.layers.unit_normalization import (
    RMSNormalization,
    UnitNormalization,
    rms_normalization,
    unit_normalization,
)

__all__ = [
    "ActivationLayer",
    "ActivityRegularization",
    "Add",
    "AlphaDropout",
    "Average",
    "BatchNormalization",
    "Concatenate",
    "Context",
    "Dense",
    "Dot",
    "Dropout",
    "Flatten",
    "GaussianDropout",
    "GaussianNoise",
    "Gradients",
    "Layer",
    "LayerNormalization",
    "Maximum",
    "Merge",
    "Minimum",
    "Multiply",
    "Nested",
    "Normalization",
    "Output",
    "PReLU",
    "RMSNormalization",
    "Rescaling",
    "Subtract",
    "UnitNormalization",
    "activation",
    "activity_regularization",
    "add",
    "alpha_dropout",
    "average",
    "batch_normalization",
    "concatenate",
    "dense",
    "dot",
    "dropout",
    "flatten",
    "gaussian_dropout",
    "gaussian_noise",
    "layer_normalization",
    "maximum",
    "minimum",
    "multiply",
    "nested",
    "normalization",
    "prelu",
    "rescaling",
    "rms_normalization",
    "subtract",
    "unit_normalization",
]
