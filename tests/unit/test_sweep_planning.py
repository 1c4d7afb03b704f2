"""What a sweep decides before it runs: widths that fit its folds, and which networks share a program."""

import jax
import numpy as np
import pytest

import jaxgd
from jaxgd._param_shapes import param_shapes
from jaxgd.sweeps.cost import Workload, run_seconds, weights
from jaxgd.sweeps.engine import Engines
from jaxgd.sweeps.family import families
from jaxgd.sweeps.memory import footprint
from jaxgd.sweeps.merging import merged
from jaxgd.sweeps.padding import PaddedFamily
from jaxgd.sweeps.plan import Planner
from jaxgd.sweeps.trial import Fold, Trial
from jaxgd.training.objective import make_objective

ADAM = jaxgd.optimizers.get("adam")


def fold(number=0, rows=64):
    data = {"x": np.zeros((rows, 3), np.float32), "y": np.zeros(rows, np.int32)}
    return Fold(number, data, None)


def trial(hidden, of_fold, epochs=1, seed=0):
    model = jaxgd.mlp([3, *hidden, 2], "relu", "softmax")
    objective = make_objective(model, "sparse_categorical_crossentropy", targets=of_fold.training["y"])
    return Trial({}, objective, ADAM, epochs, 32, True, seed, None, of_fold)


@pytest.mark.parametrize(("lanes", "folds", "members", "width"), [(1, 5, 6, 6), (2, 3, 24, 12), (4, 2, 3, 2)])
def test_no_slot_is_wider_than_a_fold_has_members(lanes, folds, members, width):
    """Those that step together are of one fold; an odd number of folds is halved for two lanes."""
    cut = [fold(number) for number in range(folds)]
    (family,) = families([trial((4,), each, 50, seed) for each in cut for seed in range(members)])
    plan = Planner("vmap", lanes, 2**30, Engines()).plan(family, footprint(family, False))
    assert (plan.form, plan.width) == ("vmap", width)


def test_free_slots_are_charged_for_in_step_alone():
    work = Workload(layers=2, flops=1e6, state=1000, steps=100, folds=(24, 24, 24))
    full, half_empty = (run_seconds(work, "vmap", width, 1, 1.0) for width in (24, 48))
    assert round(half_empty) == 2 * round(full) == 2 * 72 * 100
    assert [round(run_seconds(work, "vmap", width, 2, 1.0)) for width in (24, 12)] == [4800, 3600]
    assert round(run_seconds(work, "map", 48, 1, 1.0)) == 72 * 100


def test_shapes_are_traced_once_a_structure():
    model = jaxgd.mlp([3, 5, 2], dropout=0.25)
    assert param_shapes(model) == jax.eval_shape(model.init)
    assert param_shapes(jaxgd.mlp([3, 5, 2], dropout=0.5)) is param_shapes(model)
    assert param_shapes(jaxgd.mlp([3, 6, 2], dropout=0.5)) != param_shapes(model)
    assert weights(model) == 3 * 5 + 5 * 2


def depths(family):
    return {len(each.model.layers) for each in family.trials.values()}


@pytest.mark.parametrize(("epochs", "programs"), [(1, 1), (4000, 2)])
def test_networks_of_several_depths_share_a_program_only_in_short_runs(epochs, programs):
    """A layer that only hands on costs like any other, so long runs keep one program for each depth."""
    hidden = [(8,), (6,), (8, 4), (6, 4), (7, 4)]
    same = fold()
    found = merged(families([trial(each, same, epochs, seed) for each in hidden for seed in range(20)]), 1)
    assert len(found) == programs
    assert all(isinstance(each, PaddedFamily) for each in found)
    assert sorted(number for each in found for number in each.trials) == list(range(100))
    assert programs == 1 or all(len(depths(each)) == 1 for each in found)


def test_networks_are_compared_without_being_traced(monkeypatch):
    """Merging traces nothing for the networks that it only weighs, however many pairs there are."""
    same = fold()
    alone = families([trial((width,), same, 100_000) for width in range(900, 2900, 200)])
    traced = []
    own = jax.eval_shape
    monkeypatch.setattr(jax, "eval_shape", lambda *args, **more: traced.append(args) or own(*args, **more))
    merged(alone, 1)
    assert len(traced) <= len(alone)


@pytest.mark.parametrize(("members", "form"), [(16, "sequential"), (1024, "map")])
def test_a_few_short_runs_are_not_worth_a_program_of_many(members, form):
    """The program of one compiles sooner; a call for each of many costs more than that."""
    one = fold()
    (family,) = families([trial((8,), one, 100, seed) for seed in range(members)])
    assert Planner("auto", 2, 2**30, Engines()).plan(family, footprint(family, False)).form == form
