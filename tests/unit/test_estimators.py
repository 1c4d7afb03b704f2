"""The estimators: what they compute, what they learn, and what they refuse."""

import pickle
import subprocess
import sys
import warnings

import jax
import numpy as np
import polars
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_iris
from sklearn.exceptions import ConvergenceWarning, DataConversionWarning, NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

import jaxgd
from jaxgd.estimators import MLPClassifier, MLPRegressor

X, Y = load_iris(return_X_y=True)
X = X.astype(np.float32)
FLOWERS = np.array(["setosa", "versicolor", "virginica"])[Y]
LENGTH = X[:, 0].astype(np.float64)
SHORT = {"max_iter": 3, "tol": None, "random_state": 0}


def classifier(**parameters):
    return MLPClassifier(**{"hidden_layer_sizes": (6,), **SHORT, **parameters})


def regressor(**parameters):
    return MLPRegressor(**{"hidden_layer_sizes": (6,), **SHORT, **parameters})


@pytest.fixture(scope="module")
def fitted():
    return classifier(learning_rate_init=0.02, max_iter=60).fit(X, FLOWERS)


def assert_equal_trees(a, b):
    jax.tree.map(np.testing.assert_array_equal, a, jax.device_get(b))


class TestAgainstFit:
    def test_classifier_is_fit_bit_for_bit(self):
        estimator = MLPClassifier((6,), batch_size=32, dropout=0.25, kernel_regularizer="l2", **SHORT).fit(
            X, Y
        )
        stack = [
            jaxgd.layers.dense(6, "relu", kernel_regularizer="l2"),
            jaxgd.layers.dropout(0.25),
            jaxgd.layers.dense(3, "softmax", kernel_regularizer="l2"),
        ]
        model = jaxgd.sequential(stack, 4)
        result = jaxgd.fit(
            model, X, Y, loss="sparse_categorical_crossentropy", optimizer="adam", epochs=3, seed=0
        )
        assert_equal_trees(estimator.params_, result.params)
        assert estimator.loss_curve_ == result.history["loss"].tolist()
        np.testing.assert_array_equal(estimator.predict_proba(X), jaxgd.predict(model, result.params, X))

    def test_regressor_is_fit_bit_for_bit(self):
        estimator = regressor(optimizer="sgd", momentum=0.5, nesterovs_momentum=True).fit(X[:, 1:], LENGTH)
        model = jaxgd.mlp([3, 6, 1])
        optimizer = jaxgd.optimizers.sgd(momentum=0.5, nesterov=True)
        result = jaxgd.fit(
            model, X[:, 1:], LENGTH[:, None], optimizer=optimizer, epochs=3, batch_size=150, seed=0
        )
        assert_equal_trees(estimator.params_, result.params)

    def test_partial_fit_is_an_epoch_of_fit(self):
        in_one = classifier().fit(X, Y)
        in_steps = classifier()
        for _ in range(3):
            in_steps.partial_fit(X, Y, classes=[0, 1, 2])
        assert_equal_trees(in_steps.params_, in_one.params_)
        assert (in_steps.n_iter_, in_steps.loss_curve_, in_steps.t_) == (3, in_one.loss_curve_, 450)

    def test_weights_are_those_of_fit(self):
        weights = np.linspace(0.0, 2.0, len(X))
        estimator = classifier().fit(X, Y, sample_weight=weights)
        result = jaxgd.fit(
            estimator.model_,
            X,
            Y,
            loss="sparse_categorical_crossentropy",
            optimizer="adam",
            epochs=3,
            batch_size=150,
            sample_weight=weights,
        )
        assert_equal_trees(estimator.params_, result.params)

    def test_warm_start_begins_with_the_parameters_and_a_new_optimizer(self):
        estimator = classifier(warm_start=True).fit(X, Y)
        before = estimator.params_
        estimator.fit(X, Y)
        result = jaxgd.fit(
            estimator.model_,
            X,
            Y,
            loss="sparse_categorical_crossentropy",
            optimizer="adam",
            epochs=3,
            batch_size=150,
            params=before,
        )
        assert_equal_trees(estimator.params_, result.params)
        assert (estimator.n_iter_, len(estimator.loss_curve_)) == (3, 6)


class TestLearned:
    def test_what_it_learned(self, fitted):
        assert fitted.classes_.tolist() == ["setosa", "versicolor", "virginica"]
        assert (fitted.n_features_in_, fitted.n_layers_, fitted.n_outputs_) == (4, 3, 3)
        assert fitted.out_activation_ == "softmax"
        assert [kernel.shape for kernel in fitted.coefs_] == [(4, 6), (6, 3)]
        assert [bias.shape for bias in fitted.intercepts_] == [(6,), (3,)]
        assert fitted.n_iter_ == len(fitted.loss_curve_) == 60
        assert fitted.loss_ == fitted.loss_curve_[-1]
        assert fitted.best_loss_ == min(fitted.loss_curve_)

    def test_it_learned_something(self, fitted):
        assert fitted.score(X, FLOWERS) > 0.9
        probabilities = fitted.predict_proba(X)
        np.testing.assert_allclose(probabilities.sum(axis=1), 1.0, rtol=1e-6)  # a few roundings of float32
        assert (fitted.classes_[probabilities.argmax(axis=1)] == fitted.predict(X)).all()
        np.testing.assert_array_equal(fitted.predict_log_proba(X), np.log(probabilities))

    def test_two_classes_have_one_output(self):
        two = classifier(learning_rate_init=0.02, max_iter=40).fit(X[:100], FLOWERS[:100])
        assert two.n_outputs_ == 1
        assert two.predict_proba(X[:100]).shape == (100, 2)
        assert two.score(X[:100], FLOWERS[:100]) == 1.0

    def test_several_labels_a_row(self):
        table = np.stack([Y == 0, Y == 2], axis=1).astype(int)
        several = classifier(learning_rate_init=0.05, max_iter=60).fit(X, table)
        predicted = several.predict(X)
        assert predicted.shape == (150, 2)
        assert set(np.unique(predicted)) == {0, 1}
        assert (predicted[:, 0] == table[:, 0]).all()
        np.testing.assert_array_equal(several.predict_proba(X) > 0.5, predicted.astype(bool))

    def test_several_targets(self):
        targets = np.stack([LENGTH, -LENGTH], axis=1)
        several = regressor(learning_rate_init=0.05, max_iter=100).fit(X[:, 1:], targets)
        assert several.predict(X[:, 1:]).shape == (150, 2)
        assert several.score(X[:, 1:], targets) > 0.5

    def test_the_output_of_poisson_is_positive(self):
        counts = regressor(loss="poisson").fit(X[:, 1:], np.round(LENGTH))
        assert (counts.predict(X[:, 1:] * 0 - 50.0) >= 0).all()
        assert counts.out_activation_ == "exponential"

    @pytest.mark.parametrize(
        "loss", ["categorical_crossentropy", "categorical_focal_crossentropy", "mean_squared_error"]
    )
    def test_losses_of_one_hot_targets(self, loss):
        estimator = classifier(loss=loss, learning_rate_init=0.05, max_iter=60).fit(X, FLOWERS)
        assert estimator.score(X, FLOWERS) > 0.8

    def test_a_categorical_loss_of_two_classes(self):
        estimator = classifier(loss="sparse_categorical_crossentropy").fit(X[:100], Y[:100])
        assert estimator.n_outputs_ == 2

    def test_names_of_scikit_learn_for_activations(self):
        a, b = (classifier(activation=name).fit(X, Y) for name in ("logistic", "sigmoid"))
        assert_equal_trees(a.params_, b.params_)
        assert (a.model_, a.compilations_ + b.compilations_) == (b.model_, 1)

    def test_sparse_rows_are_made_dense(self, fitted):
        assert_equal_trees(classifier().fit(sparse.csr_matrix(X), Y).params_, classifier().fit(X, Y).params_)
        np.testing.assert_array_equal(fitted.predict(sparse.csc_array(X)), fitted.predict(X))

    def test_a_prediction_does_not_depend_on_the_other_rows(self, fitted):
        several = fitted.predict_proba(X[:30])  # as many rows as one is filled up to
        np.testing.assert_array_equal(fitted.predict_proba(X[7:8]), several[7:8])


class TestStopping:
    def test_the_loss_stops_it(self):
        estimator = classifier(tol=10.0, n_iter_no_change=4, max_iter=50).fit(X, Y)
        assert estimator.n_iter_ == 5  # the first epoch is the best, then four without an improvement of 10

    def test_infinite_patience_never_stops_it(self):
        with pytest.warns(ConvergenceWarning, match="max_iter=6"):
            estimator = classifier(tol=10.0, n_iter_no_change=np.inf, max_iter=6).fit(X, Y)
        assert estimator.n_iter_ == 6

    def test_a_warning_if_nothing_stopped_it(self):
        with pytest.warns(ConvergenceWarning, match="max_iter=3"):
            classifier(tol=1e-9).fit(X, Y)

    def test_held_out_rows_stop_it_and_the_best_parameters_are_kept(self):
        estimator = classifier(
            early_stopping=True, n_iter_no_change=3, max_iter=200, learning_rate_init=0.01
        ).fit(X, FLOWERS)
        scores = estimator.validation_scores_
        assert len(scores) == estimator.n_iter_ < 200
        assert estimator.best_validation_score_ == max(scores)
        assert estimator.best_loss_ is None

    def test_a_regressor_stops_by_r2(self):
        targets = (LENGTH - LENGTH.mean()) / LENGTH.std()
        estimator = regressor(
            early_stopping=True, n_iter_no_change=5, max_iter=300, learning_rate_init=0.02
        ).fit(X[:, 1:], targets)
        assert 0.3 < estimator.best_validation_score_ <= 1.0


class TestWithinScikitLearn:
    def test_clone_and_parameters(self, fitted):
        copy = clone(fitted)
        assert copy.get_params() == fitted.get_params()
        assert not hasattr(copy, "params_")
        assert copy.set_params(max_iter=7).max_iter == 7

    def test_pickle(self, fitted):
        again = pickle.loads(pickle.dumps(fitted))
        np.testing.assert_array_equal(again.predict_proba(X), fitted.predict_proba(X))
        a, b = (pickle.loads(pickle.dumps(fitted)).partial_fit(X, FLOWERS), again.partial_fit(X, FLOWERS))
        assert_equal_trees(a.params_, b.params_)
        assert not np.array_equal(a.coefs_[0], fitted.coefs_[0])

    def test_pipeline_and_cross_validation(self):
        pipeline = make_pipeline(StandardScaler(), classifier(learning_rate_init=0.05, max_iter=60))
        scores = cross_val_score(pipeline, X, FLOWERS, cv=3)
        assert scores.shape == (3,)
        assert scores.min() > 0.85

    def test_column_transformer_with_names(self):
        table = polars.DataFrame({"length": X[:, 0], "width": X[:, 1], "kind": np.array(["a", "b", "c"])[Y]})
        columns = ColumnTransformer(
            [("kind", OneHotEncoder(), ["kind"]), ("numbers", StandardScaler(), ["length", "width"])]
        )
        pipeline = make_pipeline(columns, classifier(learning_rate_init=0.1, max_iter=40)).fit(table, Y)
        assert pipeline.score(table, Y) == 1.0

    def test_grid_search(self):
        search = GridSearchCV(
            classifier(max_iter=20), {"learning_rate_init": [1e-5, 0.05], "optimizer": ["adam"]}, cv=3
        ).fit(X, FLOWERS)
        assert search.best_params_["learning_rate_init"] == 0.05

    def test_feature_names_are_kept_and_checked(self):
        table = polars.DataFrame({name: X[:, place] for place, name in enumerate("abcd")})
        estimator = classifier().fit(table, Y)
        assert estimator.feature_names_in_.tolist() == list("abcd")
        with pytest.raises(ValueError, match="feature names"):
            estimator.predict(table.rename({"a": "other"}))

    def test_importing_jaxgd_does_not_import_scikit_learn(self):
        code = "import sys, jaxgd; print('sklearn' in sys.modules, jaxgd.estimators.MLPClassifier.__name__)"
        done = subprocess.run(  # jaxgd.estimators itself does
            [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120
        )
        assert done.stdout.split() == ["False", "MLPClassifier"]


class TestRefused:
    @pytest.mark.parametrize(
        ("parameters", "message"),
        [
            ({"activation": "rellu"}, "Did you mean 'relu'"),
            ({"optimizer": "adamm"}, "Did you mean 'adam"),
            ({"loss": "sparse_categorical_crossentropi"}, "Did you mean 'sparse_categorical_crossentropy'"),
            ({"loss": "binary_crossentropy"}, "is for two classes, and y has 3"),
            ({"optimizer": "adam", "momentum": 0.9}, "Adam has no 'momentum'"),
            ({"learning_rate_init": -1.0}, "learning_rate"),
            ({"max_iter": 0}, "max_iter: expected"),
            ({"batch_size": "all"}, "batch_size: expected"),
            ({"batch_size": 0}, "batch_size: expected"),
            ({"hidden_layer_sizes": (0,)}, "hidden_layer_sizes: expected an integer of at least 1, got 0"),
            ({"dropout": 1.5}, "rate"),
            ({"tol": -1.0}, "tol: expected"),
            ({"early_stopping": True, "validation_fraction": 1.0}, "validation_fraction: expected"),
            ({"dtype": "float46"}, "float46"),
        ],
    )
    def test_a_parameter(self, parameters, message):
        with pytest.raises(ValueError, match=message):
            classifier(**parameters).fit(X, Y)

    def test_the_type_of_a_parameter(self):
        with pytest.raises(TypeError, match="random_state: expected an integer"):
            classifier(random_state="0").fit(X, Y)

    @pytest.mark.parametrize("method", ["predict", "predict_proba"])
    def test_before_fit(self, method):
        with pytest.raises(NotFittedError, match="MLPClassifier"):
            getattr(classifier(), method)(X)

    @pytest.mark.parametrize(
        ("x", "y", "message"),
        [
            (X[:, 0], Y, "2D array"),
            (X[:10], Y, "inconsistent numbers of samples"),
            (np.where(X[0, 0] == X, np.nan, X), Y, "NaN"),
            (X.astype(np.float64) * 1e300, Y, "infinity or a value too large"),
            (X, LENGTH, "continuous"),
            (X, np.stack([Y, Y], axis=1), "one classifier a column"),
            (X, np.where(Y == 0, np.nan, Y), "NaN"),
        ],
        ids=["rank", "rows", "NaN", "too large", "continuous", "several columns of classes", "NaN labels"],
    )
    def test_data_of_a_classifier(self, x, y, message):
        with pytest.raises(ValueError, match=message):
            classifier().fit(x, y)

    @pytest.mark.parametrize(
        ("y", "message"),
        [
            (FLOWERS, "MLPClassifier"),
            (FLOWERS.astype(object), "could not convert string"),
            (np.where(Y == 0, np.inf, LENGTH), "infinity"),
            (LENGTH * 1e300, "too large"),
        ],
        ids=["strings", "objects", "infinite", "too large"],
    )
    def test_targets_of_a_regressor(self, y, message):
        with pytest.raises(ValueError, match=message):
            regressor().fit(X, y)

    def test_rows_with_other_features(self, fitted):
        with pytest.raises(ValueError, match="3 features"):
            fitted.predict(X[:, :3])

    @pytest.mark.parametrize(
        ("weights", "message"),
        [
            (np.zeros(150), "zero"),
            (-np.ones(150), "egative"),
            (np.ones(3), r"sample_weight.shape"),
            (np.full(150, np.nan), "NaN"),
        ],
        ids=["zeros", "negative", "shape", "NaN"],
    )
    def test_weights(self, weights, message):
        with pytest.raises(ValueError, match=message):
            classifier().fit(X, Y, sample_weight=weights)

    def test_partial_fit_with_an_unknown_label(self):
        estimator = classifier().partial_fit(X[:100], Y[:100], classes=[0, 1])
        with pytest.raises(ValueError, match=r"classes \[0, 1\], got \[2\]"):
            estimator.partial_fit(X, Y)

    def test_partial_fit_with_other_classes(self):
        estimator = classifier().partial_fit(X[:100], Y[:100], classes=[0, 1])
        with pytest.raises(ValueError, match="as at the first call"):
            estimator.partial_fit(X[:100], Y[:100], classes=[0, 1, 2])

    def test_partial_fit_with_early_stopping(self):
        with pytest.raises(ValueError, match="partial_fit does not support"):
            classifier(early_stopping=True).partial_fit(X, Y)

    def test_warm_start_of_another_network(self):
        estimator = classifier(warm_start=True).fit(X, Y)
        with pytest.raises(ValueError, match="set warm_start=False"):
            estimator.set_params(hidden_layer_sizes=(7,)).fit(X, Y)

    def test_warm_start_with_a_new_label(self):
        estimator = classifier(warm_start=True).fit(X[:100], Y[:100])
        with pytest.raises(ValueError, match="expected labels among classes"):
            estimator.fit(X, Y)

    def test_several_labels_with_a_loss_of_one(self):
        with pytest.raises(ValueError, match="several labels a row"):
            classifier(loss="categorical_crossentropy").fit(X, np.stack([Y == 0, Y == 2], axis=1).astype(int))

    def test_a_run_that_diverges_says_where_and_keeps_what_was(self):
        estimator = regressor().fit(X, LENGTH)
        before = estimator.params_
        estimator.set_params(optimizer="sgd", learning_rate_init=1e20, max_iter=50)
        with pytest.raises(ValueError, match=r"diverged.*epoch.*StandardScaler"):
            estimator.fit(X, LENGTH)
        assert estimator.params_ is before

    def test_a_column_of_targets_is_taken_with_a_warning(self):
        with pytest.warns(DataConversionWarning):
            column = regressor().fit(X, LENGTH[:, None])
        assert column.predict(X).shape == (150,)


def test_nothing_is_warned_of_where_nothing_is_wrong():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        classifier().fit(X, FLOWERS).predict(X)
