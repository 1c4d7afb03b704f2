"""The catalogue's models in Keras."""

from typing import Any

import keras
import numpy as np

from jaxgd.parity.catalogue.stacks import FEATURES, layers_of

_CLASSES = {
    "dense": keras.layers.Dense,
    "activation": keras.layers.Activation,
    "dropout": keras.layers.Dropout,
    "gaussian_noise": keras.layers.GaussianNoise,
    "batch_normalization": keras.layers.BatchNormalization,
    "layer_normalization": keras.layers.LayerNormalization,
    "rescaling": keras.layers.Rescaling,
}


def keras_model(stack: str, loss: str, seed: int, names: tuple[str, ...]) -> Any:
    """The model, its layers named as jaxgd's, its weights drawn after `set_random_seed(seed)`."""
    keras.utils.set_random_seed(seed)
    layers = [
        _CLASSES[kind](name=name, **_resolved(options))
        for name, (kind, options) in zip(names, layers_of(stack, loss), strict=True)
    ]
    return keras.Sequential([keras.Input((FEATURES,)), *layers])


def _resolved(options: dict[str, Any]) -> dict[str, Any]:
    return {
        key: getattr(keras, f"{key.split('_')[-1]}s").get({"class_name": value[0], "config": value[1]})
        if isinstance(value, tuple)
        else value
        for key, value in options.items()
    }


def set_weights(model: Any, start: dict[str, np.ndarray], names: tuple[str, ...]) -> None:
    """Give the model the weights {"layer/leaf": value}."""
    model.set_weights([start[path] for path in weights_of(model, names)])


def weights_of(model: Any, names: tuple[str, ...]) -> dict[str, np.ndarray]:
    """{"layer/leaf": value} by the names that jaxgd gives the layers."""
    return {
        f"{name}/{variable.name}": variable.numpy()
        for name, layer in zip(names, model.layers, strict=True)
        for variable in layer.weights
        if variable.name != "seed_generator_state"
    }
