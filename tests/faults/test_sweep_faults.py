"""What goes wrong in a sweep: bad input, members that diverge, Ctrl-C, damaged journals."""

import jax
import numpy as np
import pytest

import jaxgd
from jaxgd import optimizers
from jaxgd.sweeps import JournalError, Range, sweep
from jaxgd.sweeps.campaign import Campaign
from jaxgd.sweeps.family import families
from jaxgd.sweeps.memory import footprint
from jaxgd.sweeps.ranking import make_ranking
from jaxgd.sweeps.trial import Fold, Trial
from jaxgd.training import EarlyStopping
from jaxgd.training.objective import make_objective
from jaxgd.training.preparing import split_data

MODEL = jaxgd.mlp([2, 3, 1], "relu")
COMMON = {"epochs": 3, "batch_size": 8, "optimizer": "sgd"}


@pytest.fixture
def rows(rng):
    x = rng.normal(size=(24, 2)).astype(np.float32)
    return x, (x[:, :1] - x[:, 1:]) ** 2


BAD = [
    ({"grid": {}}, ValueError, "at least one axis"),
    ({"grid": []}, ValueError, "at least one combination"),
    ({"grid": {"learning_rate": []}}, ValueError, "learning_rate: expected at least one value"),
    ({"grid": {"learning_rat": [0.1]}}, ValueError, "Did you mean 'learning_rate'"),
    ({"grid": {"learning_rate": ["fast"]}}, TypeError, "learning_rate"),
    ({"grid": {"learning_rate": Range(0, 1)}}, TypeError, "say how many"),
    ({"grid": {"learning_rate": [-1.0]}}, ValueError, "learning_rate"),
    ({"grid": {"learning_rate": 0.1}}, TypeError, "a list of values"),
    ({"grid": "learning_rate"}, TypeError, "expected {axis: values}"),
    ({"grid": [{"learning_rate": 0.1}, {"momentum": 0.1}]}, ValueError, r"grid\[1\]: expected the axes"),
    ({"grid": {"seed": [1, 2]}}, ValueError, "argument of its own"),
    ({"grid": {"beta_1": [0.9]}}, ValueError, "unknown axis 'beta_1'"),
    ({"grid": {"optimizer": ["sgd", "adam"], "momentum": [0.9]}}, ValueError, "Adam has no 'momentum'"),
    ({"grid": {"hidden": [0]}}, ValueError, "hidden"),
    ({"grid": {"hidden": ["wide"]}}, TypeError, "hidden"),
    ({"grid": {"activation": ["rel"]}}, ValueError, "Did you mean 'relu'"),
    ({"grid": {"dropout": [1.5]}}, ValueError, "rate"),
    ({"grid": {"batch_size": [0]}}, ValueError, "batch_size"),
    ({"grid": {"patience": [1]}}, ValueError, "needs early_stopping"),
    ({"grid": {"loss": ["mean_squared_error", "mean_absolute_error"]}}, ValueError, "compares nothing"),
    ({"grid": {"model": ["other"]}}, ValueError, "no model is called 'other'"),
    ({"seeds": 0}, ValueError, "seeds"),
    ({"seeds": [1, 1]}, ValueError, "each seed once"),
    ({"seeds": [-1]}, ValueError, "seeds"),
    ({"seeds": 0.5}, TypeError, "seeds"),
    ({"folds": 1}, ValueError, "at least 2"),
    ({"folds": 25}, ValueError, "at most as many"),
    ({"folds": 2, "validation_split": 0.1}, ValueError, "not together with"),
    ({"monitor": "val_loss"}, ValueError, "unknown monitor"),
    ({"mode": "up"}, ValueError, "Known: auto, max, min"),
    ({"plan": "fast"}, ValueError, "unknown plan 'fast'"),
    ({"plan": ("vmap", 0)}, ValueError, "plan"),
    ({"lanes": 0}, ValueError, "lanes"),
    ({"keep": "some"}, ValueError, "unknown keep"),
    ({"memory_budget": 0}, ValueError, "memory_budget"),
    ({"memory_budget": 2000}, ValueError, "one at a time .*data .*results .*one member"),
    ({"checkpoint_every": -1.0, "journal": "j"}, ValueError, "checkpoint_every"),
    ({"epochs": -1}, ValueError, "epochs"),
]


@pytest.mark.parametrize(("arguments", "error", "words"), BAD, ids=[str(each[0])[:60] for each in BAD])
def test_bad_input_is_refused_before_anything_runs(rows, arguments, error, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("jaxgd.sweeps.runner.Runner.run", lambda self: pytest.fail("it ran"))
    with pytest.raises(error, match=words):
        sweep(MODEL, *rows, **{**COMMON, **arguments})


@pytest.mark.parametrize("times", [1, 1.5, 2, 5, 40, 1000])
@pytest.mark.parametrize("plan", ["auto", "map", ("vmap", 64)])
def test_no_plan_exceeds_the_budget(rows, times, plan):
    fold = Fold(None, *split_data(MODEL, *rows, None, None, None, 0.0))
    objective = make_objective(MODEL, "mean_squared_error", targets=rows[1])
    trials = [Trial({}, objective, optimizers.adam(), 9, 8, True, seed, None, fold) for seed in range(200)]
    needed = footprint(families(trials)[0], True)
    fixed = needed.data + 200 * needed.result
    budget = int(fixed + times * needed.of_lanes(1, 1))
    campaign = Campaign(
        trials,
        make_ranking(trials, None, "auto"),
        choice=plan,
        lanes=4,
        memory_budget=budget,
        keep="all",
        pad=True,
        journal=None,
    )
    chosen = campaign.plans[0][1]
    assert campaign.lanes >= 1
    assert fixed + needed.of_lanes(chosen.width, campaign.lanes) <= budget


def test_models_that_are_none_are_refused(rows):
    with pytest.raises(TypeError, match="model: expected a model"):
        sweep([MODEL, "mlp"], *rows)
    with pytest.raises(ValueError, match="expected at least one"):
        sweep([], *rows)


def test_targets_that_a_network_of_the_sweep_cannot_fit_are_refused(rows):
    x, y = rows
    with pytest.raises(ValueError, match="shape"):
        sweep({"a": MODEL, "b": jaxgd.mlp([2, 3])}, x, y, **COMMON)


@pytest.mark.parametrize("plan", ["sequential", ("map", 3), ("vmap", 3)])
def test_members_that_diverge_are_reported_and_the_others_unharmed(rows, plan):
    rates = [0.01, 1e30, 0.02, 1e12, 0.03]
    table = sweep(MODEL, *rows, grid={"learning_rate": rates}, plan=plan, lanes=1, **COMMON)
    members = sorted(table, key=lambda member: member.number)
    assert [member.status for member in members] == ["done", "diverged", "done", "diverged", "done"]
    assert [member.number for member in table][-2:] == [1, 3]
    for member in members:
        optimizer = optimizers.sgd(member.settings["learning_rate"])
        alone = jaxgd.fit(MODEL, *rows, **{**COMMON, "optimizer": optimizer})
        found = alone.divergence
        assert member.diverged_at == (None if found is None else (found.epoch, found.step))
        assert member.epochs == alone.history.epochs
        # a member that diverged is run by the program of `fit`, so it is equal to the bit in any plan
        exact = plan != ("vmap", 3) or found is not None
        for ours, theirs in zip(jax.tree.leaves(member.params), jax.tree.leaves(alone.params), strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=0 if exact else 2e-6, atol=0 if exact else 1e-6)


def test_all_diverged_has_no_best(rows):
    table = sweep(MODEL, *rows, grid={"learning_rate": [1e30]}, plan="sequential", **COMMON)
    assert table[0].value("loss") is None
    with pytest.raises(ValueError, match="all diverged"):
        _ = table.best


def test_keeping_the_best_drops_the_other_parameters(rows):
    rates = [0.001, 0.02, 0.01]
    table = sweep(MODEL, *rows, grid={"learning_rate": rates}, keep="best", plan="sequential", **COMMON)
    assert [member.params is None for member in table] == [False, True, True]
    with pytest.raises(ValueError, match="1 to 1 members"):
        table.ensemble(2)


def stopping_after(count):
    return lambda report: report.done < count


def test_what_ended_before_an_interruption_is_kept(rows):
    table = sweep(
        MODEL,
        *rows,
        seeds=40,
        lanes=1,
        plan="sequential",
        progress=stopping_after(1),
        **{**COMMON, "epochs": 2000},
    )
    statuses = [member.status for member in table]
    assert table.interrupted
    assert statuses.count("done") >= 1
    assert statuses.count("not run") >= 1
    assert table.best.status == "done"


def test_ctrl_c_ends_the_sweep_with_what_is_there(rows):
    def interrupted(report):
        if report.done:
            raise KeyboardInterrupt
        return True

    table = sweep(
        MODEL, *rows, seeds=40, lanes=1, plan="sequential", progress=interrupted, **{**COMMON, "epochs": 2000}
    )
    assert table.interrupted
    assert [member.status for member in table].count("done") >= 1


def as_bytes(table):
    members = sorted(table, key=lambda member: member.number)
    return [
        (
            *(m.status, m.steps, m.best_epoch),
            *(np.asarray(leaf).tobytes() for leaf in jax.tree.leaves(m.params)),
            *(values.tobytes() for values in m.history.columns.values()),
        )
        for m in members
    ]


def test_a_sweep_continued_from_its_journal_ends_bit_for_bit_the_same(rows, tmp_path, monkeypatch):
    arguments = {
        "grid": {"learning_rate": [0.01, 0.02, 1e30]},
        "seeds": 3,
        "plan": "sequential",
        "early_stopping": EarlyStopping("loss", restore_best_weights=True),
        "lanes": 1,
        **COMMON,
    }
    whole = sweep(MODEL, *rows, **arguments)
    journal = tmp_path / "journal"
    sweep(MODEL, *rows, journal=journal, **arguments)
    lines = journal.read_bytes().splitlines(keepends=True)
    assert len(lines) == 9
    journal.write_bytes(b"".join(lines[:5]) + lines[5][: len(lines[5]) // 2])  # as a process that was killed
    taken = []
    start = jaxgd.sweeps.family.Family.start
    monkeypatch.setattr(
        "jaxgd.sweeps.family.Family.start",
        lambda self, numbers: (taken.extend(numbers), start(self, numbers))[1],
    )
    again = sweep(MODEL, *rows, journal=journal, **arguments)
    assert len(taken) == 4
    assert as_bytes(again) == as_bytes(whole)
    assert len(journal.read_bytes().splitlines()) == 9


def test_a_journal_serves_a_grid_that_has_grown_and_no_other_data(rows, tmp_path):
    arguments = {"plan": "sequential", "journal": tmp_path / "journal", **COMMON}
    sweep(MODEL, *rows, grid={"learning_rate": [0.01]}, **arguments)
    grown = sweep(MODEL, *rows, grid={"learning_rate": [0.02, 0.01]}, **arguments)
    assert grown.seconds["run"] > 0
    assert len((tmp_path / "journal").read_bytes().splitlines()) == 2
    sweep(MODEL, rows[0] + 1, rows[1], grid={"learning_rate": [0.01]}, **arguments)
    assert len((tmp_path / "journal").read_bytes().splitlines()) == 3


@pytest.mark.parametrize("damage", ["flip", "remove a byte", "nonsense", "no newline"])
def test_a_damaged_line_before_the_last_is_named(rows, tmp_path, damage):
    journal = tmp_path / "journal"
    sweep(MODEL, *rows, seeds=3, plan="sequential", journal=journal, **COMMON)
    lines = journal.read_bytes().splitlines(keepends=True)
    bad = {
        "flip": lines[1][:40] + b"#" + lines[1][41:],
        "remove a byte": lines[1][:50] + lines[1][51:],
        "nonsense": b"\xff\xfe\n",
        "no newline": lines[1].rstrip(b"\n"),
    }[damage]
    journal.write_bytes(lines[0] + bad + lines[2])
    with pytest.raises(JournalError, match=r"line 2: damaged"):
        sweep(MODEL, *rows, seeds=3, plan="sequential", journal=journal, **COMMON)


def test_an_error_in_a_lane_reaches_the_caller(rows, monkeypatch):
    def broken(*_):
        raise RuntimeError("broken")

    monkeypatch.setattr("jaxgd.sweeps.engine.Engine.advance", broken)
    with pytest.raises(RuntimeError, match="broken"):
        sweep(MODEL, *rows, seeds=2, plan="sequential", **COMMON)
