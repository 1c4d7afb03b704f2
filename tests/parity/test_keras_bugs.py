"""The page's table of what Keras does otherwise than it says: each row has cases, and Keras does it still."""

import inspect
import re
from pathlib import Path

import keras
import numpy as np
import pytest

import jaxgd
from jaxgd.keras_files.compiling import LOST
from jaxgd.parity import runner

PAGE = Path(__file__).parents[2] / "docs/coming-from-keras.md"
SECTION = PAGE.read_text(encoding="utf-8").split("## Where Keras does something else than it says\n")[1]
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in SECTION.split("\n## ")[0].splitlines()
    if line.startswith("| ") and "jaxgd's default" not in line
]
IDS = [f"{case.id}/" for case in runner.select()]


def test_the_table_is_read():
    assert len(ROWS) == 11
    assert all(len(row) == 4 for row in ROWS)


@pytest.mark.parametrize("row", ROWS, ids=[row[0][:40] for row in ROWS])
def test_the_catalogue_holds_both_forms(row):
    texts = re.findall(r"`([^`]+)`", row[3])
    assert texts
    for text in texts:
        assert any(text in each for each in IDS), f"no case has {text!r} in its id"


def test_every_argument_that_a_file_loses_has_a_row():
    others = {
        "SparseCategoricalCrossentropy",
        "SparseTopKCategoricalAccuracy",
    }  # one value; Keras before 3.15
    named = " ".join(row[0] for row in ROWS)
    for class_name, arguments in LOST.items():
        for argument in arguments:
            assert class_name in others or f"{class_name}({argument})" in named


@pytest.mark.parametrize(
    ("module", "class_name", "argument", "value"),
    [
        (keras.losses, "Huber", "delta", 2.5),
        (keras.losses, "CosineSimilarity", "axis", 0),
        (keras.initializers, "Identity", "gain", 0.3),
    ],
)
def test_keras_still_loses_it(module, class_name, argument, value):
    assert argument not in getattr(module, class_name)(**{argument: value}).get_config()


@pytest.mark.parametrize("function", [jaxgd.optimizers.adafactor, jaxgd.optimizers.schedule_free_adamw])
def test_the_docstring_states_the_default(function):
    assert "documented: False computes what Keras" in inspect.getdoc(function)
    assert inspect.signature(function).parameters["documented"].default is False


def test_the_docstring_of_sparsemax_states_the_default():
    assert "default is the projection" in " ".join(inspect.getdoc(jaxgd.activations.sparsemax).split())
    assert np.asarray(jaxgd.activations.sparsemax([1.0, 1.0, 0.0])).tolist() == [0.5, 0.5, 0.0]
    assert np.asarray(keras.activations.sparsemax([[1.0, 1.0, 0.0]])).tolist() == [[0.0, 0.0, 0.0]]


def test_keras_still_does_not_know_lamb():
    with pytest.raises(ValueError, match="lamb"):
        keras.optimizers.get("lamb")
    assert jaxgd.optimizers.get("lamb").name.lower() == "lamb"


def test_keras_still_cannot_open_its_own_mse(tmp_path):
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    model.compile("adam", "mse")
    model.save(tmp_path / "m.h5")
    with pytest.raises(ValueError, match="Could not deserialize"):
        keras.models.load_model(tmp_path / "m.h5")
    assert jaxgd.load(tmp_path / "m.h5")[2].loss.name == "mean_squared_error"


def test_the_classes_of_a_sparse_crossentropy_are_on_the_last_axis():
    for options, value in (({}, 0.223144), ({"axis": -1}, 0.223144), ({"axis": 1}, 0.223144)):
        loss = jaxgd.losses.sparse_categorical_crossentropy([1], [[0.2, 0.8]], **options)
        assert float(loss) == pytest.approx(value, abs=1e-6)
    with pytest.raises(ValueError, match="axis: expected the last dimension"):
        jaxgd.losses.sparse_categorical_crossentropy([1], [[0.2, 0.8]], axis=0)
    with pytest.raises(ValueError, match="axis"):
        keras.losses.SparseCategoricalCrossentropy(axis=0)(np.array([1]), np.array([[0.2, 0.8]], np.float32))
