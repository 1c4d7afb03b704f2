"""Looking at a run while it goes on: nothing of it changes, and what is measured is what it is called."""

import jax
import numpy as np
import pytest

import jaxgd
from jaxgd.reports import LayerLog
from jaxgd.reports.panels import layer_panels
from jaxgd.reports.probing import make_probe
from jaxgd.runs import make_plan
from jaxgd.runs.settings import Settings
from jaxgd.runs.training import train_plan
from jaxgd.training.watching import MOST, Watcher


@pytest.fixture(scope="module")
def plan():
    return make_plan(Settings("iris", hidden=(6,), epochs=5, dropout=0.2))


def equal(first, second):
    return all(map(np.array_equal, jax.tree.leaves(first), jax.tree.leaves(second)))


def test_watching_changes_no_bit_and_compiles_one_program_more(plan, programs, tmp_path):
    plain = train_plan(plan)
    before = len(programs)
    with LayerLog(tmp_path, plan) as log:
        watched = train_plan(plan, watch=log)
    assert len(programs) == before + 1
    assert watched.compilations == 0
    assert equal(watched.params, plain.params)
    assert equal(watched.state, plain.state)
    np.testing.assert_array_equal(watched.history["val_loss"], plain.history["val_loss"])
    assert list(log.rows) == [0, 1, 2, 3, 4, 5]
    assert set(watched.seconds) == {"data", "compile", "run", "watch"}
    assert "watch" not in plain.seconds


def test_a_long_run_is_looked_at_so_many_times():
    x, y = np.ones((4, 2), np.float32), np.ones((4, 1), np.float32)
    seen = []
    jaxgd.fit(jaxgd.mlp([2, 1]), x, y, epochs=1000, watch=lambda epoch, state: seen.append(epoch))
    assert len(seen) == MOST + 1
    assert (seen[0], seen[1], seen[-1]) == (0, 5, 1000)


def test_a_run_that_goes_on_is_looked_at_where_it_would_have_been():
    watcher = Watcher(print, 1000)
    assert [watcher.next_epoch(epoch) for epoch in (0, 4, 5, 7, 995, 1000)] == [5, 5, 10, 10, 1000, 1000]


def test_norms_are_those_of_a_step_worked_out_by_hand():
    x = np.float32([[1.0, 2.0], [3.0, -1.0]])
    y = np.float32([[1.0], [0.0]])
    model = jaxgd.mlp([2, 3, 1])
    kernel = np.float32([[1, -1, 0.5], [1, -1, 0.5]])  # the second unit is dead
    params = {
        "dense": {"kernel": kernel, "bias": np.zeros(3, np.float32)},
        "dense_1": {"kernel": np.float32([[1.0], [2.0], [0.0]]), "bias": np.zeros(1, np.float32)},
    }
    optimizer = jaxgd.optimizers.sgd(0.1)
    loss = jaxgd.losses.get("mean_squared_error")
    state = jaxgd.TrainState.create(params=params, optimizer=optimizer)
    (first, last), rate = make_probe(model, loss, optimizer, x, y)(state)
    hidden = np.maximum(x @ kernel, 0)  # [[3, 0, 1.5], [2, 0, 1]]
    delta = hidden @ params["dense_1"]["kernel"] - y  # 2 (a - y) / 2
    expected = np.sqrt(((hidden.T @ delta) ** 2).sum() + delta.sum() ** 2)
    assert last.gradient == pytest.approx(expected, rel=1e-6)
    assert last.update == pytest.approx(0.1 * expected, rel=1e-5)  # a difference of float32 parameters
    assert last.parameters == pytest.approx(np.sqrt(5))
    assert (first.units, first.dead, last.dead) == (3, 1, None)
    assert rate == pytest.approx(0.1)


def test_the_rate_of_a_schedule_is_that_of_the_next_step(tmp_path):
    schedule = jaxgd.schedules.exponential_decay(0.1, decay_steps=1, decay_rate=0.5, staircase=True)
    optimizer = jaxgd.optimizers.sgd(schedule)
    model, x, y = jaxgd.mlp([1, 1]), np.ones((2, 1), np.float32), np.ones((2, 1), np.float32)
    probe = make_probe(model, jaxgd.losses.get("mse"), optimizer, x, y)
    rates = []
    jaxgd.fit(
        model, x, y, optimizer=optimizer, epochs=2, watch=lambda _, state: rates.append(probe(state)[1])
    )
    assert rates == pytest.approx([0.1, 0.05, 0.025])


def test_an_interrupted_run_goes_on_with_its_file(plan, tmp_path):
    whole = LayerLog(tmp_path, plan)
    train_plan(plan, watch=whole)
    with LayerLog(tmp_path, plan) as first:
        stop = lambda report: report.epoch < 2  # noqa: E731
        train_plan(plan, checkpoint=str(tmp_path / "c"), watch=first, progress=stop)
    assert max(first.rows) < 5
    with LayerLog(tmp_path, plan) as second:
        train_plan(plan, checkpoint=str(tmp_path / "c"), watch=second)
    assert second.rows == whole.rows


def test_a_run_that_goes_back_forgets_what_it_left(plan, tmp_path):
    log = LayerLog(tmp_path, plan)
    log.rows = {epoch: {"learning rate": 1.0} for epoch in range(5)}
    state = jaxgd.TrainState.create(params=plan.params, optimizer=plan.optimizer, key=plan.model.key(0))
    log(2, state)
    assert list(log.rows) == [0, 1, 2]


def test_of_many_layers_some_are_drawn():
    columns = {f"norm: dense_{place}": np.ones(2) for place in range(20)}
    (panel,) = layer_panels(columns, np.arange(2))
    assert [curve.label for curve in panel.curves] == [f"dense_{place}" for place in (0, 3, 7, 11, 15, 19)]
    assert layer_panels({}, np.arange(0)) == []
