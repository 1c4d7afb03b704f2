"""A selection of the catalogue, live against the installed Keras; `jaxgd parity` runs all of it."""

import keras
import pytest

from jaxgd.parity import runner

assert keras.backend.backend() == "tensorflow"


@pytest.fixture(scope="module")
def outcomes():
    return runner.run(runner.select(smoke=True))


def test_every_selected_case_passes(outcomes):
    broken = [f"{outcome.case.id}: {outcome.message}" for outcome in outcomes if not outcome.passed]
    assert not broken, f"{len(broken)} of {len(outcomes)} cases fail:\n" + "\n".join(broken)
    assert len(outcomes) > 100


def test_the_catalogue_has_several_thousand_cases():
    cases = runner.select()
    assert len(cases) > 5000
    assert {case.reference for case in cases} == {"eager", "function", "xla"}
    assert {case.dtype for case in cases} == {"float32", "float64"}
