"""How often estimators compile."""

from typing import Any

import jax
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import KFold

from jaxgd.estimators import MLPClassifier, SweepSearchCV

SOURCE = np.random.default_rng(5)
X = SOURCE.normal(size=(90, 3)).astype(np.float32)
Y = (X[:, 0] > 0).astype(int)


def network(**parameters):
    return MLPClassifier((5,), **{"max_iter": 2, "tol": None, "random_state": 0, **parameters})


def test_fits_of_the_same_shapes_compile_once():
    first = network(activation="softplus").fit(X, Y)
    others = [
        network(activation="softplus", learning_rate_init=0.5, beta_1=0.5, max_iter=3, random_state=7),
        network(activation="softplus", optimizer="adam", epsilon=1e-3),
    ]
    assert first.compilations_ == 1
    assert [other.fit(-X, Y).compilations_ for other in others] == [0, 0]


def test_another_number_of_rows_is_predicted_by_the_same_program(programs):
    fitted = network(activation="mish").fit(X, Y)
    fitted.predict(X[:20])
    before = len(programs)
    for count in (1, 7, 32):
        fitted.predict(X[:count])
    assert len(programs) == before


def test_a_search_compiles_one_program_for_folds_and_settings():
    grid = {"learning_rate_init": [0.01, 0.1, 0.2], "beta_1": [0.8, 0.9]}
    search = SweepSearchCV(network(activation="elu"), grid, cv=3, seeds=2).fit(X, Y)
    assert len(search.sweep_) == 3 * 2 * 3 * 2
    assert search.sweep_.compilations == 1


@pytest.mark.parametrize(("plan", "shuffle"), [("map", True), ("vmap", True), ("sequential", False)])
def test_folds_of_two_sizes_share_a_program(plan, shuffle):
    """57 and 58 rows train; each fit is what it is alone, bit for bit but in step."""
    width = {"map": 6, "vmap": 7, "sequential": 8}[plan]  # a program of its own for each case
    alone = MLPClassifier((width,), max_iter=3, batch_size=16, tol=None, random_state=0, shuffle=shuffle)
    splits = list(KFold(3).split(X[:86]))
    assert {len(train) for train, _ in splits} == {57, 58}
    grid = {"learning_rate_init": [0.01, 0.2]}
    search = SweepSearchCV(alone, grid, cv=splits, plan=plan, n_jobs=1, refit=False).fit(X[:86], Y[:86])
    assert search.sweep_.compilations == 1
    for member in search.sweep_:
        setting, fold = divmod(member.number, 3)
        own: Any = clone(alone)
        own.set_params(learning_rate_init=grid["learning_rate_init"][setting])
        own.fit(X[:86][splits[fold][0]], Y[:86][splits[fold][0]])
        for ours, theirs in zip(jax.tree.leaves(member.params), jax.tree.leaves(own.params_), strict=True):
            np.testing.assert_allclose(
                ours, theirs, rtol=1e-5 * (plan == "vmap"), atol=1e-6 * (plan == "vmap")
            )


def test_folds_whose_last_batch_is_full_have_a_program_each():
    """Their program has no mask for rows that are missing."""
    splits = list(KFold(3).split(X[:71]))
    assert {len(train) for train, _ in splits} == {47, 48}
    network = MLPClassifier((5,), max_iter=1, batch_size=16, tol=None, random_state=0, activation="selu")
    search = SweepSearchCV(network, {"beta_1": [0.5]}, cv=splits, plan="map", refit=False)
    assert search.fit(X[:71], Y[:71]).sweep_.compilations == 2


@pytest.mark.parametrize(("plan", "shuffle"), [("map", True), ("vmap", "keras"), ("sequential", False)])
def test_scores_and_the_last_fit_compile_nothing_for_an_architecture(plan, shuffle, programs):
    """Three widths are trained by one program and scored by one, and the best is fitted by the first."""
    alone: Any = MLPClassifier((4,), max_iter=3, batch_size=16, tol=None, random_state=0, shuffle=shuffle)
    alone.set_params(activation="hard_sigmoid", dtype="float32")
    before = len(programs)
    grid = {"hidden_layer_sizes": [(4,), (6,), (7,)]}
    search = SweepSearchCV(alone, grid, cv=3, plan=plan, n_jobs=1).fit(X[:85], Y[:85])
    assert search.sweep_.compilations == 1
    assert len(programs) == before + 2
    best: Any = search.best_estimator_
    own: Any = clone(alone).set_params(**search.best_params_).fit(X[:85], Y[:85])
    for fitted in (best, own):  # it goes on with the slots of the optimizer
        fitted.partial_fit(X[:85], Y[:85])
    assert jax.tree.structure(best.state_) == jax.tree.structure(own.state_)
    for ours, theirs in zip(jax.tree.leaves(best.state_), jax.tree.leaves(own.state_), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)
