"""One architecture there and back: Keras trains and saves it, jaxgd reads, goes on and writes, Keras reads
that.

Everything is in float64, where rounding is far below a real difference; a shorter type is a matter of
rounding alone.
"""

import warnings
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import architectures
import jax
import jax.numpy as jnp
import keras
import numpy as np
from architectures import BATCH, Architecture

import jaxgd

TOLERANCE = 1e-9
EPOCHS = 2


@dataclass(frozen=True)
class Outcome:
    """How far jaxgd and Keras are apart, relative to the largest number of each array.

    Attributes:
      architecture: what was compared.
      predictions: of the file that Keras wrote.
      training: of weights, and of the history, after further epochs in both.
      written_back: predictions of the file that jaxgd wrote, opened in Keras, and of its training there.
      moved: how far training moved the weights; a comparison of what stands still would say nothing.
    """

    architecture: Architecture
    predictions: float
    training: float
    written_back: float
    moved: float

    @property
    def worst(self) -> float:
        return max(self.predictions, self.training, self.written_back)


def round_trip(number: int, folder: Path) -> Outcome:
    """The outcome of the architecture of a number; float64 must be switched on in both."""
    drawn = architectures.draw(number)
    theirs, ours = str(folder / f"{number}-keras.keras"), str(folder / f"{number}-jaxgd.keras")
    _fit_keras(drawn.model, drawn)
    drawn.model.save(theirs)
    network, (model, params, training) = _open(theirs), jaxgd.load(theirs)
    predictions = difference(jaxgd.predict(model, params, drawn.x), network.predict(drawn.x, verbose=0))
    jaxgd.save(ours, model, params, training)
    before = [weight.numpy() for weight in network.weights]
    history = _fit_keras(network, drawn)
    moved = max(difference(one.numpy(), other) for one, other in zip(network.weights, before, strict=True))
    result = _go_on(model, params, training, drawn)
    after = difference(jaxgd.predict(model, result.params, drawn.x), network.predict(drawn.x, verbose=0))
    training_error = max(after, _difference_of_histories(result.history, history))
    copy = _open(ours)
    written = difference(jaxgd.predict(model, params, drawn.x), copy.predict(drawn.x, verbose=0))
    _fit_keras(copy, drawn)
    for one, other in zip(copy.weights, network.weights, strict=True):
        written = max(written, difference(one.numpy(), other.numpy()))
    return Outcome(drawn, predictions, training_error, written, moved)


def _open(path: str) -> Any:
    """What Keras loads; a warning is a failure."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", message="__array__ implementation", category=DeprecationWarning)
        model = keras.models.load_model(path)
    model.run_eagerly = True
    return model


def _fit_keras(model: Any, drawn: Architecture) -> dict[str, list[float]]:
    history = model.fit(drawn.x, drawn.y, batch_size=BATCH, epochs=EPOCHS, shuffle=False, verbose=0)
    return history.history


def _go_on(model: Any, params: Any, training: Any, drawn: Architecture) -> Any:
    """Further epochs; generators start anew, as they do in a model that Keras has loaded."""
    state = replace(training.state(params, model.key(0)), step=jnp.int32(0))
    return jaxgd.fit(
        model,
        drawn.x,
        drawn.y,
        loss=training.loss,
        loss_weights=training.loss_weights,
        optimizer=training.optimizer,
        metrics=training.metrics,
        weighted_metrics=training.weighted_metrics,
        state=state,
        epochs=EPOCHS,
        batch_size=BATCH,
        shuffle=False,
    )


def _difference_of_histories(ours: Any, theirs: dict[str, list[float]]) -> float:
    assert set(ours) == set(theirs), (sorted(ours), sorted(theirs))
    return max(difference(ours[name], np.asarray(values)) for name, values in theirs.items())


def difference(ours: Any, theirs: Any) -> float:
    """The largest difference, relative to the largest number of each array; infinite for other shapes."""
    pairs = zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True)
    return max(
        _difference(np.asarray(one, np.float64), np.asarray(other, np.float64)) for one, other in pairs
    )


def _difference(one: np.ndarray, other: np.ndarray) -> float:
    if one.shape != other.shape or not np.isfinite(one).all():
        return float("inf")
    scale = np.abs(other).max(initial=0.0)
    return float(np.abs(one - other).max(initial=0.0) / (scale or 1.0))
