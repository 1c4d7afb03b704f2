"""A grid search with scikit-learn's interface whose networks are all trained as one sweep."""

import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import joblib
import numpy as np
from sklearn.base import is_classifier
from sklearn.model_selection import GridSearchCV, check_cv

from jaxgd._checks import check_integer
from jaxgd.estimators.together import Collector, Dispenser, Together
from jaxgd.estimators.trained import Trainer, training_by
from jaxgd.sweeps.trials import seeds_of


class SweepSearchCV(GridSearchCV):
    """`GridSearchCV` for estimators of `jaxgd`: folds, settings and seeds are one compiled sweep.

    The scores are those that `GridSearchCV` finds with the same estimator, to rounding. What is set besides
    the estimator (a scaler of a `Pipeline`, say) is fitted in every fold as there.

    Args:
      estimator: `MLPClassifier`, `MLPRegressor`, or anything that fits them, such as a `Pipeline`.
      param_grid, scoring, refit, cv, verbose, error_score, return_train_score: as in `GridSearchCV`.
      n_jobs: threads that train side by side; None, or -1, takes a core each.
      seeds: a number n for the seeds 0 to n - 1, or a list: every setting is trained with each on each fold,
        and `split{fold * seeds + place}_test_score` are the columns. None leaves `random_state` as it is.
      plan, memory_budget: as in `jaxgd.sweep`.

    Attributes:
      cv_results_, best_estimator_, best_params_, best_score_, best_index_, scorer_, n_splits_, refit_time_,
        multimetric_: as in `GridSearchCV`; the time of a fit is its share of the sweep's.
      sweep_: the `jaxgd.sweeps.SweepTable`: plans, compilations, seconds. None if no network was trained.

    >>> from sklearn.datasets import load_iris
    >>> from jaxgd.estimators import MLPClassifier
    >>> x, y = load_iris(return_X_y=True)
    >>> network = MLPClassifier((8,), max_iter=20, tol=None, random_state=0)
    >>> search = SweepSearchCV(network, {"learning_rate_init": [0.0001, 0.03]}, cv=3).fit(x, y)
    >>> search.best_params_, len(search.sweep_)
    ({'learning_rate_init': 0.03}, 6)
    """

    def __init__(
        self,
        estimator: Any,
        param_grid: Any,
        *,
        scoring: Any = None,
        n_jobs: int | None = None,
        refit: Any = True,
        cv: Any = None,
        verbose: int = 0,
        error_score: Any = np.nan,
        return_train_score: bool = False,
        seeds: Any = None,
        plan: Any = "auto",
        memory_budget: int | None = None,
    ) -> None:
        super().__init__(
            estimator,
            param_grid,
            scoring=scoring,
            n_jobs=n_jobs,
            refit=refit,
            cv=cv,
            verbose=verbose,
            error_score=error_score,
            return_train_score=return_train_score,
        )
        self.seeds = seeds
        self.plan = plan
        self.memory_budget = memory_budget

    def fit(self, X: Any, y: Any = None, **params: Any) -> Any:
        """Search. Arguments, result and errors are those of `GridSearchCV.fit`.

        Raises:
          TypeError, ValueError: an argument that does not fit; every fit failed; or too little memory.
        """
        started = time.perf_counter()
        seeds = None if self.seeds is None else seeds_of(self.seeds)
        lanes = None if self.n_jobs in (None, -1) else check_integer("n_jobs", self.n_jobs, 1)
        splits = self._splits(X, y, params.get("groups"), 1 if seeds is None else len(seeds))
        collector = Collector(seeds)
        drawn = np.random.get_state()  # an estimator without a random_state draws its seed from here
        with training_by_one(collector), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            refits = bool(self.refit)  # any settings, to see how many rows train then
            self._grid_search(splits, scoring=_nothing, refit=refits, train_score=False).fit(X, y, **params)
        np.random.set_state(drawn)
        trainings = collector.trainings
        room = len(trainings.pop().x) if refits and trainings else 0
        sweep = Together(trainings, self.plan, lanes, self.memory_budget, room) if trainings else None
        self.sweep_ = None if sweep is None else sweep.table
        seconds = time.perf_counter() - started
        search = self._grid_search(splits, self.scoring, self.refit, self.return_train_score)
        with training_by_one(Dispenser(sweep, seeds)):
            search.fit(X, y, **params)
        search.cv_results_["mean_fit_time"] += seconds / max(len(trainings), 1)
        learned = {name: value for name, value in vars(search).items() if name.endswith("_")}
        for name, value in learned.items():
            setattr(self, name, value)
        return self

    def _splits(self, X: Any, y: Any, groups: Any, times: int) -> list[tuple[Any, Any]]:
        """The rows that train and test, each pair so many times; drawn once, as they may be random."""
        cv: Any = self.cv
        splitter: Any = check_cv(cv, y, classifier=is_classifier(self.estimator))
        return [pair for pair in splitter.split(X, y, groups) for _ in range(times)]

    def _grid_search(self, splits: Any, scoring: Any, refit: Any, train_score: bool) -> GridSearchCV:
        return GridSearchCV(
            self.estimator,
            self.param_grid,
            scoring=scoring,
            refit=refit,
            cv=splits,
            verbose=self.verbose if scoring is not _nothing else 0,
            error_score=self.error_score,
            return_train_score=train_score,
        )


@contextmanager
def training_by_one(trainer: Trainer) -> Iterator[None]:
    """While it lasts, `trainer` trains, and scikit-learn works in this thread, where it is known."""
    with joblib.parallel_config("sequential"), training_by(trainer):
        yield


def _nothing(estimator: Any, X: Any, y: Any, **params: Any) -> float:
    """The score of a network that is not trained yet."""
    return 0.0
