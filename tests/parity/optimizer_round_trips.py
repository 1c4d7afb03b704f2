"""Every optimizer there and back: its state through the files of both, training that goes on in the other."""

import warnings
from typing import NamedTuple

import jax
import keras
import numpy as np

import jaxgd
from jaxgd.keras_files import load, save
from jaxgd.training import TrainState

ROWS, STEPS, FURTHER = 16, 3, 20


def make_data(features=3, outputs=2):
    """x and targets."""
    source = np.random.default_rng(0)
    x, y = source.normal(size=(ROWS, features)), source.uniform(0.1, 0.9, size=(ROWS, outputs))
    return x.astype(keras.config.floatx()), y.astype(keras.config.floatx())


def keras_model(optimizer, loss="mean_squared_error"):
    """A compiled model with statistics and a constraint; no layer of it draws."""
    keras.utils.set_random_seed(0)
    stack = [
        keras.layers.Input((3,)),
        keras.layers.Dense(6, activation="tanh"),
        keras.layers.BatchNormalization(),
        keras.layers.Dense(2, kernel_constraint="max_norm"),
    ]
    model = keras.Sequential(stack)
    model.compile(optimizer=optimizer, loss=loss, run_eagerly=True)
    return model


def train(model, steps):
    """Steps over all rows at once."""
    x, y = make_data()
    for _ in range(steps):
        model.train_on_batch(x, y)


def _schedule():
    return keras.optimizers.schedules.ExponentialDecay(0.1, 10, 0.5)


KERAS_OPTIMIZERS = {
    "sgd": lambda: keras.optimizers.SGD(0.1),
    "momentum": lambda: keras.optimizers.SGD(0.1, momentum=0.9, clipnorm=1.0),
    "nesterov": lambda: keras.optimizers.SGD(0.1, momentum=0.9, nesterov=True),
    "rmsprop": lambda: keras.optimizers.RMSprop(0.01, momentum=0.5, centered=True),
    "adam": lambda: keras.optimizers.Adam(0.01),
    "amsgrad": lambda: keras.optimizers.Adam(0.01, amsgrad=True, weight_decay=0.01),
    "adamw": lambda: keras.optimizers.AdamW(0.01, global_clipnorm=1.0),
    "decayed": lambda: keras.optimizers.AdamW(0.01),
    "options": lambda: keras.optimizers.Adam(_schedule(), use_ema=True, gradient_accumulation_steps=2),
    "adadelta": lambda: keras.optimizers.Adadelta(0.5),
    "adafactor": lambda: keras.optimizers.Adafactor(0.01),
    "adagrad": lambda: keras.optimizers.Adagrad(0.1),
    "adamax": lambda: keras.optimizers.Adamax(0.01),
    "ftrl": lambda: keras.optimizers.Ftrl(0.01),
    "lamb": lambda: keras.optimizers.Lamb(0.01),
    "lion": lambda: keras.optimizers.Lion(0.01),
    "muon": lambda: keras.optimizers.Muon(0.01),
    "nadam": lambda: keras.optimizers.Nadam(0.01),
    "schedule_free": lambda: keras.optimizers.ScheduleFreeAdamW(0.01, warmup_steps=2),
    "loss_scale": lambda: keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam(0.01)),
    "several": lambda: _several(),
}


def _several():
    routes = {
        "sequential/dense/kernel": keras.optimizers.SGD(0.1, momentum=0.5),
        ".*bias": keras.optimizers.Adam(0.02),
        "sequential/none/.*": keras.optimizers.Adam(0.5),
    }
    default = keras.optimizers.AdamW(0.01)
    return keras.optimizers.MultiOptimizer(keras.optimizers.OptimizerMap(default, routes))


class RoundTrip(NamedTuple):
    """Distances between weights, as shares of how far the weights had travelled; 0 is equal in every bit."""

    through: float
    """Keras's file through jaxgd: 20 further steps in Keras, and those of the original."""
    onward: float
    """Trained in jaxgd: 20 further steps in Keras, and the uninterrupted run of jaxgd."""
    back: float
    """20 steps more in jaxgd from Keras's file, and the uninterrupted run."""


def round_trip(name, folder):
    """The distances of one optimizer."""
    original = keras_model(KERAS_OPTIMIZERS[name]())
    train(original, STEPS)
    original.save(folder / "keras.keras")
    model, params, training = load(folder / "keras.keras")
    save(folder / "through.keras", model, params, training)
    through = opened(folder / "through.keras")
    start = [each.numpy() for each in original.trainable_variables]
    train(original, FURTHER)
    train(through, FURTHER)

    state = TrainState(np.int32(0), params, training.opt_state, None)
    reached = ours(model, training, state, FURTHER)
    keep = jax.tree.map(np.asarray, reached)
    save(folder / "ours.keras", model, keep.params, with_state(training, keep.opt_state))
    theirs = opened(folder / "ours.keras")
    train(theirs, FURTHER)
    whole = jax.tree.map(np.asarray, ours(model, training, keep, FURTHER))
    theirs.save(folder / "theirs.keras")
    _, back_params, back = load(folder / "theirs.keras")
    last = ours(model, training, TrainState(np.int32(0), back_params, back.opt_state, None), FURTHER)
    whole_last = ours(model, training, whole, FURTHER)

    def distance(one, other):
        return max(
            float(np.abs(a - b).max() / np.abs(b - c).max())
            for a, b, c in zip(one, other, start, strict=True)
        )

    return RoundTrip(
        distance(values(through), values(original)),
        distance(values(theirs), leaves(model, whole.params)),
        distance(leaves(model, last.params), leaves(model, whole_last.params)),
    )


def opened(path):
    """What Keras loads; a warning is a failure."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", message="__array__ implementation", category=DeprecationWarning)
        model = keras.models.load_model(path)
    model.run_eagerly = True
    return model


def with_state(training, opt_state):
    """The same training at another state."""
    return training.__class__(training.loss, training.optimizer, opt_state, training.metrics)


def ours(model, training, state, steps):
    """The state after so many steps over all rows, in jaxgd."""
    step = jaxgd.make_step(jaxgd.make_objective(model, training.loss), training.optimizer)
    x, y = make_data()
    state = jax.tree.map(jax.numpy.array, state)  # its buffers are donated
    return jaxgd.train(step, state, {"x": x, "y": y}, np.tile(np.arange(ROWS), (steps, 1)))[0]


def values(model):
    """The weights of Keras that are trained."""
    return [each.numpy() for each in model.trainable_variables]


def leaves(model, params):
    """The same of jaxgd, in Keras's order."""
    order = ("kernel", "bias", "gamma", "beta")
    return [np.asarray(params[n][leaf]) for n in model.names for leaf in order if leaf in params[n]]
