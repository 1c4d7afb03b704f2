"""Keras's learning-rate schedules at every step."""

import keras
import numpy as np
import tensorflow as tf

from jaxgd.parity.case import Case, Results
from jaxgd.parity.keras_side import executed


def expected(case: Case, inputs: Results) -> Results:
    """The rate at each step, computed step by step."""
    options = {name: list(value) if isinstance(value, tuple) else value for name, value in case.options}
    class_name = "".join(word.title() for word in case.subject.split("_"))
    schedule = executed(getattr(keras.optimizers.schedules, class_name)(**options), case.reference)
    return {"rates": np.array([schedule(tf.constant(step, tf.int64)).numpy() for step in inputs["steps"]])}
