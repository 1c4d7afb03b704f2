"""Keras's metrics over batches of uneven size."""

import numpy as np
from keras.src.metrics import ALL_OBJECTS_DICT

from jaxgd.parity.case import Case, Results


def expected(case: Case, inputs: Results) -> Results:
    """The result after each batch."""
    options = {name: list(value) if isinstance(value, tuple) else value for name, value in case.options}
    metric = ALL_OBJECTS_DICT[case.subject](**options)
    results = []
    for y_true, y_pred, weights, rows in zip(*inputs["batches"], strict=True):
        some = None if weights is None else weights[rows]
        metric.update_state(y_true[rows], y_pred[rows], some)
        results.append(np.asarray(metric.result()))
    return {"results": np.stack(results)}
