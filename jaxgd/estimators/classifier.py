"""A classifier with scikit-learn's interface, trained as `jaxgd.fit` does."""

from typing import Any

import numpy as np
from scipy import sparse
from sklearn.base import ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import check_is_fitted, column_or_1d, validate_data

from jaxgd import losses
from jaxgd.estimators.base import MLPEstimator
from jaxgd.estimators.labels import Labels


class MLPClassifier(ClassifierMixin, MLPEstimator):
    """A multilayer perceptron that tells classes apart.

    Parameters that scikit-learn's `MLPClassifier` has too mean the same here, but for those marked *.

    Args:
      hidden_layer_sizes: widths of the hidden layers; () for none.
      activation: of the hidden layers, any of Keras's; scikit-learn's "identity" and "logistic" too.
      loss: Keras's name, a `jaxgd.losses.Loss` or a function; "auto" is the cross-entropy that fits y.
      optimizer: Keras's name, or an optimizer of `jaxgd.optimizers` with all its settings.
      learning_rate_init, momentum*, nesterovs_momentum*, beta_1, beta_2, epsilon*: numbers of the optimizer;
        None leaves its own, which are Keras's (momentum 0, epsilon 1e-7).
      kernel_regularizer: Keras's; there is no `alpha`, which would be l2(alpha / (2 * batch_size)).
      dropout: rate behind each hidden layer.
      kernel_initializer: Keras's.
      batch_size: rows a step; "auto" is min(200, rows).
      max_iter: epochs.
      shuffle: whether each epoch has an order of its own.
      random_state: an int is Keras's seed: the network begins as Keras's after `set_random_seed`.
      tol*, n_iter_no_change*: training ends after so many epochs without a loss (with `early_stopping` a
        score) better by more than tol than the best so far, as Keras counts them. tol=None: never for a loss.
      warm_start: whether `fit` begins with the parameters of the last one; the optimizer begins anew.
      early_stopping: whether rows are held out, and the parameters of their best accuracy kept.
      validation_fraction: the share of the rows that is held out, each class in its share.
      dtype: "float32" or another of `jaxgd.mlp`.

    Attributes:
      classes_: the labels.
      n_iter_, loss_curve_, loss_, best_loss_: epochs, and the loss of each.
      validation_scores_, best_validation_score_: with `early_stopping`.
      coefs_, intercepts_, n_layers_, n_outputs_, out_activation_, t_, n_features_in_, feature_names_in_: as
        in scikit-learn.
      model_, params_: for `jaxgd`'s own functions and `jaxgd.save`.
      compilations_: programs that the last fit compiled: 1, or 0 where there was one for these shapes.

    >>> from sklearn.datasets import load_iris
    >>> x, y = load_iris(return_X_y=True)
    >>> classifier = MLPClassifier((16,), learning_rate_init=0.02, max_iter=100, tol=None, random_state=0)
    >>> bool(classifier.fit(x, y).score(x, y) > 0.9)
    True
    """

    _score = "accuracy"

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags

    def predict(self, X: Any) -> np.ndarray:
        """The most probable class of each row: [rows]; for several labels a table of 0 and 1.

        Raises:
          NotFittedError: before `fit`. ValueError: rows of another kind.
        """
        raw = self._raw_outputs(X)
        return self._labels().predicted(raw)

    def predict_proba(self, X: Any) -> np.ndarray:
        """The probability of each class: [rows, classes]."""
        raw = self._raw_outputs(X)
        return self._labels().probabilities(raw)

    def predict_log_proba(self, X: Any) -> np.ndarray:
        """The logarithms of `predict_proba`."""
        with np.errstate(divide="ignore"):
            return np.log(self.predict_proba(X))

    def partial_fit(self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None) -> Any:
        """Train for one epoch on these rows, going on from where the last call ended.

        Args:
          X, y, sample_weight: as in `fit`. Another number of rows than before compiles once more.
          classes: all labels; needed at the first call.

        Raises:
          TypeError, ValueError: as `fit`; or no classes at the first call, or others later.
        """
        return self._one_pass(X, y, classes, sample_weight)

    def _labels(self) -> Labels:
        check_is_fitted(self, "params_")
        return Labels(self.classes_, self._several)

    def _valid(self, X: Any, y: Any, dtype: Any, first: bool) -> tuple[Any, np.ndarray]:
        x, y = validate_data(self, X, y, accept_sparse="csr", dtype=dtype, multi_output=True, reset=first)
        y = y.toarray() if sparse.issparse(y) else np.asarray(y)
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        check_classification_targets(y)
        kind = type_of_target(y)
        if kind == "multiclass-multioutput":
            raise ValueError(
                "y: expected one label a row, or a table of 0 and 1 for several labels a row; got several "
                "columns of classes. Fit one classifier a column, as MultiOutputClassifier does."
            )
        return x, y

    def _targets(self, y: np.ndarray, classes: Any, goes_on: bool) -> np.ndarray:
        labels = self._known_labels(y, classes) if goes_on else self._new_labels(y, classes)
        loss = labels.loss(self.loss)
        targets = labels.targets(y, loss, self._dtype())
        self.classes_, self._several = labels.classes, labels.several
        return targets

    def _new_labels(self, y: np.ndarray, classes: Any) -> Labels:
        if classes is None:
            return Labels.of(y)
        return Labels(np.unique(np.asarray(classes)), y.ndim == 2)

    def _known_labels(self, y: np.ndarray, classes: Any) -> Labels:
        known = Labels(self.classes_, self._several)
        if classes is not None and not np.array_equal(np.unique(np.asarray(classes)), known.classes):
            raise ValueError(
                f"classes: expected {known.classes.tolist()} as at the first call, got {list(classes)}."
            )
        return known

    def _strata(self, y: np.ndarray) -> Any:
        return None if self._several else y

    def _loss(self) -> losses.Loss:
        return Labels(self.classes_, self._several).loss(self.loss)

    def _outputs(self) -> tuple[int, str]:
        return Labels(self.classes_, self._several).outputs(self._loss())
