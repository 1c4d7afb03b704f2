"""Keras models: weights after a seed, forward pass, loss, gradients, evaluation."""

import keras
import tensorflow as tf

from jaxgd.parity.case import Case, Results
from jaxgd.parity.keras_side import executed
from jaxgd.parity.keras_side.models import keras_model, set_weights, weights_of


def expected(case: Case, inputs: Results) -> Results:
    """All rungs up to the gradients, by the same path as `fit` takes."""
    loss, data = case.get("loss"), inputs["data"]
    model = keras_model(case.subject, loss, inputs["seed"], inputs["names"])
    model.compile(loss=loss, optimizer="sgd")
    x, y, weights = (tf.constant(data[name]) for name in ("x", "y", "weights"))
    variables = model.trainable_variables

    def both() -> tuple[tf.Tensor, list[tf.Tensor]]:
        with tf.GradientTape() as tape:
            value = model.compute_loss(x=x, y=y, y_pred=model(x, training=True), sample_weight=weights)
        return value, tape.gradient(value, variables)

    initial = weights_of(model, inputs["names"])
    set_weights(model, inputs["start"], inputs["names"])
    prediction = keras.ops.convert_to_numpy(model(x, training=False))
    value, gradients = executed(both, case.reference)()
    places = {id(v): path for path, v in _variables(model, inputs["names"]).items()}
    return {
        "weights": initial,
        "prediction": prediction,
        "loss": value.numpy(),
        "gradients": {places[id(v)]: g.numpy() for v, g in zip(variables, gradients, strict=True)},
    }


def _variables(model: keras.Model, names: tuple[str, ...]) -> dict[str, keras.Variable]:
    return {
        f"{name}/{variable.name}": variable
        for name, layer in zip(names, model.layers, strict=True)
        for variable in layer.trainable_variables
    }
