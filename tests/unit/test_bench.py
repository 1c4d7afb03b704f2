"""The parts of the bench that need no peer: workloads, the reference, figures, goals, the page."""

import json
import sys
from types import SimpleNamespace

import jax
import numpy as np
import pytest

import jaxgd
from jaxgd.bench import figures, goals, programs, workloads
from jaxgd.bench.bench import FULL, QUICK, Request
from jaxgd.bench.cold import FIRST, SECOND, TENSORFLOW, last_loss, void_rows, why
from jaxgd.bench.growth import exponent
from jaxgd.bench.machine import describe_machine
from jaxgd.bench.markdown import page
from jaxgd.bench.measuring import Entrant, check_losses
from jaxgd.bench.picture import draw
from jaxgd.bench.reference import Reference, batches_of, first_member, initial_weights
from jaxgd.bench.serving import EACH_ITS_OWN, loss_of


def case_of(name, epochs):
    arrays = workloads.make_case(workloads.get(name), epochs)
    return SimpleNamespace(**json.loads(str(arrays.pop("settings"))), **arrays)


@pytest.fixture(scope="module")
def tabular():
    return case_of("tabular", 2)


def fitted(case, epochs, **settings):
    model = jaxgd.mlp(case.sizes, *case.activations)
    return jaxgd.fit(model, case.x, case.y, epochs=epochs, batch_size=case.batch, **settings)


def weights_of(params):
    return [(leaves["kernel"], leaves["bias"]) for leaves in params.values()]


def test_the_reference_of_tabular_is_what_fit_computes(tabular):
    loss = jaxgd.losses.get("sparse_categorical_crossentropy", from_logits=True)
    result = fitted(tabular, 2, loss=loss, optimizer=jaxgd.optimizers.adam(1e-3))
    reference = Reference(tabular, fixed_order=False)
    assert loss_of(tabular, weights_of(result.params)) == pytest.approx(reference.loss(2), rel=1e-4)
    assert reference.loss(2) < 0.5 * loss_of(tabular, initial_weights(tabular))


def test_the_reference_of_seed_is_what_fit_computes():
    case = case_of("seed", 50)
    result = fitted(case, 50, shuffle=False, optimizer=jaxgd.optimizers.sgd(0.01))
    assert loss_of(case, weights_of(result.params)) == pytest.approx(
        Reference(case, False).loss(50), rel=1e-6
    )


def test_the_first_member_of_a_sweep_is_a_run_of_its_own():
    case = first_member(case_of("sweep", 5))
    loss = jaxgd.losses.get("sparse_categorical_crossentropy", from_logits=True)
    result = fitted(case, 5, loss=loss, optimizer=jaxgd.optimizers.adam(case.learning_rate), seed=0)
    assert loss_of(case, weights_of(result.params)) == pytest.approx(Reference(case, False).loss(5), rel=1e-4)


def test_losses_may_be_asked_for_in_any_order(tabular):
    backwards = Reference(tabular, False)
    later, earlier = backwards.loss(2), backwards.loss(1)
    forwards = Reference(tabular, False)
    assert (forwards.loss(1), forwards.loss(2)) == (earlier, later)


def test_a_fixed_order_is_another_run(tabular):
    assert Reference(tabular, True).loss(1) == Reference(tabular, False).loss(1)
    assert Reference(tabular, True).loss(2) != Reference(tabular, False).loss(2)


def test_batches_take_every_row_once(tabular):
    for epoch in range(2):
        batches = list(batches_of(tabular, epoch))
        assert [len(rows) for rows in batches] == [32] * 56 + [5]
        assert sorted(np.concatenate(batches)) == list(range(1797))


def test_operations_of_a_step():
    tabular = workloads.get("tabular")
    assert len(tabular.products) == 8
    assert tabular.flop == 2 * 32 * (2 * 64 * 128 + 3 * 128 * 64 + 3 * 64 * 10)


def test_an_unknown_workload_is_refused():
    with pytest.raises(ValueError, match="Did you mean 'tabular'"):
        workloads.get("tabuler")


def entrant(peer, seconds, losses=(1.0,), units=10, program="jaxgd", order=EACH_ITS_OWN):
    child = SimpleNamespace(program=SimpleNamespace(name=program))
    return Entrant(peer, child, units, 0.5, list(seconds), list(losses), order=order)


def test_the_ratio_is_taken_round_for_round():
    seed = workloads.get("seed")
    base, other = entrant("jaxgd.fit", [1.0, 2.0, 4.0]), entrant("C", [2.0, 2.0, 2.0], program="c")
    assert figures.base_of(seed, [other, base]) is base
    slow, fast = figures.rows_of(seed, [base, other], base)
    assert [slow["peer"], fast["peer"]] == ["jaxgd.fit", "C"]
    assert fast["ratio"] == {"minimum": 0.5, "median": 1.0, "low": 0.5, "high": 2.0, "rounds": 3}
    assert "ratio" not in slow
    assert slow["us_per_step"]["minimum"] == pytest.approx(1e5)


def test_the_base_is_jaxgd_s_fastest_valid_call():
    seed = workloads.get("seed")
    fit, train = entrant("jaxgd.fit", [2.0]), entrant("jaxgd.train", [1.0])
    assert figures.base_of(seed, [fit, train]) is train
    train.failure = "void"
    assert figures.base_of(seed, [fit, train]) is fit


def test_a_sweep_is_the_base_even_where_it_is_slower_than_single_runs():
    workload = workloads.get("sweep")
    sweep, single = entrant("jaxgd.sweep", [2.0]), entrant("jaxgd.fit, one by one", [1.0])
    assert figures.base_of(workload, [single, sweep]) is sweep
    rows = figures.rows_of(workload, [single, sweep], sweep)
    found = {"workloads": {"sweep": {"rows": rows}}}
    value = next(goal["value"] for goal in goals.judged(found) if "one by one" in goal["goal"])
    assert value == 0.5
    assert figures.base_of(workload, [single]) is single


def test_a_row_whose_loss_does_not_agree_is_void(tabular):
    workload = workloads.get("tabular")
    right = Reference(tabular, False).loss(1)
    fixed = Reference(tabular, True).loss(2)
    same = entrant("same", [1.0], [right * 1.001], units=1)
    other = entrant("other", [1.0], [right, right * 1.05], units=1)
    first_order = entrant("first order", [1.0], [fixed], units=2, order="the first epoch's for all")
    wrong_order = entrant("wrong order", [1.0], [fixed], units=2)
    tabular_faster = SimpleNamespace(**{**vars(tabular), "learning_rate": 1.05e-3})
    faster = entrant("rate 5% off", [1.0], [Reference(tabular_faster, False).loss(1)], units=1)
    infinite = entrant("infinite", [1.0], [float("nan")], units=1)
    entrants = [same, other, first_order, wrong_order, faster, infinite]
    check_losses(workload, entrants, tabular)
    assert [each.peer for each in entrants if each.failure.startswith("void")] == [
        "other",
        "wrong order",
        "rate 5% off",
        "infinite",
    ]


def row(peer, median, ratio=None, program="other"):
    value = {"minimum": median, "median": median, "low": median, "high": median, "rounds": 1}
    facts = {
        "peer": peer,
        "program": program,
        "us_per_step": value,
        "steps_a_round": 10,
        "first_seconds": 1.0,
        "loss": 0.5,
        "loss_difference": 1e-6,
        "flop_per_second": 1e9,
    }
    return facts if ratio is None else {**facts, "ratio": {**value, "median": ratio}}


def cold_row(peer, seconds, memory):
    return {
        "peer": peer,
        "seconds": figures.summary([seconds]),
        "memory_mib": figures.summary([memory]),
        "loss": 0.147316,
    }


@pytest.fixture
def results():
    tabular = {
        "title": "a title",
        "flop_per_step": 10**6,
        "tolerance": 0.02,
        "base": "jaxgd.fit",
        "rows": [
            row("C", 10.0, 0.5),
            row("jaxgd.fit", 20.0, program="jaxgd"),
            row("equinox", 120.0, 6.0),
            row("Keras fit on TensorFlow", 400.0, 20.0),
            {"peer": "PyTorch, eager", "failure": "not installed: No module named 'torch'"},
        ],
        "reference": {
            "products_us": figures.summary([13.0]),
            "square_flop_per_second": 1e11,
            "products": [{"m": 1, "k": 2, "n": 3, "way": "NumPy", "seconds": 1e-6}],
        },
    }
    cold = {
        "title": "whole processes",
        "rows": [cold_row(FIRST, 3.0, 250), cold_row(SECOND, 1.0, 200), cold_row(TENSORFLOW, 6.0, 700)],
    }
    found = {
        "date": "2026-01-01",
        "effort": QUICK._asdict(),
        "machine": describe_machine() | {"load_before": 0.1, "load_after": 0.2},
        "minutes": 1.0,
        "programs": {"jaxgd": {"versions": {"jax": jax.__version__}}, "torch": {"absent": "not installed"}},
        "workloads": {"tabular": tabular, "cold": cold},
        "growth": {
            "steps": {
                "peer": "jaxgd.fit",
                "sizes": [1, 10],
                "seconds": [1.0, 10.0],
                "exponent": 1.0,
                "exponent_of_the_upper_half": 1.0,
            }
        },
        "left_out": ["sweep"],
    }
    return found | {"goals": goals.judged(found)}


def test_goals_are_judged_from_the_results(results):
    verdicts = {(goal["workload"], goal["goal"][:20]): goal["verdict"] for goal in results["goals"]}
    values = [goal["value"] for goal in results["goals"] if goal["workload"] == "tabular"]
    assert values == [6.0, 20.0, pytest.approx(0.65)]
    assert [v for (name, _), v in verdicts.items() if name == "tabular"] == ["met", "missed", "met"]
    cold = [(goal["value"], goal["verdict"]) for goal in results["goals"] if goal["workload"] == "cold"]
    assert cold == [(0.5, "met"), (pytest.approx(250 / 700), "met"), (pytest.approx(1 / 6), "met")]
    assert {v for (name, _), v in verdicts.items() if name in ("seed", "sweep")} == {"not measured"}


def test_a_goal_names_the_peers_that_were_not_there(results):
    without = next(goal["without"] for goal in results["goals"] if goal["workload"] == "tabular")
    assert without == [
        "Keras fit on JAX",
        "PyTorch, eager",
        "PyTorch, torch.compile",
        "flax.nnx",
        "scikit-learn",
    ]
    assert "met, without Keras fit on JAX" in page(results, "jaxgd bench", None)


def test_a_void_or_absent_peer_reaches_no_goal(results):
    results["workloads"]["tabular"]["rows"][2] = {"peer": "equinox", "failure": "void: elsewhere"}
    value = next(goal["value"] for goal in goals.judged(results) if goal["workload"] == "tabular")
    assert value is None


def test_the_page_shows_losing_rows_goals_and_what_is_absent(results):
    text = page(results, "jaxgd bench", "images/benchmarks.svg")
    for words in ("| C |", "**missed**", "No module named 'torch'", "**jaxgd.fit** *", "sweep", "6.00 [6.00"):
        assert words in text, words
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    assert rows
    assert "| C | 10 [10 to 10] | 10 | 0.5 [10 to 10] | 1.00 | 1.0% | 1e-06 |" in rows


def test_the_picture_is_drawn(results, tmp_path):
    assert draw(results, tmp_path / "images" / "picture.svg")
    assert "<svg" in (tmp_path / "images" / "picture.svg").read_text()
    assert not draw({"workloads": {}, "growth": {}}, tmp_path / "none.svg")
    assert not (tmp_path / "none.svg").exists()


def test_results_are_json(results):
    assert json.loads(json.dumps(results, allow_nan=False))["goals"] == results["goals"]


def test_the_last_printed_loss():
    assert last_loss("Epoch 1, Loss: 0.5\nEpoch 10, Loss: 0.25\n") == 0.25
    assert last_loss("nothing") is None


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (["Traceback", "ModuleNotFoundError: No module named 'torch'", "", " "], "not installed: No module"),
        (["ValueError: no"], "ValueError: no"),
        ([], "exit status 3"),
        (["", ""], "exit status 3"),
    ],
)
def test_a_process_that_fails_says_why(lines, words):
    assert why(lines, 3).startswith(words)


def test_a_process_with_another_loss_is_void():
    rows = [cold_row(FIRST, 1.0, 1.0), {**cold_row("other", 1.0, 1.0), "loss": 0.2}]
    assert [("failure" in each) for each in void_rows(rows)] == [False, True]


@pytest.mark.parametrize("power", [0.5, 1.0, 2.0])
def test_the_exponent_of_a_power(power):
    sizes = np.array([1.0, 10.0, 100.0])
    assert exponent(sizes, 3 * sizes**power) == pytest.approx(power)


def test_every_workload_has_jaxgd_and_someone_else():
    for name in workloads.WORKLOADS:
        peers = [peer for each in programs.PROGRAMS for peer, of in each.peers.items() if name in of]
        assert len(peers) > 3
        assert any(peer.startswith("jaxgd") for peer in peers)


def test_every_program_is_there():
    folder = programs.find_folder(None)
    assert [each.file for each in programs.PROGRAMS if not (folder / each.file).is_file()] == []


def test_a_folder_without_programs_is_refused(tmp_path):
    with pytest.raises(ValueError, match="scripts/bench of a clone"):
        programs.find_folder(str(tmp_path))


@pytest.mark.parametrize("word", ["torch", "torch=", "torhc=/usr/bin/env", "torch=/nothing/here", "torch=/"])
def test_an_interpreter_that_is_none_is_refused(word):
    with pytest.raises(ValueError, match=r"--python|unknown program"):
        programs.parse_pythons((word,))


def test_an_interpreter_is_found():
    assert programs.parse_pythons((f"torch={sys.executable}",)) == {"torch": sys.executable}


def test_peers_choose_their_threads_and_compile_themselves(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", "/somewhere")
    program = next(each for each in programs.PROGRAMS if each.name == "keras-jax")
    environment = programs.environment_of(program, sys.executable)
    assert "OMP_NUM_THREADS" not in environment
    assert "JAX_COMPILATION_CACHE_DIR" not in environment
    assert environment["KERAS_BACKEND"] == "jax"
    assert environment["JAXGD_CACHE"] == "off"
    monkeypatch.setenv("PYTHONPATH", "/mine")
    assert programs.environment_of(program, sys.executable)["PYTHONPATH"].endswith("/mine")
    assert "PYTHONPATH" not in programs.environment_of(program, "/another/python")


def test_jaxgd_takes_part_whoever_is_asked_for():
    request = Request(programs.find_folder(None), peers=("torch",))
    chosen = [peer for peer in programs.PEERS if request.chosen(peer)]
    assert "jaxgd.fit" in chosen
    assert "PyTorch, eager" in chosen
    assert "equinox" not in chosen


def test_the_full_bench_has_every_workload():
    folder = programs.find_folder(None)
    assert Request(folder, FULL).names == workloads.NAMES
    assert set(Request(folder, QUICK).names) < set(workloads.NAMES)
