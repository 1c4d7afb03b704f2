"""The parts of a sweep by themselves: ranges, grids, text, folds, halving, tables, ensembles, the journal."""

import csv
import io
import math

import numpy as np
import pytest

import jaxgd
from jaxgd.reports.sweep import _colored, sweep_picture
from jaxgd.reports.sweep_rows import read_sweep
from jaxgd.reports.sweep_values import sweep_values
from jaxgd.sweeps import Halving, Member, Range, linear_range, log_range, random_search
from jaxgd.sweeps.axes import changed_model, changed_optimizer
from jaxgd.sweeps.folds import fold_rows
from jaxgd.sweeps.memory import readable
from jaxgd.sweeps.padding import padded_widths
from jaxgd.sweeps.parsing import parse_axis, parse_grid
from jaxgd.sweeps.ranking import Ranking
from jaxgd.sweeps.space import product
from jaxgd.sweeps.table import SweepTable
from jaxgd.sweeps.trials import seeds_of
from jaxgd.training import History

MODEL = jaxgd.mlp([2, 4, 1])
LOSS = Ranking("loss", False)


def member(number, value, settings=None, status="done", params=None, **more):
    history = History({"loss": np.array([9.0, value])})
    return Member(number, settings or {}, 0, None, MODEL, status, params, history, **more)


def table(*members, ranking=LOSS, axes=()):
    return SweepTable(ranking.sorted(members), ranking, axes)


def test_ranges_hold_their_bounds_and_round_numbers():
    assert log_range(1e-4, 1e-1, 4) == (1e-4, 1e-3, 1e-2, 1e-1)
    assert linear_range(0, 1, 5) == (0.0, 0.25, 0.5, 0.75, 1.0)
    assert Range(2.0, 8.0, "log").at(0.5) == 4.0


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ((2, 1), ValueError, "lower bound below"),
        ((0, 1, "log"), ValueError, "above 0"),
        ((0, 1, "cubic"), ValueError, "Known: linear, log"),
        (("a", 1), TypeError, "number"),
        ((0, math.nan), ValueError, "finite"),
    ],
)
def test_ranges_refuse(arguments, error, words):
    with pytest.raises(error, match=words):
        Range(*arguments)


def test_a_product_has_every_combination_once():
    grid = {"a": [1, 2, 3], "b": (True, False), "c": np.array([0.5])}
    found = product(grid)
    assert len(found) == 6
    assert {(each["a"], each["b"], each["c"]) for each in found} == {
        (a, b, 0.5) for a in (1, 2, 3) for b in (True, False)
    }


@pytest.mark.parametrize(
    ("axis", "error", "words"),
    [
        ([], ValueError, "at least one value"),
        ([1, 2, 1], ValueError, "1 twice"),
        ("abc", TypeError, "a list of values"),
        (0.1, TypeError, "a list of values"),
        (Range(0, 1), TypeError, "say how many"),
    ],
)
def test_a_product_refuses(axis, error, words):
    with pytest.raises(error, match=words):
        product({"a": axis})


def test_random_search_draws_within_bounds_and_begins_alike():
    space = {"rate": Range(1e-4, 1e-1, "log"), "kind": ["x", "y"]}
    few, many = random_search(space, 5, seed=3), random_search(space, 400, seed=3)
    assert many[:5] == few
    rates = np.array([each["rate"] for each in many])
    assert rates.min() >= 1e-4
    assert rates.max() <= 1e-1
    assert 0.4 < (rates < 10**-2.5).mean() < 0.6  # as many below the middle order of magnitude as above
    assert {each["kind"] for each in many} == {"x", "y"}
    assert random_search(space, 5, seed=4) != few


def test_random_search_draws_no_combination_twice():
    space = {"epochs": Range(1, 3, "log", whole=True), "widths": [[8], [16, 8]]}
    drawn = random_search(space, 6)
    assert sorted(map(str, drawn)) == sorted(map(str, product({**space, "epochs": [1, 2, 3]})))
    assert random_search(space, 2) == drawn[:2]
    with pytest.raises(ValueError, match="at most 6, which are all combinations, got 7"):
        random_search(space, 7)


def test_more_combinations_than_a_memory_holds_are_refused_before_they_are_made():
    with pytest.raises(ValueError, match="at most 1,000,000, got 10,000,000,000"):
        product({"a": range(100_000), "b": range(100_000)})
    with pytest.raises(ValueError, match="at most 1,000,000"):
        seeds_of(10**12)


@pytest.mark.parametrize(
    ("text", "axis"),
    [
        ("learning_rate=1e-4..1e-1:log:4", ("learning_rate", (1e-4, 1e-3, 1e-2, 1e-1))),
        ("dropout=0..0.5:3", ("dropout", (0.0, 0.25, 0.5))),
        ("learning-rate=0.1, .01", ("learning_rate", (0.1, 0.01))),
        ("batch_size=16..64:3", ("batch_size", (16, 40, 64))),
        ("hidden=64,128/64,none", ("hidden", ((64,), (128, 64), ()))),
        ("activation=relu,tanh", ("activation", ("relu", "tanh"))),
        ("clipnorm=none,1", ("clipnorm", (None, 1))),
        ("hidden=8..64:log:4", ("hidden", ((8,), (16,), (32,), (64,)))),
        ("epochs=1..9:log", ("epochs", Range(1, 9, "log", whole=True))),
        ("learning_rate=1e-4..1e-1:log", ("learning_rate", Range(1e-4, 1e-1, "log"))),
    ],
)
def test_axes_are_read_from_text(text, axis):
    assert parse_axis(text) == axis


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("learning_rate", "NAME=VALUES"),
        ("=1", "NAME=VALUES"),
        ("learning_rate=", "at least one value"),
        ("learning_rate=0.1,,0.2", "between the commas"),
        ("learning_rate=a..b:log:3", "range of numbers, got 'a'"),
        ("learning_rate=1..2..3:3", "range of numbers"),
        ("learning_rate=0.1..0.2:log:x", "low..high:log:count"),
        ("learning_rate=0.2..0.1:3", "learning_rate: range: expected a lower bound below"),
        ("learning_rate=0..1:log:3", "learning_rate: range: expected bounds above 0"),
        ("learning_rate=0.1..0.2:100000000", "at most 1,000,000, got 100,000,000"),
        ("epochs=1.5..3:2", "whole numbers as bounds"),
        ("hidden=8..64:log", "how many"),
        ("learning_rate=0.1..0.2:1", "at least 2"),
        ("hidden=64/x", "widths such as"),
    ],
)
def test_text_that_is_no_axis_is_refused(text, words):
    with pytest.raises(ValueError, match=words):
        parse_axis(text)


def test_an_axis_given_twice_is_refused():
    with pytest.raises(ValueError, match="'dropout' is given twice"):
        parse_grid(["dropout=0", "dropout=0.1"])


@pytest.mark.parametrize(("rows", "folds"), [(10, 2), (11, 3), (7, 7)])
def test_folds_hold_out_every_row_once(rows, folds):
    cut = fold_rows(rows, folds)
    assert sorted(np.concatenate(cut)) == list(range(rows))
    sizes = [len(each) for each in cut]
    assert max(sizes) - min(sizes) <= 1


def test_folds_share_the_labels():
    labels = np.repeat([0, 1, 2], [30, 12, 6])
    for held_out in fold_rows(48, 3, labels=labels):
        assert np.bincount(labels[held_out]).tolist() == [10, 4, 2]


@pytest.mark.parametrize(("folds", "words"), [(1, "at least 2"), (6, "at most as many as there are rows")])
def test_folds_refuse(folds, words):
    with pytest.raises(ValueError, match=words):
        fold_rows(5, folds)


def test_hidden_layers_take_the_first_as_their_pattern():
    pattern = [jaxgd.layers.dense(9, "tanh"), jaxgd.layers.dropout(0.1), jaxgd.layers.dense(1)]
    model = changed_model(jaxgd.sequential(pattern, 3), {"hidden": (4, 2), "activation": "elu"})
    assert repr(model) == (
        "sequential([dense(4, activation='elu'), dropout(0.1), dense(2, activation='elu'), dropout(0.1), "
        "dense(1)], input_size=3)"
    )


def test_dropout_is_put_behind_hidden_layers_or_given_another_rate():
    assert repr(changed_model(MODEL, {"dropout": 0.5})) == (
        "sequential([dense(4, activation='relu'), dropout(0.5), dense(1)], input_size=2)"
    )
    assert changed_model(MODEL, {"dropout": 0.0}).layers == MODEL.layers
    with_dropout = jaxgd.mlp([2, 4, 1], dropout=0.3)
    assert changed_model(with_dropout, {"dropout": 0.5}).layers[1] == jaxgd.layers.dropout(0.5)


def test_a_model_without_hidden_layers_is_no_pattern():
    with pytest.raises(ValueError, match="no hidden dense layer"):
        changed_model(jaxgd.mlp([2, 1]), {"hidden": 4})


def test_optimizer_and_its_numbers_change_together():
    optimizer = changed_optimizer("sgd", {"optimizer": "adam", "beta_1": 0.5, "hidden": (4,)})
    assert optimizer.name == "adam"
    assert optimizer.settings["beta_1"] == 0.5


@pytest.mark.parametrize(
    ("halving", "epochs", "rungs"),
    [(Halving(3, 1), 27, [1, 3, 9, 27]), (Halving(2, 5), 7, [5, 7]), (Halving(1.1, 1), 3, [1, 2, 3])],
)
def test_rungs_end_with_all_epochs(halving, epochs, rungs):
    assert halving.rungs(epochs) == rungs


def test_survivors_are_whole_settings_and_diverged_ones_go_last():
    members = [
        member(0, 1.0, {"a": 1}),
        member(1, 5.0, {"a": 1}),
        member(2, 2.0, {"a": 2}),
        member(3, 2.5, {"a": 2}),
        member(4, 0.1, {"a": 3}),
        member(5, 0.1, {"a": 3}, status="diverged"),
    ]
    assert Halving(3).survivors(members, LOSS) == [2, 3]
    assert Halving(1.5).survivors(members, LOSS) == [0, 1, 2, 3]


@pytest.mark.parametrize("arguments", [(1.0, 1), (3, 0), (math.inf, 1)])
def test_halving_refuses(arguments):
    with pytest.raises(ValueError, match=r"expected"):
        Halving(*arguments)


def test_a_table_is_sorted_and_keeps_those_without_a_value_last():
    found = table(member(0, 2.0), member(1, math.nan, status="diverged"), member(2, 1.0))
    assert [each.number for each in found] == [2, 0, 1]
    assert found.best.number == 2
    dropped = table(member(0, 2.0), member(1, 1.0, status="dropped"), member(2, math.nan, status="diverged"))
    assert [each.number for each in dropped] == [0, 1, 2]
    upwards = table(member(0, 2.0), member(1, 3.0), ranking=Ranking("loss", True))
    assert [each.number for each in upwards] == [1, 0]


def test_a_table_without_a_finite_value_has_no_best():
    with pytest.raises(ValueError, match="all diverged"):
        _ = table(member(0, math.nan, status="diverged")).best


def test_summaries_are_over_seeds():
    found = table(member(0, 1.0, {"a": 1}), member(1, 3.0, {"a": 1}), member(2, 2.5, {"a": 2}), axes=("a",))
    first, second = found.by_settings()
    assert (first.settings, first.mean, first.spread) == ({"a": 1}, 2.0, math.sqrt(2.0))
    assert (second.mean, second.spread, second.diverged) == (2.5, 0.0, 0)


def test_the_value_is_that_of_the_kept_epoch():
    kept = member(0, 7.0, best_epoch=0, restored=True)
    assert kept.value("loss") == 9.0
    assert member(0, 7.0, best_epoch=0).value("loss") == 7.0
    assert kept.value("accuracy") is None


def test_csv_has_a_row_a_member():
    found = table(member(0, 2.0, {"hidden": (4, 2)}), member(1, 1.0, {"hidden": ()}), axes=("hidden",))
    rows = list(csv.DictReader(io.StringIO(found.csv())))
    assert [(row["rank"], row["hidden"], row["loss"]) for row in rows] == [
        ("1", "none", "1.0"),
        ("2", "4/2", "2.0"),
    ]
    assert "4/2" in repr(found)


def test_a_leaderboard_shows_twenty_members_and_their_metrics():
    columns = {name: np.array([0.5]) for name in ("loss", "val_loss", "val_auc", "accuracy", "learning_rate")}
    members = [Member(k, {}, k, None, MODEL, "done", None, History(columns)) for k in range(22)]
    lines = table(*members, ranking=Ranking("val_loss", False)).leaderboard().splitlines()
    assert lines[0].split() == ["rank", "seed", "fold", "status", "epochs", "val_loss", "val_auc"]
    assert (len(lines), lines[-1]) == (22, "... and 2 more")


def test_an_ensemble_averages_and_says_how_far_members_are_apart(rng):
    members = [member(place, 1.0 + place, params=MODEL.init(place)) for place in range(3)]
    x = rng.normal(size=(5, 2)).astype(np.float32)
    ensemble = table(*members).ensemble(2)
    outputs = np.stack([np.asarray(MODEL.apply(each.params, x)) for each in members[:2]])
    prediction = ensemble.predict(x)
    np.testing.assert_allclose(prediction.mean, outputs.mean(axis=0), rtol=1e-6)
    np.testing.assert_allclose(prediction.spread, outputs.std(axis=0, ddof=1), rtol=1e-5)
    with pytest.raises(ValueError, match="1 to 3 members"):
        table(*members).ensemble(4)


def test_padded_widths_hold_all():
    assert padded_widths([(8, 4), (2, 16)]) == (8, 16)
    assert padded_widths([(8,), (4, 4, 4)]) == (8, 8, 8)


def test_bytes_are_readable():
    assert [readable(each) for each in (5, 2048, 3 * 2**20, 2**40)] == ["5 B", "2 KiB", "3 MiB", "1024 GiB"]


@pytest.mark.parametrize("axes", [{}, {"a": [1, 100]}, {"a": ["x", "y"]}, {"a": [1, 2], "b": ["x", "y"]}])
def test_every_number_of_axes_has_a_picture(axes):
    members = [member(place, 1.0 + place, settings) for place, settings in enumerate(product(axes))]
    assert sweep_picture(table(*members, axes=tuple(axes)), "a $title").startswith(b"\x89PNG")


def read_back(found, folder):
    """A table as it is read from its file."""
    found.to_csv(folder / "sweep.csv")
    return read_sweep(folder)


@pytest.mark.parametrize("upward", [False, True])
def test_a_picture_of_the_file_is_that_of_the_table(tmp_path, upward):
    axes = {"rate": [1e-3, 1.5, 0.25], "hidden": [(8, 4), (), (3,)]}
    settings = [each for each in product(axes) for _ in range(2)]  # two members each
    members = [member(place, 1.0 + place**2, each) for place, each in enumerate(settings)]
    members[4] = member(4, math.nan, members[4].settings, status="diverged")
    found = table(*members, axes=tuple(axes), ranking=Ranking("loss", upward))
    assert sweep_values(read_back(found, tmp_path)) == sweep_values(found)
    pictures = [sweep_picture(each, "title", "svg") for each in (found, read_back(found, tmp_path))]
    assert pictures[0] == pictures[1]
    assert pictures[0].startswith(b"<?xml")


def test_one_bad_value_does_not_hide_what_sets_the_others_apart():
    found = _colored(np.array([[0.2, 0.4], [900.0, np.nan]]))
    assert float(found(0.4) - found(0.2)) > 0.05
    even = _colored(np.array([1.0, 2.0, 3.0]))
    assert float(even(2.0)) == 0.5
    assert float(_colored(np.array([5.0]))(5.0)) == 0.0


def test_parallel_lines_and_what_diverged_have_a_picture(tmp_path):
    axes = {"a": [0.1, 0.001, 10.0], "b": ["x", "y"], "c": [True, False]}
    members = [member(place, 1.0 + place, each) for place, each in enumerate(product(axes))]
    members[0] = member(0, math.nan, members[0].settings, status="diverged")
    assert sweep_picture(table(*members, axes=tuple(axes)), "title").startswith(b"\x89PNG")
    assert sweep_picture(read_back(table(*members, axes=tuple(axes)), tmp_path), "title").startswith(
        b"\x89PNG"
    )
    nothing = [member(0, math.nan, {"a": 1}, status="diverged")]
    assert sweep_picture(table(*nothing, axes=("a",)), "title").startswith(b"\x89PNG")


def test_whole_numbers_are_drawn_with_even_chances():
    drawn = [random_search({"epochs": Range(1, 3, whole=True)}, 1, seed)[0]["epochs"] for seed in range(600)]
    assert all(150 < drawn.count(epochs) < 250 for epochs in (1, 2, 3))
    assert {type(epochs) for epochs in drawn} == {int}


@pytest.mark.parametrize(("span", "count"), [((1.0, 1.000000000001), 5), ((5.0, 5.000000000001, "log"), 5)])
def test_a_range_with_too_few_numbers_for_a_search_is_refused(span, count):
    with pytest.raises(ValueError, match=r"count: expected fewer, .* hardly more than \d numbers"):
        random_search({"rate": Range(*span)}, count)


def test_all_of_a_skewed_space_is_drawn():
    space = {"units": Range(1, 3000, "log", whole=True)}
    drawn = [each["units"] for each in random_search(space, 3000)]
    assert sorted(drawn) == list(range(1, 3001))
    assert [each["units"] for each in random_search(space, 2990)] == drawn[:2990]
    huge = Range(10**13, 10**13 + 5, whole=True)
    assert sorted(each["n"] - 10**13 for each in random_search({"n": huge}, 6)) == [0, 1, 2, 3, 4, 5]
