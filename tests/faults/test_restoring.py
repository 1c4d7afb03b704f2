"""What a report of a divergence says, and runs that go back and on with half the learning rate."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxgd
from jaxgd.checkpoints import tree_digest
from jaxgd.optimizers._scaling import scale_learning_rate
from jaxgd.training import Divergence

ROWS, BATCH = 24, 8
X = np.random.default_rng(1).normal(size=(ROWS, 4)).astype(np.float32)
Y = np.random.default_rng(2).normal(size=(ROWS, 2)).astype(np.float32)
LINEAR = jaxgd.mlp([4, 2])
MODEL = jaxgd.mlp([4, 3, 2])


def fit(optimizer, model=LINEAR, **options):
    return jaxgd.fit(model, X, Y, optimizer=optimizer, **{"batch_size": BATCH, "epochs": 60, **options})


def restoring(rate=3.0, **options):
    sgd = jaxgd.optimizers.sgd(rate)
    return fit(sgd, **{"on_divergence": "restore", "max_halvings": 6, **options})


def digests(result):
    kept = {"params": result.params, "state": result.state, "history": dict(result.history)}
    return {name: tree_digest(tree) for name, tree in kept.items()}


def test_going_back_mends_an_exploding_rate():
    stopped, result = fit(jaxgd.optimizers.sgd(3.0)), restoring()
    assert stopped.divergence is not None
    assert result.divergence is None
    assert result.history.epochs == 60
    assert np.isfinite(result.history["loss"]).all()
    halvings = len(result.restored)
    assert 1 <= halvings <= 6
    rate = float(result.state.opt_state.hyperparameters["learning_rate"])
    assert rate == 3.0 / 2**halvings
    assert str(result.restored[0]) == str(stopped.divergence)
    assert result.compilations == 0, "the numbers of the optimizer are inputs"
    assert result.history["loss"][-1] < stopped.history["loss"].min()


def test_what_follows_a_return_is_a_run_from_that_state_with_half_the_rate():
    """The start of the epoch with the lowest loss, found by hand."""
    stopped, result = fit(jaxgd.optimizers.sgd(3.0)), restoring(max_halvings=1)
    best = int(np.argmin(stopped.history["loss"]))
    before = fit(jaxgd.optimizers.sgd(3.0), epochs=best)
    state = before.state.replace(opt_state=scale_learning_rate(before.state.opt_state, 0.5))
    after = fit(jaxgd.optimizers.sgd(3.0), state=state, initial_epoch=best)
    expected = np.concatenate([stopped.history["loss"][:best], after.history["loss"]])
    np.testing.assert_array_equal(result.history["loss"], expected)
    assert tree_digest(result.params) == tree_digest(after.params)


def test_chunks_change_nothing():
    assert digests(restoring()) == digests(restoring(progress=lambda report: True))


@pytest.mark.parametrize("reports", [1, 2])
def test_a_return_survives_interruptions(tmp_path, reports):
    result, sessions = None, 0
    while result is None or result.interrupted:
        left = iter([True] * (reports - 1))
        result = restoring(
            checkpoint=jaxgd.Checkpoint(tmp_path, every=0, every_steps=4),
            progress=lambda report, left=left: next(left, False),
        )
        sessions += 1
    assert sessions > 10
    assert digests(result) == digests(restoring())
    assert [str(each) for each in result.restored] == [str(each) for each in restoring().restored]


def test_after_so_many_times_the_run_stops():
    result = restoring(1e6, max_halvings=2)
    assert len(result.restored) == 2
    assert result.divergence is not None
    assert all(bool(jnp.isfinite(leaf).all()) for leaf in jax.tree.leaves(result.params))


def test_rows_that_no_rate_can_mend():
    x = X.copy()
    x[9, 1] = np.nan
    result = jaxgd.fit(LINEAR, x, Y, batch_size=BATCH, shuffle=False, on_divergence="restore", max_halvings=2)
    assert [each.layer for each in (*result.restored, result.divergence)] == ["x", "x", "x"]
    assert 9 in result.divergence.rows


SCHEDULES = {
    "exponential": jaxgd.schedules.exponential_decay(8.0, 10, 0.9),
    "cosine": jaxgd.schedules.cosine_decay(8.0, 100, warmup_target=9.0, warmup_steps=5),
    "piecewise": jaxgd.schedules.piecewise_constant_decay([5, 9], [8.0, 4.0, 2.0]),
    "polynomial": jaxgd.schedules.polynomial_decay(8.0, 30, 1.0),
    "inverse": jaxgd.schedules.inverse_time_decay(8.0, 10, 0.5),
}


@pytest.mark.parametrize("name", SCHEDULES)
def test_every_rate_of_a_schedule_is_halved_exactly(name):
    state = jaxgd.optimizers.sgd(SCHEDULES[name]).init({"w": jnp.zeros(2)})
    halved = scale_learning_rate(state, 0.5)
    for step in (0, 3, 7, 20, 200):
        old = float(state.hyperparameters["learning_rate"](step))
        assert float(halved.hyperparameters["learning_rate"](step)) == old / 2
    assert jax.tree.structure(halved) == jax.tree.structure(state)


def test_every_optimizer_of_several_is_halved_and_nothing_else():
    optimizers = {r"dense/.*": jaxgd.optimizers.adam(0.5)}
    several = jaxgd.optimizers.multi(optimizers, jaxgd.optimizers.sgd(0.25))
    state = several.init(MODEL.init(0))
    halved = scale_learning_rate(state, 0.5)
    changed = [
        (jax.tree_util.keystr(path), float(new) / float(old))
        for (path, new), old in zip(
            jax.tree_util.tree_leaves_with_path(halved), jax.tree.leaves(state), strict=True
        )
        if new.ndim == 0 and float(new) != float(old)
    ]
    assert len(changed) == 2
    assert all("learning_rate" in path and ratio == 0.5 for path, ratio in changed)


@pytest.mark.parametrize("optimizer", [optax.sgd(0.1), jaxgd.optimizers.sgd(lambda step: 0.1)])
def test_a_rate_that_cannot_be_reached_is_refused_before_the_run(optimizer):
    with pytest.raises(TypeError, match="cannot be scaled"):
        fit(optimizer, on_divergence="restore")


def test_the_report_says_what_one_needs():
    found = fit(jaxgd.optimizers.sgd(3.0)).divergence
    assert {"x", "dense/kernel", "dense/bias", "output of dense"} <= set(found.largest)
    assert found.largest["x"] == pytest.approx(np.abs(X[found.rows]).max())
    assert found.largest["dense/kernel"] > 1e10
    assert "Largest before:" in str(found)
    assert "smaller learning rate" in found.advice
    again = Divergence.from_dict(json.loads(json.dumps(found.to_dict())))
    assert str(again) == str(found)
    np.testing.assert_array_equal(again.rows, found.rows)


def test_a_slot_that_overflows_is_a_divergence_and_not_a_parameter_that_stands_still():
    """Adam's second moment overflows: the update is 0 from then on, and no loss would ever show it."""
    adam = jaxgd.optimizers.adam(1e-3)
    result = jaxgd.fit(LINEAR, X * 1e21, Y, loss="mean_absolute_error", optimizer=adam, epochs=2)
    found = result.divergence
    assert (found.epoch, found.step, found.layer, found.quantity) == (1, 1, "dense", "slot")
    assert "clip" in found.advice
    assert int(result.state.step) == 0


HALF = jaxgd.mlp([4, 8, 2], dtype="mixed_float16")


def test_float16_gradients_that_overflow_without_a_dynamic_scale():
    """A fixed factor that is too large: the loss is finite, its scaled gradient is not."""
    result = fit(jaxgd.optimizers.sgd(0.01, loss_scale_factor=2.0**24), HALF)
    found = result.divergence
    assert (found.epoch, found.step, found.quantity) == (1, 1, "gradient")
    assert found.layer == "dense_1", "gradients are computed from the last layer to the first"
    assert "loss_scale" in found.advice


def test_float16_with_a_dynamic_scale_finds_its_way():
    inner = jaxgd.optimizers.sgd(0.01)
    result = fit(jaxgd.optimizers.loss_scale(inner, initial_scale=2.0**24), HALF)
    assert result.divergence is None
    assert float(result.state.opt_state.shared["dynamic_scale"]) < 2.0**24
    assert result.history["loss"][-1] < result.history["loss"][0]


def test_float16_outputs_that_overflow():
    params = HALF.init(0)
    params["dense"]["kernel"] = jnp.full((4, 8), 6e4)
    found = fit(jaxgd.optimizers.sgd(0.01), HALF, params=params).divergence
    assert (found.layer, found.quantity) == ("dense", "pre_activation")
    assert "65504" in found.advice


def test_bad_targets_are_told_from_a_loss_that_overflows():
    y = Y.copy()
    y[3, 0] = np.inf
    found = jaxgd.fit(LINEAR, X, y, batch_size=BATCH, shuffle=False).divergence
    assert "target" in found.advice
    assert found.layer == "loss"


def test_a_slot_of_a_foreign_transformation_may_be_infinite():
    """optax has states that begin with inf: only slots of this package are looked at."""

    def init(params):
        return {"best": jnp.full((), jnp.inf)}

    def update(updates, state, params=None):
        return jax.tree.map(lambda grad: -0.01 * grad, updates), state

    assert fit(optax.GradientTransformation(init, update), epochs=2).divergence is None
