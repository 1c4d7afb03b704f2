"""Keras's regularizers (value, gradient) and constraints."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from jaxgd.parity.case import Case, Results
from jaxgd.parity.keras_side import executed


def expected(case: Case, inputs: Results) -> Results:
    """The penalty and its gradient, or the constrained array."""
    options = dict(case.options)
    if case.get("kind") == "constraint":
        constraint = getattr(keras.constraints, case.subject)(**options)
        return {"values": executed(constraint, case.reference)(tf.constant(inputs["w"])).numpy()}
    regularizer = getattr(keras.regularizers, case.subject)(**options)

    def both(w: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(w)
            value = regularizer(w)
        gradient = tape.gradient(value, w, unconnected_gradients=tf.UnconnectedGradients.ZERO)
        return value, gradient

    value, gradient = executed(both, case.reference)(tf.constant(inputs["w"]))
    return {"value": np.asarray(value), "gradient": np.asarray(gradient)}
