"""One program a run: what compiles, how often, and whose buffers it may take."""

from collections import OrderedDict

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxgd
from jaxgd import _programs
from jaxgd.training import EarlyStopping
from jaxgd.training.run import run_chunk

ROWS, FEATURES = 40, 5
X = np.random.default_rng(0).normal(size=(ROWS, FEATURES)).astype(np.float32)
Y = np.random.default_rng(1).normal(size=(ROWS, 1)).astype(np.float32)


def model(rate=0.5, noise=0.1):
    return jaxgd.sequential(
        [
            jaxgd.layers.gaussian_noise(noise),
            jaxgd.layers.dense(6, "relu"),
            jaxgd.layers.dropout(rate),
            jaxgd.layers.dense(1),
        ],
        FEATURES,
    )


def fit(network=None, x=X, y=Y, **options):
    options = {
        "epochs": 2,
        "batch_size": 16,
        "optimizer": jaxgd.optimizers.sgd(0.01, momentum=0.5),
        **options,
    }
    stopping = {
        "early_stopping": EarlyStopping("val_loss", patience=3, baseline=9.0),
        "validation_data": (x[:8], y[:8]),
    }
    return jaxgd.fit(network or model(), x, y, **{**stopping, **options})


@pytest.fixture(scope="module")
def first():
    return fit()


def test_a_long_run_compiles_once():
    network = jaxgd.mlp([FEATURES, 7, 1])  # of a shape that no other test has
    options = {"batch_size": 4, "early_stopping": None, "validation_data": None}
    result = fit(network, epochs=100, **options)
    assert int(result.state.step) == 1000
    assert result.compilations == 1
    assert result.seconds["compile"] > 0
    again = fit(network, epochs=100, **options)
    assert again.compilations == 0
    assert again.seconds["compile"] == 0


VALUES = {
    "nothing": {},
    "learning_rate": {"optimizer": jaxgd.optimizers.sgd(0.5, momentum=0.5)},
    "momentum": {"optimizer": jaxgd.optimizers.sgd(0.01, momentum=0.25)},
    "traced_rate": {"optimizer": jaxgd.optimizers.sgd(jnp.float32(0.02), momentum=0.5)},
    "seed": {"seed": 7},
    "epochs": {"epochs": 5},
    "epochs_0": {"epochs": 0},
    "initial_epoch": {"initial_epoch": 1},
    "patience": {"early_stopping": EarlyStopping("val_loss", patience=1, baseline=9.0)},
    "min_delta": {"early_stopping": EarlyStopping("val_loss", patience=3, baseline=9.0, min_delta=0.1)},
    "baseline": {"early_stopping": EarlyStopping("val_loss", patience=3, baseline=2.0)},
    "start": {"early_stopping": EarlyStopping("val_loss", patience=3, baseline=9.0, start_from_epoch=1)},
    "dropout_rate": {"network": model(rate=0.2)},
    "noise": {"network": model(noise=0.7)},
    "other_rows": {"x": X[::-1] * 2, "y": Y[::-1] + 1},
    "double_input": {"x": X.astype(np.float64), "y": Y.astype(np.float64)},
    "an_equal_model": {"network": model()},
    "own_parameters": {"params": model().init(3)},
    "progress": {"progress": lambda report: True, "epochs": 30},
}


@pytest.mark.parametrize("name", VALUES)
def test_another_value_is_the_same_program(name, first):
    result = fit(**VALUES[name])
    assert result.compilations == 0
    if name not in (
        "nothing",
        "double_input",
        "an_equal_model",
        "patience",
        "min_delta",
        "start",
        "progress",
    ):
        same = jax.tree.map(lambda a, b: bool((a == b).all()), result.params, first.params)
        assert not jax.tree.all(same) or name == "baseline", "the value had no effect"


OTHERS = {
    "optimizer": {"optimizer": "adam"},
    "loss": {"loss": "mean_absolute_error"},
    "batch_size": {"batch_size": 10},
    "metrics": {"metrics": ["mae"]},
    "rows": {"x": X[:30], "y": Y[:30]},
}


@pytest.mark.parametrize("name", OTHERS)
def test_another_structure_is_another_program(name, first):
    assert fit(**OTHERS[name]).compilations == 1
    assert fit(**OTHERS[name]).compilations == 0


def test_progress_reports_do_not_compile(first):
    reports = []
    result = fit(
        epochs=60,
        progress=reports.append,
        early_stopping=EarlyStopping("val_loss", patience=99, baseline=9.0),
    )
    assert len(reports) > 1
    assert result.compilations == 0
    assert reports[-1].epoch == 60
    assert reports[-1].step == reports[-1].steps == int(result.state.step)
    assert [report.step for report in reports] == sorted({report.step for report in reports})


def test_nothing_is_traced_again(first):
    """A metric that counts how often Python sees it."""
    calls = []

    def counted(y_true, y_pred):
        calls.append(1)
        return jnp.abs(y_true - y_pred).mean(axis=-1)

    fit(metrics=[counted])
    traced = len(calls)
    assert traced > 0
    fit(metrics=[counted], seed=3, epochs=9)
    # A fit looks once, abstractly, whether the loss takes the shapes: training and validation rows.
    assert len(calls) - traced <= 4


def counting_step():
    network, calls = jaxgd.mlp([FEATURES, 3, 1]), []

    def objective(params, batch, key):
        calls.append(1)
        return jaxgd.losses.mean_squared_error(batch["y"], network.apply(params, batch["x"]))

    return network, jaxgd.make_step(objective, "sgd"), calls


def test_train_with_another_schedule_of_equal_shape():
    network, step, calls = counting_step()
    data, traced = {"x": X, "y": Y}, []
    for seed, rate in ((0, 0.01), (1, 0.1), (2, 0.5)):
        sgd = jaxgd.optimizers.sgd(rate)
        state = jaxgd.TrainState.create(params=network.init(seed), optimizer=sgd)
        jaxgd.train(step, state, data, jaxgd.make_schedule(ROWS, 8, epochs=3, seed=seed))
        traced.append(len(calls))
    assert traced[0] == traced[1] == traced[2] > 0
    _, other, _ = counting_step()
    assert other != step, "another objective is another step"


def test_train_takes_the_buffers_of_its_state():
    network, step, _ = counting_step()
    params = network.init(0)
    state = jaxgd.TrainState.create(params=params, optimizer="sgd")
    data = {"x": jnp.asarray(X), "y": jnp.asarray(Y)}
    new, _ = jaxgd.train(step, state, data, jaxgd.make_schedule(ROWS, 8))
    assert all(leaf.is_deleted() for leaf in jax.tree.leaves(state.params))
    assert not any(leaf.is_deleted() for leaf in jax.tree.leaves((new, data)))


def test_fit_leaves_the_callers_arrays_alone():
    params, x, y = model().init(0), X.copy(), Y.copy()
    kept = jax.tree.map(np.array, params)
    result = fit(params=params, x=x, y=y, epochs=3)
    assert not any(leaf.is_deleted() for leaf in jax.tree.leaves(params))
    assert jax.tree.all(jax.tree.map(lambda a, b: bool((a == b).all()), params, kept))
    np.testing.assert_array_equal(x, X)
    np.testing.assert_array_equal(y, Y)
    fit(state=result.state, epochs=4, initial_epoch=3)
    assert not any(leaf.is_deleted() for leaf in jax.tree.leaves((result.state, result.params)))


def test_evaluate_and_predict_compile_once(programs):
    network = model()
    for seed in range(3):
        params = network.init(seed)
        before = len(programs)
        jaxgd.evaluate(network, params, X, Y, loss="mse")
        jaxgd.predict(network, params, X)
        added = len(programs) - before
        assert added == (2 if seed == 0 else 0)


@pytest.fixture
def without_programs(monkeypatch):
    """No program is kept from before."""
    monkeypatch.setattr(_programs, "_programs", OrderedDict())
    return monkeypatch


def deep(optimizer="adam"):
    return jaxgd.fit(
        jaxgd.mlp([FEATURES, 6, 6, 1]), X, Y, optimizer=optimizer, epochs=4, batch_size=16, shuffle=True
    )


def test_the_order_in_which_operations_start_changes_no_bit(without_programs):
    in_order = deep()
    without_programs.setattr(_programs, "IN_ORDER", {})
    without_programs.setattr(_programs, "_programs", OrderedDict())
    as_ever = deep()
    assert as_ever.compilations == 1
    for mine, other in zip(jax.tree.leaves(in_order.params), jax.tree.leaves(as_ever.params), strict=True):
        np.testing.assert_array_equal(mine, other)


def test_operations_of_a_step_start_in_their_order(without_programs):
    """XLA sorts a program by how early its operations can start, unless it is told not to."""
    orders = []
    for options in (_programs.IN_ORDER, {}):
        without_programs.setattr(_programs, "IN_ORDER", options)
        without_programs.setattr(_programs, "_programs", OrderedDict())
        deep()
        ((_, call),) = [each for each in _programs._programs.items() if each[0][0] is run_chunk]
        orders.append(call.as_text())
    assert "is_scheduled=true" in orders[0]
    assert orders[0] != orders[1]


def test_a_version_of_xla_without_the_option_compiles_as_ever(without_programs):
    expected = deep()
    without_programs.setattr(_programs, "IN_ORDER", {"xla_cpu_no_such_option": True})
    without_programs.setattr(_programs, "_programs", OrderedDict())
    found = deep()
    assert found.compilations == 1
    assert found.history["loss"].tolist() == expected.history["loss"].tolist()
