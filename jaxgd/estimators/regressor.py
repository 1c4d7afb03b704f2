"""A regressor with scikit-learn's interface, trained as `jaxgd.fit` does."""

from typing import Any

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.utils.validation import column_or_1d, validate_data

from jaxgd import losses
from jaxgd.estimators.base import MLPEstimator


class MLPRegressor(RegressorMixin, MLPEstimator):
    """A multilayer perceptron that predicts numbers.

    Args:
      loss: Keras's name, a `jaxgd.losses.Loss` or a function; "auto" is the mean squared error, Keras's and
        so without scikit-learn's factor of one half. With "poisson" the output is exp of the last layer.
      early_stopping: whether rows are held out, and the parameters of the epoch with their best R² kept.
      hidden_layer_sizes, activation, optimizer, learning_rate_init, momentum, nesterovs_momentum, beta_1,
        beta_2, epsilon, kernel_regularizer, dropout, kernel_initializer, batch_size, max_iter, shuffle,
        random_state, tol, warm_start, validation_fraction, n_iter_no_change, dtype: as in `MLPClassifier`.

    Attributes: as those of `MLPClassifier`, without `classes_`.

    >>> from sklearn.datasets import make_regression
    >>> x, y = make_regression(100, 4, random_state=0)
    >>> regressor = MLPRegressor((32,), learning_rate_init=0.02, max_iter=300, tol=None, random_state=0)
    >>> bool(regressor.fit(x, y / y.std()).score(x, y / y.std()) > 0.9)
    True
    """

    _score = "r2_score"

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

    def predict(self, X: Any) -> np.ndarray:
        """float64[rows], or float64[rows, outputs] where y had several columns.

        Raises:
          NotFittedError: before `fit`. ValueError: rows of another kind.
        """
        raw = self._raw_outputs(X).astype(np.float64)
        return raw[:, 0] if self._flat else raw

    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Any:
        """Train for one epoch on these rows, going on from where the last call ended.

        Args:
          X, y, sample_weight: as in `fit`. Another number of rows than before compiles once more.

        Raises:
          TypeError, ValueError: as `fit`, or another number of targets than before.
        """
        return self._one_pass(X, y, None, sample_weight)

    def _valid(self, X: Any, y: Any, dtype: Any, first: bool) -> tuple[Any, np.ndarray]:
        x, y = validate_data(
            self, X, y, accept_sparse="csr", dtype=dtype, multi_output=True, y_numeric=True, reset=first
        )
        y = np.asarray(y)
        if y.dtype.kind not in "biuf":
            raise ValueError(f"y: expected numbers, got {y.dtype}; for classes take MLPClassifier.")
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        y = y.astype(dtype)
        if not np.isfinite(y).all():
            raise ValueError(
                f"y: expected finite numbers, got NaN, infinity or a value too large for {dtype}."
            )
        return x, y

    def _targets(self, y: np.ndarray, classes: Any, goes_on: bool) -> np.ndarray:
        flat, count = y.ndim == 1, 1 if y.ndim == 1 else y.shape[1]
        if goes_on and (flat, count) != (self._flat, self.n_outputs_):
            raise ValueError(
                f"y: expected {self.n_outputs_} targets a row as before, got shape {list(y.shape)}."
            )
        self._flat, self._num_targets = flat, count
        return y.reshape(len(y), -1)

    def _loss(self) -> losses.Loss:
        return losses.get("mean_squared_error" if self._is_auto() else self.loss)

    def _is_auto(self) -> bool:
        return isinstance(self.loss, str) and self.loss == "auto"

    def _outputs(self) -> tuple[int, Any]:
        return self._num_targets, "exponential" if self._loss().name == "poisson" else None
