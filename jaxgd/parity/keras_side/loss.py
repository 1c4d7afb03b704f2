"""Keras's losses: value and gradient, with weights, masks and logits."""

from typing import Any

import keras
import tensorflow as tf

from jaxgd.losses._get import class_name
from jaxgd.parity.case import Case, Results
from jaxgd.parity.keras_side import executed


def make_loss(case: Case) -> Any:
    """The loss object of a case."""
    options = {name: value for name, value in case.options if name != "link"}
    return getattr(keras.losses, class_name(case.subject))(reduction=case.get("reduction", "none"), **options)


def expected(case: Case, inputs: Results) -> Results:
    """Value and gradient of the summed value; of the rows that exist, with zeros for the others."""
    loss, link = make_loss(case), case.get("link")
    rows = inputs["rows"]
    weights = None if inputs["weights"] is None else tf.constant(inputs["weights"][rows])

    def both(y_true: Any, y_pred: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(y_pred)
            output = getattr(keras.activations, link)(y_pred) if link else y_pred
            value = loss(y_true, output, sample_weight=weights)
            total = tf.reduce_sum(value)
        return value, tape.gradient(total, y_pred)

    y_true, y_pred = tf.constant(inputs["y_true"][rows]), tf.constant(inputs["y_pred"][rows])
    value, gradient = (each.numpy() for each in executed(both, case.reference)(y_true, y_pred))
    return {"value": value, "gradient": gradient, "gradient by hand": gradient}
