"""Embedded data sets: their shapes, tasks, and that they are scikit-learn's numbers."""

import numpy as np
import pytest
from sklearn import datasets

from jaxgd.data import EMBEDDED, DataError, prepare, read

EXPECTED = {
    "digits": (1797, 64, "multiclass", tuple("0123456789")),
    "breast-cancer": (569, 30, "binary", ("benign", "malignant")),
    "wine": (178, 13, "multiclass", ("class_0", "class_1", "class_2")),
    "iris": (150, 4, "multiclass", ("setosa", "versicolor", "virginica")),
    "diabetes": (442, 10, "regression", ()),
}


def test_the_names():
    assert set(EXPECTED) == set(EMBEDDED)


@pytest.mark.parametrize("name", EXPECTED)
def test_an_embedded_set_is_ready_to_train_on(name):
    num_rows, num_features, task, classes = EXPECTED[name]
    table = read(name)
    prepared = prepare(table)
    assert table.format == "embedded"
    assert prepared.encoding.target == "target"
    assert (prepared.encoding.task, prepared.encoding.classes) == (task, classes)
    assert prepared.x.shape == (num_rows, num_features)
    assert prepared.encoding.numeric_mask().all()


@pytest.mark.parametrize("name", EXPECTED)
def test_an_embedded_set_is_scikit_learns_in_its_own_units(name):
    options = {"scaled": False} if name == "diabetes" else {}
    bunch = getattr(datasets, "load_" + name.replace("-", "_"))(**options)
    prepared = prepare(read(name))
    np.testing.assert_array_equal(prepared.x, bunch.data.astype(np.float32))
    if name == "breast-cancer":  # scikit-learn counts malignant as 0; here classes are in alphabetical order
        np.testing.assert_array_equal(prepared.y, 1 - bunch.target)
    else:
        np.testing.assert_array_equal(prepared.y, bunch.target)


def test_the_fingerprint_does_not_change_from_read_to_read():
    assert read("iris").fingerprint == read("iris").fingerprint
    assert len({read(name).fingerprint for name in EMBEDDED}) == len(EMBEDDED)


def test_a_name_that_is_nearly_right_is_corrected():
    with pytest.raises(DataError, match="Did you mean 'digits'"):
        read("digts")
