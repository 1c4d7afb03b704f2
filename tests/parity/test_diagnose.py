"""The 44 recorded runs are identified from parameters and gradients alone; made-up rules are not."""

from pathlib import Path

import pytest
from diagnose_cases import CASES
from diagnose_made_up import MADE_UP, record_made_up
from diagnose_recording import record_case
from diagnose_runs import same_rule, wrong_numbers

from jaxgd.parity.diagnosing import diagnose, read_run

TRACES = Path(__file__).parent / "traces"
RECORDED = {
    "adam_relu_float32": ("adam", {"learning_rate": 0.001, "beta_2": 0.999, "epsilon": 1e-7}),
    "adam_relu_float64": ("adam", {"learning_rate": 0.001, "beta_2": 0.999, "epsilon": 1e-7}),
    "adamw_normalized_dropout_float32": ("adam", {"learning_rate": 0.01, "weight_decay": 0.05}),
    "ftrl_binary_float64": ("ftrl", {"learning_rate": 0.1, "l1_regularization_strength": 0.01}),
    "lion_poisson_float64": ("lion", {"learning_rate": 0.01}),
    "muon_one_hot_float32": ("muon", {"learning_rate": 0.02, "momentum": 0.95, "weight_decay": 0.004}),
    "nadam_normalized_dropout_float64": ("nadam", {"learning_rate": 0.001, "beta_1": 0.9}),
    "nesterov_mse_float32": ("sgd with nesterov momentum", {"learning_rate": 0.1, "momentum": 0.9}),
    "rmsprop_huber_float64": ("centered rmsprop with momentum", {"learning_rate": 0.01, "epsilon": 1e-7}),
    "torch_adam_float64": ("adam", {"learning_rate": 0.01, "epsilon": 1e-8}),
    "average_of_accumulated_float64": (None, {}),
}
"""What the traces that ship hold, in their six steps; the last is of no rule in the catalogue."""


def test_there_are_44_runs_of_three_sources():
    assert len(CASES) == 44
    assert {case.source for case in CASES} == {"Keras", "optax", "PyTorch form"}


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.source} {case.label}")
def test_the_rule_is_found(case):
    diagnosis = diagnose(record_case(case))
    assert same_rule(case, diagnosis), diagnosis
    assert wrong_numbers(case, diagnosis) == []
    left_open = {name for name in case.numbers if not diagnosis.best.numbers[name].is_determined}
    assert left_open <= set(case.unknowable)


@pytest.mark.parametrize("name", MADE_UP)
def test_no_rule_is_invented(name):
    assert diagnose(record_made_up(name)).best is None


@pytest.mark.parametrize("name", RECORDED)
def test_traces_that_ship(name):
    found = diagnose(read_run(TRACES / f"{name}.trace.npz")).best
    expected, numbers = RECORDED[name]
    assert (found and found.name) == expected
    for number, value in numbers.items():
        assert found.numbers[number].value == pytest.approx(value, rel=0.01), number
