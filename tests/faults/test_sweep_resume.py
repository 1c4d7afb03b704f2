"""Sweeps that were interrupted, and what goes wrong with their files: the same bits, or a clear error."""

import time
from functools import partial

import jax
import numpy as np
import pytest

import jaxgd
from jaxgd.checkpoints import tree_digest
from jaxgd.sweeps import Halving, lane, refitting, runner, sweep
from jaxgd.training import EarlyStopping, checkpointing

X = np.random.default_rng(1).normal(size=(60, 3)).astype(np.float32)
Y = np.abs(X.sum(axis=1, keepdims=True))
MODEL = jaxgd.sequential([jaxgd.layers.dense(8, "relu"), jaxgd.layers.dropout(0.1), jaxgd.layers.dense(1)], 3)
PLAIN = jaxgd.mlp([3, 4, 1], "relu")
GRID = {"learning_rate": [0.01, 0.03, 1e30, 0.1]}
COMMON = {"epochs": 24, "batch_size": 8, "optimizer": "sgd", "validation_split": 0.2, "lanes": 2, "seeds": 2}


@pytest.fixture(autouse=True)
def short_calls(monkeypatch):
    """Many places at which a sweep can be interrupted, in the middle of epochs."""
    monkeypatch.setattr(runner, "_TICK", 0.001)

    def four_steps(steps, seconds):
        time.sleep(0.003)  # lets the thread that looks run, however busy the machine is
        return 4

    monkeypatch.setattr(lane, "_next_steps", four_steps)


def run(model=MODEL, **options):
    return sweep(model, X, Y, **{"grid": GRID, **COMMON, **options})


def as_bytes(table):
    members = sorted(table, key=lambda member: member.number)
    return [
        (
            *(m.status, m.steps, m.best_epoch, m.stopped_early, m.diverged_at),
            *(np.asarray(leaf).tobytes() for leaf in jax.tree.leaves(m.params)),
            *(values.tobytes() for values in m.history.columns.values()),
        )
        for m in members
    ]


def pieces(journal, **options):
    """The table of a sweep that is interrupted again and again, each time later, and how often it was."""
    times = 0
    while True:
        looks = iter([True] * 2**times)

        def progress(report, looks=looks):
            return next(looks, False)

        table = run(journal=journal, progress=progress, checkpoint_every=0.0, **options)
        if not table.interrupted:
            return table, times
        options["plan"] = "auto"  # what the sweep began with
        times += 1


CASES = {
    "sequential": {"plan": "sequential", "halving": Halving(2, 5)},
    "map": {"plan": ("map", 3)},
    "vmap": {"plan": ("vmap", 3), "halving": Halving(2, 5)},
    "vmap to the end": {"plan": ("vmap", 3)},
}


@pytest.mark.parametrize("name", CASES)
def test_a_sweep_in_pieces_is_the_sweep(tmp_path, name):
    """Interrupted inside members, who go on where they stood; in the form and width the sweep began with."""
    stopping = EarlyStopping("val_loss", patience=8, restore_best_weights=True)
    options = {"early_stopping": stopping, **CASES[name]}
    whole = as_bytes(run(**options))
    table, times = pieces(tmp_path / "journal", **options)
    assert times >= 1
    assert as_bytes(table) == whole
    expected = {"done", "diverged", "dropped"} if "halving" in options else {"done", "diverged"}
    assert {each[0] for each in whole} == expected


def test_padded_networks_and_folds_in_pieces(tmp_path):
    grid = {"hidden": [(4,), (6,), (2, 3)]}
    options = {"grid": grid, "validation_split": 0.0, "folds": 2, "plan": ("vmap", 4), "seeds": 1}
    whole = run(model=PLAIN, **options)
    assert whole.compilations < 3
    table, times = pieces(tmp_path / "journal", model=PLAIN, **options)
    assert times >= 1
    assert as_bytes(table) == as_bytes(whole)


def test_the_training_on_all_rows_goes_on(tmp_path, monkeypatch):
    """Ended twice by an error, it is the run that nothing ended; other settings are another run."""
    options = {"plan": "sequential", "refit": True, "lanes": 1, "keep": "best"}
    whole = run(**options).refitted
    seen = []

    def ending_after(step, error):
        def save(saver, position):
            seen.append(int(position.state.train.step))
            keep(saver, position)
            if seen[-1] >= step:
                raise error

        return save

    keep = checkpointing.Saver.save
    with monkeypatch.context() as patch:
        patch.setattr(refitting, "Checkpoint", partial(checkpointing.Checkpoint, every_steps=5))
        for step, error in ((20, KeyError("mine")), (60, KeyError("mine"))):
            patch.setattr(checkpointing.Saver, "save", ending_after(step, error))
            with pytest.raises(KeyError, match="mine"):
                run(journal=tmp_path / "journal", checkpoint_every=0.0, **options)
    assert 60 <= max(seen) < 192
    assert seen == sorted(seen), "the second run went on from where the first was"
    again = run(journal=tmp_path / "journal", checkpoint_every=0.0, **options).refitted
    assert tree_digest((again.state, dict(again.history))) == tree_digest((whole.state, dict(whole.history)))
    other = run(journal=tmp_path / "journal", grid={"learning_rate": [0.02]}, **options).refitted
    assert tree_digest(other.state) != tree_digest(whole.state), "a folder of its own"
    assert len(list(tmp_path.glob("journal.refit-*"))) == 2
