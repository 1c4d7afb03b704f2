"""How often estimators compile."""

import numpy as np

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
