"""`compile` and `fit` of a Keras model: history and weights."""

import numpy as np

from jaxgd.parity.case import Case, Results
from jaxgd.parity.keras_side.models import keras_model, set_weights, weights_of
from jaxgd.parity.keras_side.optimizer import make_optimizer


def expected(case: Case, inputs: Results) -> Results:
    """The history of every column, and the weights afterwards."""
    loss, data = case.get("loss"), inputs["data"]
    model = keras_model(case.subject, loss, inputs["seed"], inputs["names"])
    set_weights(model, inputs["start"], inputs["names"])
    optimizer = make_optimizer(case.get("optimizer"), inputs["arguments"])
    eagerly = case.get("run") == "eagerly"
    model.compile(optimizer, loss, metrics=inputs["metrics"], jit_compile=False, run_eagerly=eagerly)
    history = model.fit(
        data["x"], data["y"], sample_weight=data["weights"], **inputs["fit"], verbose=0
    ).history
    return {
        "history": {name: np.asarray(values) for name, values in history.items()},
        "weights": weights_of(model, inputs["names"]),
    }
