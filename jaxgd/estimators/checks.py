"""The checks of scikit-learn that its estimators are meant to fail, each with the reason."""

_WEIGHTS = (
    "a weight multiplies the loss of its row, and a batch's loss is divided by its rows, as in Keras; a row "
    "of weight 0 still takes a place in a batch, and a row of weight 2 takes one place, not two"
)
EXPECTED_FAILED_CHECKS = {
    "check_sample_weight_equivalence_on_dense_data": _WEIGHTS,
    "check_sample_weight_equivalence_on_sparse_data": _WEIGHTS,
}
"""For `sklearn.utils.estimator_checks.check_estimator(..., expected_failed_checks=...)`."""
