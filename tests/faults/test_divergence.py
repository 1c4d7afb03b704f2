"""A run that leaves the finite numbers: found, named, and the parameters before it kept."""

import json
import warnings
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxgd
from jaxgd.training import Divergence, DivergenceWarning
from jaxgd.training.batching import batches
from jaxgd.training.streaming.source import RowSource

ROWS, BATCH = 20, 8
X = np.random.default_rng(1).normal(size=(ROWS, 4)).astype(np.float32)
Y = np.random.default_rng(2).normal(size=(ROWS, 2)).astype(np.float32)
MODEL = jaxgd.mlp([4, 3, 2])
LINEAR = jaxgd.mlp([4, 2])


class OneBlock(RowSource):
    block_rows = (ROWS,)

    def read(self, block):
        return {"x": X, "y": Y}

    def describe(self):
        return {"what": "all rows at once"}


def fit(rate, model=MODEL, x=X, y=Y, **options):
    sgd = jaxgd.optimizers.sgd(rate)
    return jaxgd.fit(
        model, x, y, optimizer=sgd, batch_size=BATCH, shuffle=False, **{"epochs": 200, **options}
    )


def by_hand(model, rate, num_steps, x=X, y=Y):
    """Plain gradient descent in a Python loop, and the loss of the step after."""
    params, objective = model.init(0), jaxgd.make_objective(model, "mse")
    schedule = np.asarray(batches(jnp.arange(ROWS), BATCH))
    value_and_grad = jax.value_and_grad(objective, has_aux=True)

    def batch(step):
        rows = schedule[step % len(schedule)]
        return {"x": x[rows], "y": y[rows], "row_mask": rows >= 0}

    for step in range(num_steps):
        _, grads = value_and_grad(params, batch(step))
        params = jax.tree.map(lambda p, g: p - rate * g, params, grads)
    return params, objective(params, batch(num_steps))[0]


def all_finite(tree):
    return all(bool(jnp.isfinite(leaf).all()) for leaf in jax.tree.leaves(tree))


@pytest.mark.parametrize("every_chunk", [False, True])
@pytest.mark.parametrize(("model", "rate"), [(LINEAR, 3.0), (MODEL, 1e5), (MODEL, 1e20)])
def test_exploding_rate(model, rate, every_chunk):
    """A model without bounds explodes at once or after many steps, in the first chunk or a later one."""
    result = fit(rate, model, progress=(lambda report: True) if every_chunk else None)
    found = result.divergence
    step = 3 * (found.epoch - 1) + found.step - 1
    assert int(result.state.step) == step
    assert result.history.epochs == found.epoch - 1
    params, next_loss = by_hand(model, rate, step)
    assert not np.isfinite(next_loss)
    assert all_finite(result.params)
    for one, other in zip(jax.tree.leaves(result.params), jax.tree.leaves(params), strict=True):
        # The order of sums differs between the compiled run and the loop; the error grows with the values.
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-4 * float(jnp.abs(other).max()))
    expected = np.arange(ROWS)[BATCH * (found.step - 1) : BATCH * found.step]
    np.testing.assert_array_equal(found.rows, expected)
    assert found.layer in ("dense", "dense_1", "loss")
    assert f"epoch {found.epoch}, step {found.step}" in str(found)


def test_chunks_find_the_same():
    whole = fit(3.0, LINEAR)
    parts = fit(3.0, LINEAR, progress=lambda report: True)
    assert whole.divergence.epoch == parts.divergence.epoch
    assert whole.divergence.step == parts.divergence.step
    assert whole.divergence.epoch > 6, "expected the run to last longer than the first chunk"
    assert jax.tree.all(jax.tree.map(lambda a, b: bool((a == b).all()), whole.params, parts.params))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("row", [0, 11, 19])
def test_a_row_that_is_not_finite(row, bad):
    x = X.copy()
    x[row, 2] = bad
    result = fit(0.01, x=x, epochs=3)
    found = result.divergence
    assert (found.epoch, found.step) == (1, row // BATCH + 1)
    assert (found.layer, found.quantity) == ("x", "input")
    assert row in found.rows
    assert list(found.bad_rows) == [row]
    assert f"Not finite in the data: row {row}." in str(found)
    assert all_finite(result.params)
    assert int(result.state.step) == row // BATCH


def test_a_target_that_is_not_finite():
    y = Y.copy()
    y[9, 0] = np.nan
    found = fit(0.01, y=y, epochs=3).divergence
    assert (found.epoch, found.step, found.layer, found.quantity) == (1, 2, "loss", "value")
    assert list(found.bad_rows) == [9]
    again = Divergence.from_dict(json.loads(json.dumps(found.to_dict())))
    assert (str(again), list(again.bad_rows)) == (str(found), [9])


def test_it_is_said_once_where_fit_was_called():
    with pytest.warns(DivergenceWarning, match=r"the run was not finite at epoch 1, step 2: dense_1") as said:
        fit(1e20)
    assert [Path(each.filename).name for each in said] == ["test_divergence.py"]
    with pytest.warns(DivergenceWarning) as said:
        fit(1e20, x=OneBlock(), y=None)
    assert [Path(each.filename).name for each in said] == ["test_divergence.py"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fit(0.01, epochs=2)
        with pytest.raises(ValueError, match="diverged"):
            jaxgd.estimators.MLPRegressor(optimizer="sgd", learning_rate_init=1e20).fit(X, Y)


def test_a_parameter_that_is_not_finite():
    params = MODEL.init(0)
    params["dense_1"]["bias"] = params["dense_1"]["bias"].at[1].set(jnp.inf)
    result = fit(0.01, params=params, epochs=3)
    found = result.divergence
    assert (found.epoch, found.step, found.layer, found.quantity) == (1, 1, "dense_1", "parameters")
    assert int(result.state.step) == 0


def test_a_layer_whose_output_overflows():
    params = MODEL.init(0)
    params["dense"]["kernel"] = jnp.full((4, 3), 3e38)
    found = fit(0.01, params=params, epochs=3).divergence
    assert (found.epoch, found.step, found.layer, found.quantity) == (1, 1, "dense", "pre_activation")


@pytest.mark.parametrize("every_chunk", [False, True])
def test_the_last_update_overflows(every_chunk):
    """No loss comes after the last step of a run: the parameters themselves are looked at."""
    progress = (lambda report: True) if every_chunk else None
    result = fit(1e38, x=X[:8], y=Y[:8] * 1e10, epochs=1, progress=progress)
    found = result.divergence
    assert (found.epoch, found.step, found.quantity) == (1, 1, "update")
    assert found.layer in ("dense", "dense_1")
    assert all_finite(result.params)
    assert int(result.state.step) == 0
    assert result.history.epochs == 0


def test_saturated_outputs_hide_nothing():
    """Parameters overflow while a sigmoid keeps the loss finite: the run ends before the step that did it."""
    model = jaxgd.mlp([4, 3, 2], output_activation="sigmoid")
    result = fit(3e38, model, x=X * 1e4, y=Y * 1e3, epochs=5)
    assert all_finite(result.params)
    assert result.divergence is not None
    assert result.divergence.quantity == "update"


def test_a_finite_run_reports_nothing():
    result = fit(0.01, epochs=3)
    assert result.divergence is None
    assert result.history.epochs == 3


def test_early_stopping_keeps_the_best_before_the_divergence():
    stopping = jaxgd.EarlyStopping("loss", patience=100, restore_best_weights=True)
    result = fit(3.0, LINEAR, early_stopping=stopping)
    assert result.divergence is not None
    assert result.best_epoch == int(np.argmin(result.history["loss"]))
    assert all_finite(result.params)
