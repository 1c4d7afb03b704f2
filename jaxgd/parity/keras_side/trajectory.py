"""A thousand updates of a Keras model by its own gradients."""

import numpy as np
import tensorflow as tf

from jaxgd.parity.case import Case, Results
from jaxgd.parity.keras_side.models import keras_model, set_weights, weights_of
from jaxgd.parity.keras_side.optimizer import make_optimizer


def expected(case: Case, inputs: Results) -> Results:
    """The losses and weights at the checkpoints."""
    data = inputs["data"]
    model = keras_model(inputs["stack"], inputs["loss"], inputs["seed"], inputs["names"])
    model.compile(loss=inputs["loss"])
    set_weights(model, inputs["start"], inputs["names"])
    optimizer = make_optimizer(case.subject, inputs["arguments"])
    variables = model.trainable_variables
    optimizer.build(variables)
    x, y = tf.constant(data["x"]), tf.constant(data["y"])

    @tf.function
    def step() -> tf.Tensor:
        with tf.GradientTape() as tape:
            loss = model.compute_loss(x=x, y=y, y_pred=model(x, training=True))
            scaled = optimizer.scale_loss(loss)
        optimizer.apply(tape.gradient(scaled, variables), variables)
        return loss

    history, losses = [], []
    for number in range(1, max(inputs["checkpoints"]) + 1):
        loss = step()
        if number in inputs["checkpoints"]:
            history.append(weights_of(model, inputs["names"]))
            losses.append(loss.numpy())
    return {
        "trajectory": {path: np.stack([weights[path] for weights in history]) for path in history[0]},
        "losses": np.stack(losses),
    }
