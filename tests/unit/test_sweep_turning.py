"""Kernels that members in step carry transposed: which leaves, which rules, and the same run."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxgd
from jaxgd import layers, optimizers
from jaxgd.sweeps.turning import may_turn, turned, turned_step
from jaxgd.training import Step, TrainState, make_objective

MODEL = jaxgd.mlp([20, 30, 3])


def test_kernels_and_their_slots_are_exchanged_and_nothing_else():
    state = TrainState.create(params=MODEL.init(0), optimizer="adam")
    shapes = jax.tree.map(jnp.shape, turned(state).params["dense"])
    assert shapes == {"kernel": (30, 20), "bias": (30,)}
    assert turned(state).opt_state.slots["velocity"]["dense"]["kernel"].shape == (30, 20)
    there_and_back = jax.tree.map(np.array_equal, turned(turned(state)), state)
    assert all(jax.tree.leaves(there_and_back))


@pytest.mark.parametrize(
    ("name", "may"), [("adam", True), ("sgd", True), ("muon", False), ("adafactor", False), ("lamb", False)]
)
def test_rules_that_know_rows_from_columns_are_left_alone(name, may):
    assert may_turn(MODEL, optimizers.get(name).rule) is may


def test_constraints_know_their_axis():
    model = jaxgd.sequential([layers.dense(3, kernel_constraint="max_norm")], 4)
    assert not may_turn(model, optimizers.adam().rule)


def test_a_turned_step_is_the_step(x64):
    model = jaxgd.mlp([20, 30, 3], dtype="float64")
    source = np.random.default_rng(0)
    batch = {"x": source.normal(size=(16, 20)), "y": source.normal(size=(16, 3))}
    objective, rule = make_objective(model, "mean_squared_error"), optimizers.adamw(0.1)
    state = TrainState.create(params=model.init(0), optimizer=rule)
    plain, loss, _ = Step(objective, rule.rule)(state, batch)
    other, same, _ = turned_step(objective, rule.rule)(turned(state), batch)
    assert loss == pytest.approx(float(same), rel=1e-13)
    for one, two in zip(jax.tree.leaves(plain), jax.tree.leaves(turned(other)), strict=True):
        np.testing.assert_allclose(one, two, rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", ["adam", "muon"])
def test_a_member_in_step_is_the_run_alone(name):
    source = np.random.default_rng(0)
    x, y = source.normal(size=(40, 20)).astype(np.float32), source.normal(size=(40, 3)).astype(np.float32)
    common: dict[str, Any] = {"batch_size": 16, "epochs": 3}
    optimizer = getattr(optimizers, name)(0.01)
    table = jaxgd.sweep(
        MODEL, x, y, grid={"learning_rate": [0.01]}, seeds=2, optimizer=optimizer, plan=("vmap", 2), **common
    )
    for member in table:
        alone = jaxgd.fit(MODEL, x, y, optimizer=optimizer, seed=member.seed, **common)
        np.testing.assert_allclose(member.history["loss"], alone.history["loss"], rtol=1e-5)
