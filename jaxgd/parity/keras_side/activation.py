"""Keras's activations: value and gradient."""

from typing import Any

import keras
import tensorflow as tf

from jaxgd.parity.case import Case, Results
from jaxgd.parity.keras_side import executed


def expected(case: Case, inputs: Results) -> Results:
    """The function's value, and the gradient of its product with `upstream`."""
    function = getattr(keras.activations, case.subject)
    options = {name: value for name, value in case.options if name != "form"}

    def both(x: Any, upstream: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = function(x, **options)
        return y, tape.gradient(y, x, output_gradients=upstream)

    y, gradient = executed(both, case.reference)(tf.constant(inputs["x"]), tf.constant(inputs["upstream"]))
    value, slope = y.numpy(), gradient.numpy()
    return {"value": value, "gradient": slope, "gradient by hand": slope}
