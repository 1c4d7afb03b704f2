"""Layers: frozen descriptions, each with its forward rule and the chain rule through it."""

from jaxgd.layers.activation import ActivationLayer, activation
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
from jaxgd.layers.normalization import Normalization, normalization
from jaxgd.layers.reshaping import Flatten, Rescaling, flatten, rescaling

__all__ = [
    "ActivationLayer",
    "Add",
    "Average",
    "BatchNormalization",
    "Concatenate",
    "Context",
    "Dense",
    "Dot",
    "Dropout",
    "Flatten",
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
    "Rescaling",
    "Subtract",
    "activation",
    "add",
    "average",
    "batch_normalization",
    "concatenate",
    "dense",
    "dot",
    "dropout",
    "flatten",
    "gaussian_noise",
    "layer_normalization",
    "maximum",
    "minimum",
    "multiply",
    "nested",
    "normalization",
    "rescaling",
    "subtract",
]
