"""A Keras script moved to jaxgd, line by line, with the proof: 569 real biopsies, malignant or benign.

Both sides start from Keras's weights, see the same rows in the same order, and print what `fit` prints. It
needs TensorFlow (pip install tensorflow), for Keras's side only. The batch size is that of the script that is
moved; what a parameter and a row of a batch take of memory, docs/scaling.md tells for every optimizer.

    python scripts/train_keras_port.py
"""
# pyright: reportArgumentType=false, reportOptionalMemberAccess=false

import os

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import time

import keras
import numpy as np
from sklearn.datasets import load_breast_cancer

import jaxgd

SETTINGS = {"epochs": 15, "batch_size": 32, "validation_split": 0.2, "class_weight": {0: 1.5, 1: 1.0}}


def with_keras(x, y):
    """The script as it was."""
    keras.utils.set_random_seed(7)
    normalization = keras.layers.Normalization()
    normalization.adapt(x)
    hidden = keras.layers.Dense(32, "relu", kernel_regularizer="l2")
    output = keras.layers.Dense(1, "sigmoid")
    model = keras.Sequential([keras.Input((30,)), normalization, hidden, output])
    model.compile(keras.optimizers.RMSprop(1e-3), "binary_crossentropy", metrics=["accuracy"])
    model.save("untrained.keras")
    history = model.fit(x, y, shuffle=False, verbose=0, **SETTINGS).history
    return history, model.predict(x, verbose=0)


def with_jaxgd(x, y):
    """The same: the file holds the network, the weights, the loss, the optimizer and the metrics."""
    model, params, training = jaxgd.load("untrained.keras")
    compiled = {"loss": training.loss, "optimizer": training.optimizer, "metrics": training.metrics}
    result = jaxgd.fit(model, x, y, params=params, shuffle=False, **compiled, **SETTINGS)
    return result.history, jaxgd.predict(model, result.params, x)


def main() -> None:
    x, y = load_breast_cancer(return_X_y=True)
    x, y = x.astype(np.float32), y.astype(np.float32)[:, None]
    started = time.perf_counter()
    theirs, their_predictions = with_keras(x, y)
    between = time.perf_counter()
    ours, our_predictions = with_jaxgd(x, y)
    print(f"Keras {between - started:.1f} s, jaxgd {time.perf_counter() - between:.1f} s, compiling included")
    print("epoch      loss Keras      loss jaxgd   val_accuracy Keras  jaxgd")
    for epoch in range(0, SETTINGS["epochs"], 7):
        losses = f"{theirs['loss'][epoch]:.10f}    {ours['loss'][epoch]:.10f}"
        accuracies = f"{theirs['val_accuracy'][epoch]:.4f}  {ours['val_accuracy'][epoch]:.4f}"
        print(f"{epoch + 1:5d}    {losses}               {accuracies}")
    worst = max(np.abs(np.array(theirs[name]) - ours[name]).max() for name in theirs)
    print(f"largest difference of any number of the history: {worst:.1e}")
    print(f"of any prediction: {np.abs(their_predictions - our_predictions).max():.1e}")


if __name__ == "__main__":
    main()
