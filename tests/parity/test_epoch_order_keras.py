"""The order of rows in a live `fit(shuffle=True)`, read off the weight that each row moves."""

import keras
import numpy as np
import pytest

from jaxgd.random import keras_epoch_order


class Recorder(keras.callbacks.Callback):
    """Keeps minus the weight after each step that started from 0: the mean of the batch, at rate 1."""

    def __init__(self):
        super().__init__()
        self.means = []

    def on_train_batch_begin(self, batch, logs=None):
        self.model.layers[-1].kernel.assign([[0.0]])

    def on_train_batch_end(self, batch, logs=None):
        self.means.append(-float(self.model.layers[-1].kernel.numpy()[0, 0]))


def visited(seed, num_rows, batch_size=1, **settings):
    """The mean row number of each batch, in the order of `fit`."""
    keras.utils.set_random_seed(seed)
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False)])
    model.compile(keras.optimizers.SGD(1.0), loss=lambda y_true, y_pred: keras.ops.mean(y_pred, axis=-1))
    rows, recorder = np.arange(num_rows, dtype="float32")[:, None], Recorder()
    model.fit(rows, rows, batch_size=batch_size, callbacks=[recorder], verbose=0, **settings)
    return np.asarray(recorder.means)


@pytest.mark.parametrize("seed", [0, 3, 123456, 2**31 - 2, 2**31 - 1, 2**31 + 5, 2**32 - 1])
def test_the_order_of_rows(seed):
    np.testing.assert_array_equal(visited(seed, 21), keras_epoch_order(seed, 21))


def test_every_epoch_has_the_same_order():
    np.testing.assert_array_equal(visited(5, 13, epochs=3), np.tile(keras_epoch_order(5, 13), 3))


@pytest.mark.parametrize("num_rows", [1, 2, 3])
def test_few_rows(num_rows):
    np.testing.assert_array_equal(visited(9, num_rows), keras_epoch_order(9, num_rows))


def test_batches_and_a_validation_split():
    order = keras_epoch_order(7, 8)
    expected = [order[:4].mean(), order[4:].mean()]
    np.testing.assert_allclose(visited(7, 10, 4, validation_split=0.2), expected, rtol=1e-6)
    order = keras_epoch_order(7, 10)
    expected = [order[:4].mean(), order[4:8].mean(), order[8:].mean()]
    np.testing.assert_allclose(visited(7, 10, 4), expected, rtol=1e-6)
