"""Keras's `fit`, on the backend that KERAS_BACKEND names."""

# pyright: reportArgumentType=false

import keras
import numpy as np
from common import init_weights, is_full_batch, order_of


def versions():
    return {"keras": keras.__version__, "keras backend": keras.backend.backend()}


class Fit:
    order = "the first epoch's for all"
    """`fit` cannot be given an order for each epoch: it takes the rows as they stand, shuffled once."""

    def __init__(self, case):
        hidden, output = case.activations
        layers = [keras.layers.Dense(units, hidden) for units in case.sizes[1:-1]]
        last = keras.layers.Dense(case.sizes[-1], output)
        self.case = case
        self.model = keras.Sequential([keras.Input((case.sizes[0],)), *layers, last])
        self.x, self.y = case.x, case.y
        if not is_full_batch(case):
            self.x, self.y = case.x[order_of(case, 0)], case.y[order_of(case, 0)]
        optimizer = {"sgd": keras.optimizers.SGD, "adam": keras.optimizers.Adam}[case.optimizer]
        loss = keras.losses.MeanSquaredError()
        if case.loss != "mean_squared_error":
            loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        self.model.compile(loss=loss, optimizer=optimizer(case.learning_rate))
        self.model.optimizer.build(self.model.trainable_variables)
        self.start = [np.array(keras.ops.convert_to_numpy(each)) for each in self.model.optimizer.variables]

    def reset(self):
        self.model.set_weights([leaf for pair in init_weights(self.case) for leaf in pair])
        for variable, value in zip(self.model.optimizer.variables, self.start, strict=True):
            variable.assign(value)

    def run(self, epochs):
        self.model.fit(self.x, self.y, batch_size=self.case.batch, epochs=epochs, shuffle=False, verbose=0)

    def weights(self):
        leaves = self.model.get_weights()
        return list(zip(leaves[::2], leaves[1::2], strict=True))


backend = {"tensorflow": "TensorFlow", "jax": "JAX", "torch": "PyTorch"}[keras.backend.backend()]
PEERS = {f"Keras fit on {backend}": Fit}
