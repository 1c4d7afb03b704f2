"""Random architectures there and back. `scripts/check_keras_files.py` runs 200 with the same code."""

import round_trips
from keras_twins import precision

NUMBERS = (14, 16, 21, 25, 30, 37)
"""Small ones that together have shared and nested layers, several inputs and outputs, and dicts."""


def test_random_architectures_there_and_back(tmp_path):
    kinds = set()
    for number in NUMBERS:
        with precision("float64"):
            outcome = round_trips.round_trip(number, tmp_path)
        assert outcome.worst < round_trips.TOLERANCE, (number, outcome)
        assert outcome.moved > 1e-3, f"{number}: training moved nothing"
        kinds |= outcome.architecture.kinds
    assert kinds >= {"Sequential", "Functional", "nested Sequential", "nested Functional", "shared", "dicts"}
    assert kinds >= {"several inputs", "several outputs"}
