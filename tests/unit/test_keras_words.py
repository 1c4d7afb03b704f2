"""Keras's arguments that jaxgd does not have are refused with what stands in their place."""

from typing import Any

import numpy as np
import pytest

import jaxgd

MODEL = jaxgd.mlp([2, 1])
FIT: Any = jaxgd.fit
EVALUATE: Any = jaxgd.evaluate
PREDICT: Any = jaxgd.predict
"""Without their types, which refuse such arguments too."""
X, Y = np.zeros((4, 2), np.float32), np.zeros((4, 1), np.float32)


@pytest.mark.parametrize(
    ("word", "instead"),
    [
        ("verbose", "progress=True"),
        ("callbacks", "early_stopping="),
        ("steps_per_epoch", "batch_size"),
        ("validation_freq", "every epoch"),
        ("learning_rate", "optimizer=jaxgd.optimizers.sgd"),
        ("epoch", "did you mean 'epochs'?"),
        ("zzz", "it takes model, x, y, loss"),
    ],
)
def test_fit_says_what_to_give_instead(word, instead):
    with pytest.raises(TypeError, match=r"fit\(\) has no argument '" + word) as caught:
        FIT(MODEL, X, Y, **{word: 1})
    assert instead in str(caught.value)


def test_evaluate_and_predict_do_too():
    params = MODEL.init(0)
    with pytest.raises(TypeError, match=r"evaluate\(\) has no argument 'return_dict': the result is a dict"):
        EVALUATE(MODEL, params, X, Y, loss="mse", return_dict=True)
    with pytest.raises(TypeError, match=r"predict\(\) has no argument 'verbose'"):
        PREDICT(MODEL, params, X, verbose=0)
