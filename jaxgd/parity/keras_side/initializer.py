"""Keras's initializers, seeded."""

from typing import Any

import keras
import numpy as np

from jaxgd.parity.case import Case, Results


def expected(case: Case, inputs: Results) -> Results:
    """The numbers that are drawn."""
    options = {name: list(value) if isinstance(value, tuple) else value for name, value in case.options}
    if inputs["seeded"]:
        options["seed"] = inputs["seed"]
    initializer: Any = keras.initializers.get({"class_name": case.subject, "config": options})
    return {"values": np.asarray(initializer(inputs["shape"], case.dtype))}
