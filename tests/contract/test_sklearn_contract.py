"""scikit-learn's own checks of estimators."""

import jax
import pytest
from sklearn.utils.estimator_checks import check_estimator

from jaxgd.estimators import MLPClassifier, MLPRegressor
from jaxgd.estimators.checks import EXPECTED_FAILED_CHECKS

SETTINGS = {"hidden_layer_sizes": (8,), "learning_rate_init": 0.02, "max_iter": 100, "tol": None}


@pytest.fixture
def compiled_quickly(programs):
    """Programs that XLA optimizes little: the checks are of what estimators do, and compile thirty each."""
    jax.config.update("jax_disable_most_optimizations", True)
    yield
    jax.config.update("jax_disable_most_optimizations", False)


@pytest.mark.usefixtures("compiled_quickly")
@pytest.mark.parametrize(
    "estimator",
    [MLPClassifier(**SETTINGS), MLPRegressor(**SETTINGS)],
    ids=["classifier", "regressor"],
)
def test_check_estimator_fails_nowhere_but_where_it_is_explained(estimator):
    results = check_estimator(
        estimator, expected_failed_checks=EXPECTED_FAILED_CHECKS, on_skip=None, on_fail=None
    )
    failed = {
        result["check_name"]: str(result["exception"]) for result in results if result["status"] == "failed"
    }
    expected = {result["check_name"] for result in results if result["status"] == "xfail"}
    assert not failed
    assert expected == set(EXPECTED_FAILED_CHECKS)
    assert len(results) > 50
