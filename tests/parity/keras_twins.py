"""The same stack twice: once in jaxgd, once in Keras, from one description that both are built from.

A stack is a list of (kind, options), the kind being jaxgd's word for the layer. An option that is a tuple
(name, options) stands for an initializer, a regularizer or a constraint of that name.
"""

import contextlib

import jax
import keras
import numpy as np

import jaxgd

_KERAS_CLASS = {
    "dense": keras.layers.Dense,
    "activation": keras.layers.Activation,
    "dropout": keras.layers.Dropout,
    "gaussian_noise": keras.layers.GaussianNoise,
    "batch_normalization": keras.layers.BatchNormalization,
    "layer_normalization": keras.layers.LayerNormalization,
    "normalization": keras.layers.Normalization,
    "rescaling": keras.layers.Rescaling,
    "flatten": keras.layers.Flatten,
}


@contextlib.contextmanager
def precision(floatx):
    """Both libraries in one precision, and back."""
    keras.config.set_floatx(floatx)
    keras.config.set_dtype_policy(floatx)
    try:
        with jax.enable_x64(floatx == "float64"):
            yield
    finally:
        keras.config.set_floatx("float32")
        keras.config.set_dtype_policy("float32")


def our_model(stack, input_size, **options):
    """The stack in jaxgd, in the precision that is set."""
    layers = [getattr(jaxgd.layers, kind)(**_resolved(settings, _ours)) for kind, settings in stack]
    return jaxgd.sequential(layers, input_size, dtype=keras.config.floatx(), **options)


def keras_model(stack, input_size, seed=None):
    """The stack in Keras, its numbers drawn after `set_random_seed(seed)`."""
    if seed is not None:
        keras.utils.set_random_seed(seed)
    shape = input_size if isinstance(input_size, tuple) else (input_size,)
    layers = [_KERAS_CLASS[kind](**_resolved(settings, _theirs)) for kind, settings in stack]
    return keras.Sequential([keras.Input(shape), *layers])


def params_of(network, model):
    """The weights of a Keras model as parameters of its twin."""
    params = model.init(0)
    for name, layer in zip(model.names, network.layers, strict=True):
        for variable in layer.weights:
            params[name][variable.name] = jax.numpy.asarray(
                variable.numpy(), params[name][variable.name].dtype
            )
    return params


def largest_difference(params, network, model):
    """The largest difference between two twins' parameters, relative to the largest of each leaf."""
    expected = params_of(network, model)
    pairs = zip(jax.tree.leaves(params), jax.tree.leaves(expected), strict=True)
    return max(relative_error(one, other) for one, other in pairs)


def relative_error(value, reference):
    """The largest difference relative to the largest reference; infinite if either is not finite."""
    value, reference = (np.asarray(each, np.float64) for each in (value, reference))
    assert value.shape == reference.shape
    difference = np.abs(value - reference).max()
    scale = np.abs(reference).max()
    if not np.isfinite(difference + scale):
        return np.inf
    return float(difference / scale) if scale else float(difference)


def _resolved(settings, make):
    return {key: make(key, value) for key, value in settings.items()}


def _registry(key):
    return next((word for word in ("initializer", "regularizer", "constraint") if key.endswith(word)), None)


def _ours(key, value):
    word = _registry(key)
    if word is None or not isinstance(value, tuple):
        return value
    return getattr(jaxgd, f"{word}s").get(value[0], **value[1])


def _theirs(key, value):
    word = _registry(key)
    if word is None or not isinstance(value, tuple):
        return list(value) if isinstance(value, tuple) else value
    return getattr(keras, f"{word}s").get({"class_name": value[0], "config": value[1]})
