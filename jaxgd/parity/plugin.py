"""The pytest plugin: a fixture `parity` for people who port Keras code. See docs/porting.md."""

from collections.abc import Sequence
from typing import Any

import pytest

DTYPES = ("float32", "float64")


class Parity:
    """What the fixture `parity` is."""

    def assert_same_training(
        self,
        keras_model: Any,
        x: Any,
        y: Any,
        *,
        sample_weight: Any = None,
        loss: Any = None,
        optimizer: Any = None,
        steps: int = 20,
        batch_size: int = 32,
        dtypes: Sequence[str] = DTYPES,
    ) -> None:
        """Fail unless jaxgd trains a Keras model as TensorFlow does, rung by rung.

        Args:
          keras_model: a `keras.Sequential` or a Functional model; it is as before afterwards.
          x, y, sample_weight: rows to train on; as many of the first as the steps need are used. Of several
            inputs or outputs a list, or a dict by their names.
          loss, optimizer: as for Keras's `compile`; None takes those the model was compiled with.
          steps: updates.
          batch_size: rows a step.
          dtypes: which precisions are tried.

        Raises:
          AssertionError: with every rung up to the first that broke, and its worst element.
          ValueError: a model that jaxgd cannot read.
        """
        __tracebackhide__ = True
        from jaxgd.parity.your_model import compare_live

        data = {"x": x, "y": y} if sample_weight is None else {"x": x, "y": y, "sample_weight": sample_weight}
        ladders = compare_live(
            keras_model,
            data,
            loss=loss,
            optimizer=optimizer,
            steps=steps,
            batch_size=batch_size,
            dtypes=dtypes,
        )
        broken = [str(ladder) for ladder in ladders if not ladder.passed]
        if broken:
            raise AssertionError("jaxgd does not train as Keras does\n" + "\n".join(broken))


@pytest.fixture
def parity() -> Parity:
    """`parity.assert_same_training(keras_model, x, y)`."""
    return Parity()
