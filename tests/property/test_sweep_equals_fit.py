"""Every member of a sweep is what `fit` gives with the same settings: bit for bit, or to rounding in step."""

import jax
import numpy as np
import pytest

import jaxgd
from jaxgd import optimizers
from jaxgd.sweeps import Halving, sweep
from jaxgd.sweeps.folds import fold_rows
from jaxgd.training import EarlyStopping

ROWS = 44  # no multiple of the batch size


@pytest.fixture
def rows(rng):
    x = rng.normal(size=(ROWS, 3)).astype(np.float32)
    y = (x @ rng.normal(size=(3, 2))).argmax(axis=1)
    return x, y


def classifier(*hidden, dropout=0.0, dtype="float32"):
    return jaxgd.mlp([3, *hidden, 2], "tanh", "softmax", dropout=dropout, dtype=dtype)


COMMON = {
    "loss": "sparse_categorical_crossentropy",
    "epochs": 3,
    "batch_size": 8,
    "metrics": ["accuracy"],
    "validation_split": 0.25,
}


def in_order(table):
    return sorted(table, key=lambda member: member.number)


def assert_equal(member, result, tolerance):
    """Parameters and history; the tolerance is relative to the largest of a layer or column, 0 for bits.

    Of a layer, not of each array: the biases of a softmax add up to 0, and what two small ones differ by is
    the rounding of sums whose terms are as large as the kernel's.
    """
    assert jax.tree.structure(member.params) == jax.tree.structure(jax.device_get(result.params))
    assert list(member.history) == list(result.history)
    groups = [(member.params[layer], result.params[layer]) for layer in result.params]
    groups += [(member.history[name], result.history[name]) for name in result.history]
    for ours, theirs in groups:
        largest = max(float(np.abs(leaf).max()) for leaf in jax.tree.leaves(theirs))
        for one, other in zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True):
            assert np.shape(one) == np.shape(other)
            if tolerance:
                np.testing.assert_allclose(one, other, rtol=tolerance, atol=tolerance * largest)
            else:
                np.testing.assert_array_equal(one, other)


def run_alone(model, optimizer, rows, seed=0, **more):
    return jaxgd.fit(model, *rows, optimizer=optimizer, seed=seed, **{**COMMON, **more})


@pytest.mark.parametrize(
    ("plan", "tolerance"),
    [("sequential", 0), ("map", 0), (("map", 2), 0), (("vmap", 2), 2e-6), ("vmap", 2e-6)],
)
def test_seeds_and_learning_rates(rows, plan, tolerance):
    rates = [0.1, 0.01, 0.5]
    table = sweep(
        classifier(5),
        *rows,
        grid={"learning_rate": rates},
        seeds=[0, 7],
        optimizer="sgd",
        plan=plan,
        **COMMON,
    )
    for member in in_order(table):
        alone = run_alone(classifier(5), optimizers.sgd(member.settings["learning_rate"]), rows, member.seed)
        assert_equal(member, alone, tolerance)


@pytest.mark.parametrize("plan", ["map", "vmap"])
def test_float64_to_the_last_digits(rows, plan, x64):
    x, y = rows
    rows = x.astype(np.float64), y
    model = classifier(5, dtype="float64")
    table = sweep(
        model, *rows, grid={"learning_rate": [0.1, 0.01]}, seeds=2, optimizer="adam", plan=plan, **COMMON
    )
    for member in in_order(table):
        alone = run_alone(model, optimizers.adam(member.settings["learning_rate"]), rows, member.seed)
        assert_equal(member, alone, 1e-12 if plan == "vmap" else 0)


@pytest.mark.parametrize("plan", ["map", "vmap"])
def test_dropout_rates_and_epochs_are_inputs(rows, plan):
    grid = {"dropout": [0.1, 0.4], "epochs": [2, 4]}
    table = sweep(classifier(6), *rows, grid=grid, seeds=2, optimizer="sgd", plan=plan, **COMMON)
    assert table.compilations == 1
    for member in in_order(table):
        model = classifier(6, dropout=member.settings["dropout"])
        alone = run_alone(model, "sgd", rows, member.seed, epochs=member.settings["epochs"])
        assert_equal(member, alone, 0 if plan == "map" else 2e-6)


@pytest.mark.parametrize("plan", [("map", 4), ("vmap", 3)])
def test_early_stopping_ends_each_member_by_itself(rows, plan):
    stopping = EarlyStopping("val_loss", patience=1, restore_best_weights=True)
    more = {"early_stopping": stopping, "epochs": 12}
    rates = [2.0, 0.5, 0.05, 4.0, 1.0]
    table = sweep(
        classifier(5),
        *rows,
        grid={"learning_rate": rates},
        seeds=2,
        optimizer="sgd",
        plan=plan,
        **{**COMMON, **more},
    )
    assert len({member.epochs for member in table}) > 2  # else nothing was compacted
    for member in in_order(table):
        alone = run_alone(
            classifier(5), optimizers.sgd(member.settings["learning_rate"]), rows, member.seed, **more
        )
        assert (member.stopped_early, member.best_epoch) == (alone.stopped_early, alone.best_epoch)
        # training at these rates amplifies the rounding of a step
        assert_equal(member, alone, 5e-5 if plan[0] == "vmap" else 0)


def test_folds_are_fits_on_the_other_rows(rows):
    x, y = rows
    common = {name: value for name, value in COMMON.items() if name != "validation_split"}
    table = sweep(classifier(4), x, y, folds=3, seeds=2, optimizer="sgd", plan="sequential", **common)
    held_out = fold_rows(ROWS, 3, labels=y)
    assert len(table) == 6
    for member in in_order(table):
        out = held_out[member.fold]
        kept = np.setdiff1d(np.arange(ROWS), out)
        alone = jaxgd.fit(
            classifier(4),
            x[kept],
            y[kept],
            validation_data=(x[out], y[out]),
            optimizer="sgd",
            seed=member.seed,
            **common,
        )
        assert_equal(member, alone, 0)


@pytest.mark.parametrize("plan", ["sequential", "vmap"])
def test_survivors_of_halving_end_as_if_trained_in_one_go(rows, plan):
    rates = [0.5, 0.1, 0.01, 0.001]
    common = {**COMMON, "epochs": 5}
    table = sweep(
        classifier(5),
        *rows,
        grid={"learning_rate": rates},
        optimizer="sgd",
        halving=Halving(2, 2),
        plan=plan,
        **common,
    )
    assert [member.status for member in table].count("dropped") == 3
    assert {member.epochs for member in table} == {2, 4, 5}
    alone = run_alone(classifier(5), optimizers.sgd(table.best.settings["learning_rate"]), rows, epochs=5)
    assert_equal(table.best, alone, 2e-6 if plan == "vmap" else 0)


def test_refit_takes_all_rows_and_the_best_settings(rows):
    table = sweep(
        classifier(5),
        *rows,
        grid={"learning_rate": [0.001, 0.5]},
        seeds=2,
        optimizer="sgd",
        refit=True,
        **COMMON,
    )
    best = table.by_settings()[0]
    seed = min(best.members, key=lambda member: member.value("val_loss")).seed
    alone = run_alone(
        classifier(5), optimizers.sgd(best.settings["learning_rate"]), rows, seed, validation_split=0.0
    )
    for ours, theirs in zip(
        jax.tree.leaves(table.refitted.params), jax.tree.leaves(alone.params), strict=True
    ):
        np.testing.assert_array_equal(ours, theirs)


def test_schedules_optimizers_and_losses_are_axes(rows):
    schedule = jaxgd.schedules.exponential_decay(0.1, 10, 0.5)
    grid = [
        {"optimizer": optimizers.sgd(schedule), "loss": "sparse_categorical_crossentropy"},
        {"optimizer": "adam", "loss": "sparse_categorical_crossentropy"},
        {"optimizer": "adam", "loss": jaxgd.losses.get("sparse_categorical_crossentropy", ignore_class=0)},
    ]
    table = sweep(classifier(5), *rows, grid=grid, monitor="val_accuracy", **COMMON)
    assert table.compilations == 3
    for member in in_order(table):
        settings = member.settings
        alone = run_alone(classifier(5), settings["optimizer"], rows, loss=settings["loss"])
        assert_equal(member, alone, 0)


def test_models_are_an_axis(rows):
    models = {"small": classifier(3), "deep": classifier(4, 4)}
    table = sweep(models, *rows, optimizer="sgd", pad=False, **COMMON)
    for member in in_order(table):
        assert_equal(member, run_alone(models[member.settings["model"]], "sgd", rows), 0)
