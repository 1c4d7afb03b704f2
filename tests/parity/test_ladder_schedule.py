"""The ladder under a schedule, which TensorFlow's graph rewrites: said, and excused by its size alone."""

from dataclasses import replace
from types import SimpleNamespace

import keras
import numpy as np
import pytest

from jaxgd import parity, schedules
from jaxgd.parity.climbing import _after_rewriting
from jaxgd.parity.rung import Rung

assert keras.backend.backend() == "tensorflow"


def test_a_rewritten_schedule_is_named():
    keras.utils.set_random_seed(3)
    model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(5, "gelu"), keras.layers.Dense(1)])
    schedule = keras.optimizers.schedules.CosineDecay(0.05, 30, 0.1)
    model.compile(keras.optimizers.SGD(schedule, momentum=0.9), "mean_squared_error")
    rows = np.random.default_rng(0).standard_normal((40, 7))
    (ladder,) = parity.ladder(model, {"x": rows[:, :6], "y": rows[:, 6:]}, steps=12, dtypes=("float64",))
    assert ladder.passed, str(ladder)
    rungs = {rung.name: rung for rung in ladder.rungs}
    assert (rungs["trajectory"].status, rungs["fit"].status) == ("passed", "flipped")
    assert "schedule-rewritten-in-a-graph" in rungs["fit"].message


@pytest.mark.parametrize(
    ("error", "rate", "trajectory", "status"),
    [
        (1e-8, schedules.exponential_decay(0.1, 3, 0.5), "passed", "flipped"),
        (1e-3, schedules.exponential_decay(0.1, 3, 0.5), "passed", "failed"),
        (1e-8, schedules.exponential_decay(0.1, 3, 0.5), "failed", "failed"),
        (1e-8, np.float32(0.1), "passed", "failed"),
    ],
)
def test_nothing_else_is_excused(error, rate, trajectory, status):
    replay = SimpleNamespace(state=lambda: {"learning_rate": rate})
    own_run = Rung("trajectory", "passed")
    found = _after_rewriting(replay, replace(own_run, status=trajectory), Rung("fit", "failed", "", error))
    assert found.status == status
