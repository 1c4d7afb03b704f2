"""Writes the files of tf.keras 2 in this folder, and what tf.keras 2 computes after it has saved them.

Needs TensorFlow and the package `tf_keras`, Keras 2 as it goes on:

    python tests/parity/files/make_tf_keras_files.py
"""

from pathlib import Path

import numpy as np
import tf_keras
from tf_keras import layers, losses, metrics, optimizers
from tf_keras.optimizers import legacy, schedules

HERE = Path(__file__).parent
ROWS, STEPS, FURTHER = 16, 3, 20

OPTIMIZERS = {
    "sgd": lambda: optimizers.SGD(0.1),
    "momentum": lambda: optimizers.SGD(0.1, momentum=0.9, nesterov=True),
    "rmsprop": lambda: optimizers.RMSprop(0.01, momentum=0.5, centered=True),
    "adam": lambda: optimizers.Adam(0.01),
    "amsgrad": lambda: optimizers.Adam(schedules.ExponentialDecay(0.1, 10, 0.5), amsgrad=True),
    "adamw": lambda: optimizers.AdamW(0.01, global_clipnorm=1.0),
    "averaged": lambda: optimizers.Adam(0.01, use_ema=True, ema_overwrite_frequency=4),
    "adadelta": lambda: optimizers.Adadelta(0.5),
    "adagrad": lambda: optimizers.Adagrad(0.1),
    "adamax": lambda: optimizers.Adamax(0.01),
    "ftrl": lambda: optimizers.Ftrl(0.1),
    "lion": lambda: optimizers.Lion(0.01),
    "nadam": lambda: optimizers.Nadam(0.01),
    "legacy_adam": lambda: legacy.Adam(0.01),
    "legacy_sgd": lambda: legacy.SGD(0.1, momentum=0.9),
    "legacy_rmsprop": lambda: legacy.RMSprop(0.01),
}


def make_data():
    """x and one-hot targets."""
    x = np.random.default_rng(0).normal(size=(ROWS, 3)).astype("float32")
    return x, np.eye(2, dtype="float32")[(x[:, 0] > 0).astype(int)]


def make_model(optimizer):
    """A compiled model; no layer of it draws."""
    tf_keras.backend.clear_session()
    tf_keras.utils.set_random_seed(0)
    model = tf_keras.Sequential(
        [
            layers.Input((3,)),
            layers.Normalization(name="measured"),
            layers.Dense(4, activation="tanh", kernel_regularizer="l2", name="first"),
            layers.BatchNormalization(),
            layers.LeakyReLU(alpha=0.25),
            layers.Dropout(0.0),
            layers.Dense(2, activation="softmax"),
        ]
    )
    model.get_layer("measured").adapt(make_data()[0])
    loss = losses.CategoricalCrossentropy(label_smoothing=0.125)
    model.compile(optimizer, loss, metrics=["accuracy", metrics.AUC(num_thresholds=50)])
    return model


def make_graph():
    """A compiled model with two inputs, a shared layer, a nested model and merges."""
    tf_keras.backend.clear_session()
    tf_keras.utils.set_random_seed(0)
    inputs = [layers.Input((3,), name=name) for name in ("left", "right")]
    shared = layers.Dense(4, activation="tanh", name="shared")
    stack = [
        layers.Input((8,)),
        layers.Dense(5, activation="tanh"),
        layers.BatchNormalization(),
        layers.Dense(4),
    ]
    codes = [shared(each) for each in inputs]
    inner = tf_keras.Sequential(stack, name="inner")(layers.Concatenate()(codes))
    model = tf_keras.Model(inputs, layers.Dense(2, name="out")(layers.Add()([inner, codes[0]])))
    model.compile(optimizers.Adam(0.01), losses.MeanSquaredError(), metrics=["mae"])
    return model


def train(model, steps, several=False):
    """Full-batch steps in the order of the rows."""
    x, y = make_data()
    x = [x, x[::-1]] if several else x
    model.fit(x, y, batch_size=ROWS, epochs=steps, shuffle=False, verbose=0)


def main():
    expected = {}
    x, _ = make_data()
    for name, make in OPTIMIZERS.items():
        model = make_model(make())
        train(model, STEPS)
        model.save(HERE / f"tf_keras_{name}.h5")
        expected[f"{name}/predictions"] = model.predict(x, verbose=0)
        if name == "adam":
            model.save(HERE / "tf_keras_adam.keras")
            model.save_weights(HERE / "tf_keras_adam.weights.h5")
            model.save_weights(HERE / "tf_keras_adam_weights.h5")
        train(model, FURTHER)
        for index, weight in enumerate(model.get_weights()):
            expected[f"{name}/weights/{index}"] = weight
    model = make_graph()
    train(model, STEPS, several=True)
    model.save(HERE / "tf_keras_graph.h5")
    model.save(HERE / "tf_keras_graph.keras")
    expected["graph/predictions"] = model.predict([x, x[::-1]], verbose=0)
    train(model, FURTHER, several=True)
    expected["graph/after"] = model.predict([x, x[::-1]], verbose=0)
    np.savez_compressed(HERE / "tf_keras_expected.npz", **expected)


if __name__ == "__main__":
    main()
