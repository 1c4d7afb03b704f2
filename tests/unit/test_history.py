"""A history of any length in bounded memory, the same however it was put together."""

import numpy as np
import pytest

import jaxgd
from jaxgd.training import History, history


@pytest.fixture
def short(monkeypatch):
    monkeypatch.setattr(history, "LIMIT", 8)


def of(first, last):
    """The epochs first to last, each with its own number as loss."""
    return {"loss": np.arange(first, last + 1, dtype=np.float64), "m": np.ones((last - first + 1, 2))}


class Theirs:
    """As Keras's objects say where they come from."""

    __module__ = "keras.src.losses.losses"


def test_habits_from_elsewhere_are_answered():
    model, x, y = jaxgd.mlp([2, 1]), np.ones((4, 2)), np.ones((4, 1))
    with pytest.raises(TypeError, match="Give the name 'Theirs'"):
        jaxgd.fit(model, x, y, loss=Theirs())
    with pytest.raises(TypeError, match=r"Save it as model\.keras"):
        jaxgd.fit(Theirs(), x, y)
    with pytest.raises(TypeError, match="metrics: got an object of Keras"):
        jaxgd.fit(model, x, y, metrics=[Theirs()])
    with pytest.raises(TypeError, match="This one is of Keras"):
        jaxgd.fit(model, x, y, optimizer=Theirs())
    with pytest.raises(TypeError, match=r"a call of it returns: adam\(\.\.\.\)"):
        jaxgd.fit(model, x, y, optimizer=jaxgd.optimizers.adam)
    with pytest.raises(TypeError, match=r"expected \{label: weight\}, got 'balanced'"):
        jaxgd.fit(model, x, y, class_weight="balanced")
    with pytest.raises(TypeError, match=r"Give model\.key\(0\)"):
        jaxgd.TrainState.create(params=model.init(0), optimizer="sgd", key=0)


def test_a_result_is_shown_in_one_line():
    result = jaxgd.fit(jaxgd.mlp([2, 1]), np.ones((4, 2)), np.ones((4, 1)), epochs=2, metrics=["mae"])
    shown = f"2 epochs, loss {result.history['loss'][-1]:.4g}, mae {result.history['mae'][-1]:.4g}"
    assert repr(result.history) == f"History({shown})"
    assert repr(result) == f"FitResult({shown}, compilations {result.compilations})"
    assert repr(History()) == "History(0 epochs)"


def test_all_epochs_of_a_usual_run_are_kept():
    whole = History().extended(of(1, 3)).extended(of(4, 5))
    assert whole["loss"].tolist() == [1, 2, 3, 4, 5]
    assert (whole.epochs, whole.numbers.tolist(), whole.thinned) == (5, [1, 2, 3, 4, 5], None)
    assert whole.last() == {"loss": 5.0}
    assert whole.at(2) == {"loss": 2.0}
    assert whole.first(2)["m"].shape == (2, 2)
    assert (History().epochs, History().last(), History().at(1)) == (0, {}, {})


@pytest.mark.parametrize("epochs", [8, 9, 16, 17, 33, 100])
@pytest.mark.parametrize("chunk", [1, 3, 7, 100])
def test_a_long_run_is_thinned_the_same_way_in_any_chunks(short, epochs, chunk):
    found = History()
    for first in range(1, epochs + 1, chunk):
        found = found.extended(of(first, min(first + chunk - 1, epochs)))
    stride = next(each for each in (1, 2, 4, 8, 16) if epochs // each <= 8)
    expected = sorted({*range(stride, epochs + 1, stride), epochs})
    assert found.numbers.tolist() == expected
    assert found["loss"].tolist() == expected
    assert found["m"].shape == (len(expected), 2)
    assert len(expected) <= 9
    assert found.epochs == epochs
    assert found.last() == {"loss": float(epochs)}


def test_going_back_in_a_thinned_history(short):
    found = History().extended(of(1, 20)).first(12)
    assert found.numbers.tolist() == [4, 8, 12]
    assert found.extended(of(13, 14)).numbers.tolist() == [4, 8, 12, 14]
