"""Random numbers from JAX's keys, or exactly those that TensorFlow draws for Keras, without TensorFlow.

Seeds. After `keras.utils.set_random_seed(s)` Keras hands out `keras_layer_seeds(s, n)`, one seed at each of
these events, in the order in which the program constructs things:

constructed                                     | seeds drawn
a random initializer without a seed of its own  | 1 (also when named by a string, as Dense's "glorot_uniform")
zeros, ones, constant, identity                 | 0
Dense                                           | that of its kernel's initializer, then of its bias's
BatchNormalization, LayerNormalization, PReLU   | those of their initializers: 0 by default
Dropout, AlphaDropout, GaussianDropout          | 1 if rate > 0 and the layer has no seed, else 0
GaussianNoise                                   | 1 if stddev > 0 and the layer has no seed, else 0
Input, Activation, Flatten, a model, optimizers | 0

An initializer draws its numbers from [seed, 0], each time it is called. A layer draws from [seed, count]:
count is the number of draws it has made before. Building a model, `compile` and the tracing of `fit`
make none, so training step k (from 0) of the first `fit` draws from [seed, k].

A model that Keras compiles with `jit_compile=True` (its default on a GPU, not on a CPU) is the one exception:
there XLA draws, from the same words of the same seeds, but makes other numbers of them.
"""

from jaxgd.random.draws import keep_mask, normal, truncated_normal, uniform
from jaxgd.random.on_host import drawn_on_host, filled
from jaxgd.random.order import keras_epoch_order
from jaxgd.random.sources import (
    KerasKey,
    KerasSeed,
    Key,
    Source,
    at_step,
    fold_key,
    fold_source,
    keras_key,
    keras_layer_seeds,
    keras_seed,
    nth_call,
)

__all__ = [
    "KerasKey",
    "KerasSeed",
    "Key",
    "Source",
    "at_step",
    "drawn_on_host",
    "filled",
    "fold_key",
    "fold_source",
    "keep_mask",
    "keras_epoch_order",
    "keras_key",
    "keras_layer_seeds",
    "keras_seed",
    "normal",
    "nth_call",
    "truncated_normal",
    "uniform",
]
