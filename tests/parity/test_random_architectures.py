"""Random architectures there and back. `scripts/check_keras_files.py` runs 200 with the same code."""

import architectures
import pytest
import round_trips
from keras_twins import precision

NUMBERS = (14, 41, 44, 65, 69, 102, 104, 109)
"""The fewest that together have all of `KINDS`: each layer, each merge, each way to connect them."""

KINDS = {
    "Add", "Average", "Concatenate", "Dot", "Functional", "Maximum", "Minimum", "Multiply", "Sequential",
    "Subtract", "activation", "alpha_dropout", "batch_normalization", "dense", "dicts", "dropout", "elu",
    "flatten", "gaussian_dropout", "layer_normalization", "leaky", "nested Functional", "nested Sequential",
    "noise", "normalization", "penalty", "prelu", "relu", "rescaling", "rms_normalization", "several inputs",
    "several outputs", "shared", "softmax", "unit_normalization",
}  # fmt: skip


@pytest.mark.parametrize("number", NUMBERS)
def test_a_random_architecture_there_and_back(number, tmp_path):
    with precision("float64"):
        outcome = round_trips.round_trip(number, tmp_path)
    assert outcome.worst < round_trips.TOLERANCE, outcome
    assert outcome.moved > 1e-3, "training moved nothing: the comparison says nothing"


def test_they_have_every_kind():
    with precision("float64"):
        kinds = set().union(*(architectures.draw(number).kinds for number in NUMBERS))
    assert kinds == KINDS
