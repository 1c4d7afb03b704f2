"""`SweepSearchCV` beside `GridSearchCV` and beside fits one by one."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.exceptions import FitFailedWarning, NotFittedError
from sklearn.model_selection import GridSearchCV, KFold, ShuffleSplit, StratifiedKFold
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from jaxgd.estimators import MLPClassifier, MLPRegressor, SweepSearchCV

X, Y = load_iris(return_X_y=True)
FLOWERS = np.array(["setosa", "versicolor", "virginica"])[Y]
NETWORK = MLPClassifier((6,), max_iter=8, tol=None, batch_size=30, random_state=3)
GRID = {"learning_rate_init": [0.001, 0.03], "beta_1": [0.8, 0.9]}
TIMES = ("mean_fit_time", "std_fit_time", "mean_score_time", "std_score_time")


def assert_equal_results(ours, theirs):
    """Equal scores to rounding: members in step sum in another order, which no score of these rows sees."""
    assert ours.keys() == theirs.keys()
    for name in ours.keys() - {*TIMES, "params"}:
        if name.startswith("param_"):
            assert ours[name].tolist() == theirs[name].tolist()
        else:
            np.testing.assert_allclose(ours[name], theirs[name], rtol=1e-6, atol=1e-9, err_msg=name)
    assert ours["params"] == theirs["params"]


def both(estimator, grid, x=X, y=FLOWERS, fit=None, **arguments):
    ours = SweepSearchCV(estimator, grid, **arguments).fit(x, y, **(fit or {}))
    theirs = GridSearchCV(estimator, grid, **arguments).fit(x, y, **(fit or {}))
    return ours, theirs


@pytest.fixture(scope="module")
def searches():
    cv = StratifiedKFold(3, shuffle=True, random_state=1)
    return both(NETWORK, GRID, cv=cv, return_train_score=True)


class TestLikeGridSearch:
    def test_results(self, searches):
        assert_equal_results(*(search.cv_results_ for search in searches))

    def test_what_it_learned(self, searches):
        ours, theirs = searches
        assert ours.best_params_ == theirs.best_params_
        assert ours.best_index_ == theirs.best_index_
        assert ours.n_splits_ == theirs.n_splits_ == 3
        assert {name for name in vars(theirs) if name.endswith("_")} <= vars(ours).keys()
        np.testing.assert_array_equal(ours.predict(X), theirs.predict(X))
        np.testing.assert_array_equal(ours.predict_proba(X), theirs.predict_proba(X))
        assert ours.score(X, FLOWERS) == theirs.score(X, FLOWERS)
        assert ours.classes_.tolist() == theirs.classes_.tolist()

    def test_it_was_one_sweep(self, searches):
        ours, _ = searches
        assert len(ours.sweep_) == 4 * 3
        assert (ours.cv_results_["mean_fit_time"] > 0).all()

    def test_a_regressor_with_several_scores_early_stopping_and_weights(self):
        network = MLPRegressor(
            (6,), max_iter=30, tol=None, early_stopping=True, n_iter_no_change=4, random_state=0
        )
        ours, theirs = both(
            network,
            [{"learning_rate_init": [0.003, 0.03]}, {"optimizer": ["sgd"], "momentum": [0.5]}],
            X[:, 1:],
            X[:, 0] - X[:, 0].mean(),
            fit={"sample_weight": np.linspace(0.5, 1.5, len(X))},
            cv=KFold(2, shuffle=True, random_state=0),
            scoring=["r2", "neg_mean_absolute_error"],
            refit="r2",
        )
        assert_equal_results(ours.cv_results_, theirs.cv_results_)
        assert ours.multimetric_

    def test_a_pipeline_whose_scaler_is_fitted_in_every_fold(self):
        pipeline = Pipeline([("scale", StandardScaler()), ("network", NETWORK)])
        grid = {"network__learning_rate_init": [0.001, 0.03], "scale__with_std": [True, False]}
        ours, theirs = both(pipeline, grid, cv=3)
        assert_equal_results(ours.cv_results_, theirs.cv_results_)
        assert len(ours.sweep_) == 12

    def test_widths_that_are_padded(self):
        grid = {"hidden_layer_sizes": [(4,), (6,)], "learning_rate_init": [0.01]}
        ours, theirs = both(NETWORK, grid, cv=2, refit=False)
        assert_equal_results(ours.cv_results_, theirs.cv_results_)

    def test_in_step(self):
        ours = SweepSearchCV(NETWORK, GRID, cv=2, refit=False, plan="vmap").fit(X, FLOWERS)
        theirs = GridSearchCV(NETWORK, GRID, cv=2, refit=False).fit(X, FLOWERS)
        assert_equal_results(ours.cv_results_, theirs.cv_results_)


class TestSeeds:
    def test_each_is_a_fit_with_that_seed(self):
        cv = list(ShuffleSplit(2, test_size=0.3, random_state=0).split(X))
        search = SweepSearchCV(NETWORK, {"beta_1": [0.8, 0.9]}, cv=cv, seeds=[5, 9]).fit(X, FLOWERS)
        assert search.n_splits_ == 4
        for place, beta in enumerate((0.8, 0.9)):
            for fold, (train, test) in enumerate(cv):
                for turn, seed in enumerate((5, 9)):
                    one = clone(NETWORK).set_params(beta_1=beta, random_state=seed)
                    expected = one.fit(X[train], FLOWERS[train]).score(X[test], FLOWERS[test])
                    got = search.cv_results_[f"split{2 * fold + turn}_test_score"][place]
                    assert got == pytest.approx(expected)

    def test_without_a_random_state_it_draws_as_the_grid_search_does(self):
        network = clone(NETWORK).set_params(random_state=None)
        np.random.seed(4)
        ours = SweepSearchCV(network, GRID, cv=2, refit=False).fit(X, FLOWERS)
        np.random.seed(4)
        theirs = GridSearchCV(network, GRID, cv=2, refit=False).fit(X, FLOWERS)
        assert_equal_results(ours.cv_results_, theirs.cv_results_)


class TestFailures:
    def test_a_setting_that_is_refused_has_the_error_score(self):
        grid = {"learning_rate_init": [0.01, -1.0]}
        with pytest.warns((FitFailedWarning, UserWarning)):
            search = SweepSearchCV(NETWORK, grid, cv=2, refit=False).fit(X, FLOWERS)
        assert np.isnan(search.cv_results_["mean_test_score"]).tolist() == [False, True]
        assert len(search.sweep_) == 2

    def test_a_setting_that_diverges_has_the_error_score(self):
        network = MLPRegressor((6,), optimizer="sgd", max_iter=8, tol=None, random_state=0)
        with pytest.warns((FitFailedWarning, UserWarning)):
            search = SweepSearchCV(network, {"learning_rate_init": [0.001, 1e25]}, cv=2, refit=False).fit(
                X[:, 1:], X[:, 0]
            )
        assert np.isnan(search.cv_results_["mean_test_score"]).tolist() == [False, True]

    def test_every_setting_refused(self):
        with pytest.raises(ValueError, match=r"(?s)fits failed.*Did you mean 'relu'"):
            SweepSearchCV(NETWORK, {"activation": ["rellu"]}, cv=2).fit(X, FLOWERS)

    def test_an_unknown_parameter(self):
        with pytest.raises(ValueError, match="Invalid parameter 'learning_rat'"):
            SweepSearchCV(NETWORK, {"learning_rat": [1.0]}, cv=2, error_score="raise").fit(X, FLOWERS)

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [({"n_jobs": 0}, "n_jobs"), ({"seeds": [1, 1]}, "seeds"), ({"plan": "vmapp"}, "Did you mean 'vmap'")],
    )
    def test_an_argument(self, arguments, message):
        with pytest.raises(ValueError, match=message):
            SweepSearchCV(NETWORK, GRID, cv=2, **arguments).fit(X, FLOWERS)

    def test_before_fit(self):
        with pytest.raises(NotFittedError):
            SweepSearchCV(NETWORK, GRID).predict(X)
