"""The whole catalogue, live against the installed Keras: every case, in fresh processes."""

import keras
import pytest

from jaxgd.parity import known_differences, runner
from jaxgd.parity.judge import FLOAT64

assert keras.backend.backend() == "tensorflow"


@pytest.fixture(scope="module")
def outcomes():
    return runner.run(runner.select(), plain=False)


def test_every_case_passes(outcomes):
    broken = [f"{outcome.case.id}: {outcome.message}" for outcome in outcomes if not outcome.passed]
    assert not broken, f"{len(broken)} of {len(outcomes)} cases fail:\n" + "\n".join(broken)


def test_there_are_several_thousand_cases_of_every_kind(outcomes):
    assert len(outcomes) > 5000
    assert {outcome.case.reference for outcome in outcomes} == {"eager", "function", "xla"}
    assert {outcome.case.dtype for outcome in outcomes} == {"float32", "float64"}


def test_every_known_difference_is_there(outcomes):
    assert {outcome.known for outcome in outcomes} - {""} == {known.id for known in known_differences.KNOWN}


def test_a_thousand_steps_in_float64(outcomes):
    trajectories = [o for o in outcomes if o.case.family == "trajectory" and o.case.dtype == "float64"]
    subjects = {outcome.case.subject for outcome in trajectories}
    every = {name for name in vars(keras.optimizers) if isinstance(getattr(keras.optimizers, name), type)}
    assert subjects == every - {"Optimizer", "OptimizerMap"}
    assert not any(outcome.known for outcome in trajectories)
    assert max(outcome.error for outcome in trajectories) <= FLOAT64


def test_float32_trajectories_stay_near_the_same_float64_truth(outcomes):
    trajectories = [o for o in outcomes if o.case.family == "trajectory" and o.case.dtype == "float32"]
    assert len(trajectories) >= 32
    for outcome in trajectories:
        assert 0 < outcome.truth["keras"] < 1e-2, outcome.case.id
        assert outcome.truth["jaxgd"] <= 2 * outcome.truth["keras"], outcome.case.id


def test_bits_are_demanded_where_arithmetic_is_elementwise(outcomes):
    demanded = [outcome for outcome in outcomes if outcome.demands_bits]
    subjects = {outcome.case.subject for outcome in demanded if outcome.case.family == "optimizer"}
    assert {"SGD", "RMSprop", "Adam", "AdamW", "Adadelta", "Adagrad", "Adamax", "Nadam", "Lion"} <= subjects
    assert all(outcome.bit_equal for outcome in demanded)


def test_the_smoke_selection_has_some_of_every_family():
    smoke = runner.select(smoke=True)
    assert {case.family for case in smoke} == {case.family for case in runner.select()}
    assert 100 < len(smoke) < 300
