"""What both estimators share: their parameters, `fit`, `partial_fit` and what is known after them."""

import warnings
from dataclasses import replace
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from jaxgd import _policy
from jaxgd._checks import check_integer, check_real, wrong
from jaxgd.estimators import settings
from jaxgd.estimators.rows import outputs
from jaxgd.estimators.trained import Outcome, Training, running_as, train


class MLPEstimator(BaseEstimator):
    """A multilayer perceptron with scikit-learn's interface; see `MLPClassifier` and `MLPRegressor`."""

    _score = ""
    """The metric of the held-out rows."""

    def __init__(
        self,
        hidden_layer_sizes: Any = (100,),
        activation: Any = "relu",
        *,
        loss: Any = "auto",
        optimizer: Any = "adam",
        learning_rate_init: float | None = None,
        momentum: float | None = None,
        nesterovs_momentum: bool | None = None,
        beta_1: float | None = None,
        beta_2: float | None = None,
        epsilon: float | None = None,
        kernel_regularizer: Any = None,
        dropout: float = 0.0,
        kernel_initializer: Any = "glorot_uniform",
        batch_size: int | str = "auto",
        max_iter: int = 200,
        shuffle: bool = True,
        random_state: Any = None,
        tol: float | None = 1e-4,
        warm_start: bool = False,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 10,
        dtype: str = "float32",
    ) -> None:
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.loss = loss
        self.optimizer = optimizer
        self.learning_rate_init = learning_rate_init
        self.momentum = momentum
        self.nesterovs_momentum = nesterovs_momentum
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.kernel_regularizer = kernel_regularizer
        self.dropout = dropout
        self.kernel_initializer = kernel_initializer
        self.batch_size = batch_size
        self.max_iter = max_iter
        self.shuffle = shuffle
        self.random_state = random_state
        self.tol = tol
        self.warm_start = warm_start
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.dtype = dtype

    def __sklearn_tags__(self) -> Any:
        tags: Any = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.non_deterministic = False
        return tags

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Any:
        """Train until the loss, or the held-out score, improves no more, or for `max_iter` epochs.

        Args:
          X: [rows, features], numbers; a sparse matrix is made dense.
          y: one target a row; [rows, outputs] for several.
          sample_weight: float[rows]; a row's loss is multiplied by it, as in Keras.

        Returns: the estimator.
        Raises:
          TypeError, ValueError: a parameter or data that do not fit, or a loss that stopped being finite.
        """
        x, y, weight = self._checked(X, y, sample_weight, first=True)
        goes_on = self.warm_start and hasattr(self, "params_")
        targets = self._targets(y, None, goes_on)
        x, targets, weight, validation = self._split(x, targets, weight, y)
        training = self._training(x, targets, weight, validation)
        params = self._params_to_go_on(training.model) if goes_on else None
        outcome = train(replace(training, params=params))
        return self if outcome is None else self._keep(training, outcome, goes_on)

    def _one_pass(self, X: Any, y: Any, classes: Any, sample_weight: Any) -> Any:
        """What `partial_fit` does."""
        if self.early_stopping:
            raise ValueError("early_stopping: partial_fit does not support it; call fit, or set it to False.")
        first = not hasattr(self, "params_")
        x, y, weight = self._checked(X, y, sample_weight, first)
        if first:
            self._seed = settings.seed_of(self.random_state)
        targets = self._targets(y, classes, not first)
        training = replace(self._training(x, targets, weight, None), early_stopping=None, epochs=1)
        if not first:
            training = self._one_more_epoch(training)
        outcome = train(training)
        return self if outcome is None else self._keep(training, outcome, not first)

    def _one_more_epoch(self, training: Training) -> Training:
        """The same with what was learned before, slots of the optimizer included where they are known."""
        at = {"initial_epoch": self.n_iter_, "epochs": self.n_iter_ + 1, "seed": self._seed}
        params = self._params_to_go_on(training.model)
        goes_on = {"params": params} if self.state_ is None else {"state": self.state_}
        return replace(training, **at, **goes_on)

    def _params_to_go_on(self, model: Any) -> Any:
        """The parameters so far. Raises ValueError if the network is another one now."""
        if model != self.model_:
            raise ValueError(
                f"{type(self).__name__}: the network is not the trained one: {self.model_!r} before, "
                f"{model!r} now; set warm_start=False, or keep its parameters."
            )
        return self.params_

    def _checked(
        self, X: Any, y: Any, sample_weight: Any, first: bool
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
        """Rows, targets and weights as dense arrays. Raises TypeError or ValueError."""
        dtype = self._dtype()
        with np.errstate(over="ignore"):  # what is too large is refused, and needs no warning besides
            x, y = self._valid(X, y, dtype, first)
        x = x.toarray() if sparse.issparse(x) else x
        weight = None
        if sample_weight is not None:
            weight = _check_sample_weight(sample_weight, x, dtype=dtype, ensure_non_negative=True)
            if not weight.any():
                raise ValueError("sample_weight: expected a weight above 0 for some row, got zeros.")
        return x, y, weight

    def _dtype(self) -> Any:
        """That of rows and targets: the one of the parameters."""
        return np.dtype(_policy.get(self.dtype).params)

    def _valid(self, X: Any, y: Any, dtype: Any, first: bool) -> tuple[Any, np.ndarray]:
        raise NotImplementedError

    def _targets(self, y: np.ndarray, classes: Any, goes_on: bool) -> np.ndarray:
        """Targets as the loss takes them; learns what they are, or checks that they are as before."""
        raise NotImplementedError

    def _loss(self) -> Any:
        raise NotImplementedError

    def _outputs(self) -> tuple[int, Any]:
        """How many outputs the network has, and their activation."""
        raise NotImplementedError

    def _split(
        self, x: np.ndarray, targets: np.ndarray, weight: np.ndarray | None, y: np.ndarray
    ) -> tuple[Any, Any, Any, tuple[Any, ...] | None]:
        """Training rows, and with `early_stopping` the share of them that is held out."""
        self._seed = settings.seed_of(self.random_state)
        if not self.early_stopping:
            return x, targets, weight, None
        share = check_real("validation_fraction", self.validation_fraction, 0.0, 1.0)
        if not 0.0 < share < 1.0:
            raise wrong("validation_fraction", share, "a share between 0 and 1")
        given = [x, targets] if weight is None else [x, targets, weight]
        parts = train_test_split(*given, test_size=share, random_state=self._seed, stratify=self._strata(y))
        train_parts, held_out = parts[::2], tuple(parts[1::2])
        return train_parts[0], train_parts[1], None if weight is None else train_parts[2], held_out

    def _strata(self, y: np.ndarray) -> Any:
        return None

    def _training(
        self, x: np.ndarray, targets: np.ndarray, weight: Any, validation: tuple[Any, ...] | None
    ) -> Training:
        num_outputs, activation = self._outputs()
        metrics = (self._score,) if self.early_stopping else ()
        return Training(
            model=settings.network(self, x.shape[1], num_outputs, activation),
            x=x,
            y=targets,
            sample_weight=weight,
            validation_data=validation,
            loss=self._loss(),
            optimizer=settings.optimizer_of(self),
            metrics=metrics if weight is None else (),
            weighted_metrics=() if weight is None else metrics,
            epochs=check_integer("max_iter", self.max_iter, 1),
            batch_size=settings.batch_size_of(self, len(x)),
            shuffle=bool(self.shuffle),
            seed=self._seed,
            early_stopping=settings.stopping_of(self, self._score),
        )

    def _keep(self, training: Training, outcome: Outcome, goes_on: bool) -> Any:
        """Learn the outcome. Raises ValueError if it diverged; nothing is learned then."""
        if outcome.diverged:
            raise ValueError(
                f"{type(self).__name__}: training diverged: {outcome.diverged} Lower learning_rate_init, or "
                "bring the features to one scale, such as by StandardScaler."
            )
        history = outcome.history
        losses = [float(value) for value in history.columns.get("loss", ())]
        self.model_, self.params_, self.state_ = training.model, outcome.params, outcome.state
        self.compilations_ = outcome.compilations
        self.n_iter_ = training.initial_epoch + history.epochs
        self.loss_curve_ = [*self.loss_curve_, *losses] if goes_on else losses
        self.loss_ = losses[-1]
        self.t_ = (self.t_ if goes_on else 0) + history.epochs * len(training.x)
        self.validation_scores_ = self.best_validation_score_ = self.best_loss_ = None
        if self.early_stopping:
            self.validation_scores_ = [float(value) for value in history[f"val_{self._score}"]]
            self.best_validation_score_ = max(self.validation_scores_)
        else:
            self.best_loss_ = min(self.loss_curve_)
        self.n_layers_ = 1 + sum("kernel" in leaves for leaves in self.params_.values())
        self.n_outputs_ = training.model.output_shapes[0][-1]
        self.out_activation_ = str(self._outputs()[1] or "linear")
        self._warn_of_the_last_epoch(training, outcome)
        return self

    def _warn_of_the_last_epoch(self, training: Training, outcome: Outcome) -> None:
        if training.early_stopping is not None and self.tol is not None and not outcome.stopped_early:
            warnings.warn(
                f"{type(self).__name__}: max_iter={self.max_iter} epochs are over and "
                f"{training.early_stopping.monitor} still improves; give more, or tol=None if enough.",
                ConvergenceWarning,
                stacklevel=3,
            )

    @property
    def coefs_(self) -> list[np.ndarray]:
        """The kernels, [fan_in, units] each."""
        return [leaves["kernel"] for leaves in self._trained_layers()]

    @property
    def intercepts_(self) -> list[np.ndarray]:
        """The biases, [units] each."""
        return [leaves["bias"] for leaves in self._trained_layers()]

    def _trained_layers(self) -> list[Any]:
        names = self.model_.names
        return [self.params_[name] for name in names if "kernel" in self.params_.get(name, {})]

    def _raw_outputs(self, X: Any) -> np.ndarray:
        """[rows, outputs]. Raises NotFittedError before `fit`, ValueError for rows of another kind."""
        check_is_fitted(self, "params_")
        with np.errstate(over="ignore"):
            x: Any = validate_data(self, X, accept_sparse="csr", dtype=self._dtype(), reset=False)
        return outputs(*running_as(self.model_, self.params_), x.toarray() if sparse.issparse(x) else x)
