"""Layers: frozen descriptions, each with its forward rule and the chain rule through it."""

from jaxgd.layers.activation import ActivationLayer, activation
from jaxgd.layers.base import Context, Gradients, Layer, Output
from jaxgd.layers.batch_normalization import BatchNormalization, batch_normalization
from jaxgd.layers.dense import Dense, dense
from jaxgd.layers.dropout import Dropout, dropout
from jaxgd.layers.layer_normalization import LayerNormalization, layer_normalization
from jaxgd.layers.noise import GaussianNoise, gaussian_noise
from jaxgd.layers.normalization import Normalization, normalization
from jaxgd.layers.reshaping import Flatten, Rescaling, flatten, rescaling

__all__ = [
    "ActivationLayer",
    "BatchNormalization",
    "Context",
    "Dense",
    "Dropout",
    "Flatten",
    "GaussianNoise",
    "Gradients",
    "Layer",
    "LayerNormalization",
    "Normalization",
    "Output",
    "Rescaling",
    "activation",
    "batch_normalization",
    "dense",
    "dropout",
    "flatten",
    "gaussian_noise",
    "layer_normalization",
    "normalization",
    "rescaling",
]
