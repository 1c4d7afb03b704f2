"""How many programs a sweep compiles: one a family, whatever the number of values."""

import numpy as np
import pytest

import jaxgd
from jaxgd import optimizers
from jaxgd.sweeps import sweep
from jaxgd.training import EarlyStopping


@pytest.fixture
def rows(rng):
    x = rng.normal(size=(20, 3)).astype(np.float32)
    return x, rng.integers(0, 2, 20)


COMMON = {"loss": "sparse_categorical_crossentropy", "epochs": 2, "batch_size": 8, "validation_split": 0.2}


def network(*hidden):
    return jaxgd.mlp([3, *hidden, 2], "tanh", "softmax")


@pytest.mark.parametrize("plan", ["sequential", "map", ("vmap", 4)])
def test_a_hundred_settings_of_numbers_and_seeds_are_one_program(rows, plan):
    numbers = np.random.RandomState(0).uniform(0.1, 0.9, size=(25, 4))
    grid = [
        {"learning_rate": a, "beta_1": b, "beta_2": c, "weight_decay": d, "patience": int(10 * d)}
        for a, b, c, d in numbers.tolist()
    ]
    # a width of its own for each plan: the programs of the other cases are there already
    model = network({"sequential": 5, "map": 6}.get(str(plan), 7))
    table = sweep(
        model,
        *rows,
        grid=grid,
        seeds=4,
        optimizer=optimizers.adam(weight_decay=0.1),
        early_stopping=EarlyStopping(),
        plan=plan,
        lanes=2,
        **COMMON,
    )
    assert len(table) == 100
    assert table.compilations == 1
    again = sweep(
        model,
        *rows,
        grid={"learning_rate": [0.3]},
        seeds=[9, 11, 12, 13],
        optimizer=optimizers.adam(weight_decay=0.7),
        early_stopping=EarlyStopping(patience=3),
        plan=plan,
        **{**COMMON, "epochs": 5},
    )
    assert again.compilations == 0


def test_a_sequential_sweep_shares_the_program_of_fit(rows):
    model = network(8)
    assert jaxgd.fit(model, *rows, optimizer="sgd", **COMMON).compilations == 1
    table = sweep(
        model, *rows, grid={"learning_rate": [0.1, 0.2]}, optimizer="sgd", plan="sequential", **COMMON
    )
    assert table.compilations == 0


def test_what_is_structure_is_a_program_each(rows):
    grid = {"batch_size": [4, 8], "activation": ["relu", "elu"]}
    table = sweep(network(4), *rows, grid=grid, seeds=2, optimizer="sgd", plan="map", **COMMON)
    assert table.compilations == 4


def test_folds_of_two_sizes_are_two_programs(rows):
    common = {name: value for name, value in COMMON.items() if name != "validation_split"}
    even = sweep(network(9), *rows, folds=4, optimizer="sgd", plan="sequential", **common)
    assert even.compilations == 1
    uneven = sweep(network(9), *rows, folds=3, optimizer="sgd", plan="sequential", **common)
    assert uneven.compilations == 2


def test_a_measurement_decides_between_programs_that_are_then_used(rows, monkeypatch):
    monkeypatch.setattr("jaxgd.sweeps.plan._WORTH", 1e-3)
    table = sweep(network(11), *rows, seeds=64, optimizer="sgd", lanes=2, **COMMON)
    measured = [line for line in table.plans if "measured" in line]
    assert len(measured) >= 2
    assert table.compilations == len(measured)  # the one that was chosen was compiled for its measurement
    alone = jaxgd.fit(network(11), *rows, optimizer="sgd", seed=table[0].seed, **COMMON)
    assert table[0].value("val_loss") == pytest.approx(float(alone.history["val_loss"][-1]), rel=2e-6)
