"""The ladder: a live Keras model climbs it, and every planted error breaks its own rung, no earlier one."""

import copy
import json
import re

import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest
from trace_cases import trace_path

from jaxgd import parity as suite
from jaxgd.cli.app import app
from jaxgd.parity import climbing, flips, run_rungs, rungs
from jaxgd.parity.plugin import parity  # noqa: F401
from jaxgd.parity.replay import Replay, Truth
from jaxgd.parity.rung import Rung
from jaxgd.parity.trace import Recording, TraceError, read_trace
from jaxgd.parity.trace.recording import flat
from jaxgd.parity.your_model import compare_file, compare_live

FEATURES, CLASSES, ROWS = 4, 3, 40


def live_model(loss="sparse_categorical_crossentropy", activation="softmax"):
    keras.utils.set_random_seed(11)
    network = keras.Sequential(
        [keras.Input((FEATURES,)), keras.layers.Dense(8, "relu"), keras.layers.Dense(CLASSES, activation)]
    )
    network.compile(
        keras.optimizers.Adam(0.01), loss, metrics=["accuracy"] if activation == "softmax" else []
    )
    return network


def rows(rng):
    return {"x": rng.standard_normal((ROWS, FEATURES)), "y": rng.integers(0, CLASSES, ROWS)}


def test_a_live_model_climbs_to_the_top_and_is_left_as_it_was(rng):
    network, data = live_model(), rows(rng)
    network.fit(data["x"], data["y"], epochs=1, verbose=0)  # the run goes on from a state that is not fresh
    before = [np.array(each.numpy()) for each in (*network.weights, *network.optimizer.variables)]
    (found,) = compare_live(network, data, steps=8, batch_size=16, dtypes=("float32",))
    assert found.passed, str(found)
    assert [rung.name for rung in found.rungs] == list(climbing.NAMES)
    assert [rung.name for rung in found.rungs if rung.status == "skipped"] == ["statistics"]
    after = [np.array(each.numpy()) for each in (*network.weights, *network.optimizer.variables)]
    assert all(np.array_equal(one, other) for one, other in zip(before, after, strict=True))


def test_the_fixture_passes_for_an_equal_model(parity, rng):  # noqa: F811
    data = rows(rng)
    parity.assert_same_training(live_model(), **data, steps=4, batch_size=16, dtypes=("float64",))


def test_the_fixture_names_the_rung_that_a_lost_setting_breaks(parity, rng):  # noqa: F811
    """Keras loses the delta of a Huber loss on saving: the file is another model than the live one."""
    network = live_model(keras.losses.Huber(0.05), None)
    x, y = rng.standard_normal((ROWS, FEATURES)), rng.standard_normal((ROWS, CLASSES))
    with pytest.raises(AssertionError, match=r"failed +loss .*losses\[\d"):
        parity.assert_same_training(network, x, y, steps=4, batch_size=16, dtypes=("float32",))


@pytest.fixture(scope="module")
def adam64():
    """A replay whose own numbers are computed once, whatever recorded ones it is then held against."""
    with jax.enable_x64(True):
        return Replay(read_trace(trace_path("adam_relu_float64")))


def against(replay, path, change):
    """The replay with one recorded array changed, its own numbers kept."""
    other = copy.copy(replay)
    arrays = dict(replay.recording.arrays)
    arrays[path] = change(arrays[path].copy())
    other.recording = Recording(replay.recording.facts, arrays)
    return other


def nudged(index, factor=1 + 1e-9):
    def change(array):
        array[index] *= factor
        return array

    return change


# rung, the recorded array that is wrong, how, what the message names
PLANTED = {
    "one_output_of_one_layer": (rungs.forward, "forward/dense_1", nudged((2, 1)), r"dense_1\[2, 1\]"),
    "one_loss": (rungs.loss, "losses", nudged(3), r"losses\[3\]"),
    "one_gradient": (
        rungs.gradients,
        "grads/dense/kernel",
        nudged((4, 1, 2), 1.001),
        r"dense/kernel\[1, 2\].*step 4",
    ),
    "one_parameter_after_one_update": (
        rungs.one_update,
        "params/dense/kernel",
        nudged((1, 0, 0)),
        r"dense/kernel\[0, 0, 0\]",
    ),
    "one_slot_after_one_update": (
        rungs.one_update,
        "state/slots/velocity/dense_1/bias",
        nudged((1, 0)),
        "velocity/dense_1/bias",
    ),
    "one_slot_later": (
        rungs.all_updates,
        "state/slots/momentum/dense/bias",
        nudged((5, 0)),
        "momentum/dense/bias",
    ),
    "the_count_of_updates": (rungs.all_updates, "state/count", lambda count: count + 1, "count"),
    "one_parameter_late": (
        run_rungs.trajectory,
        "params/dense_1/kernel",
        nudged((6, 2, 2)),
        r"dense_1/kernel\[5, 2, 2\]",
    ),
    "a_loss_of_the_history": (run_rungs.fit, "history/loss", nudged(1), r"loss\[1\]"),
    "a_metric_of_the_history": (run_rungs.fit, "history/accuracy", nudged(2, 1.1), r"accuracy\[2\]"),
    "a_parameter_after_fit": (run_rungs.fit, "fit/dense/bias", nudged(0), r"dense/bias\[0\]"),
    "the_loss_of_evaluate": (run_rungs.evaluate, "evaluate/loss", lambda loss: loss * (1 + 1e-9), "loss"),
    "one_prediction": (run_rungs.predict, "predict", nudged((9, 0)), r"predict\[9, 0\]"),
}


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_error_breaks_its_rung_and_is_named(name, adam64, x64):
    climb, path, change, message = PLANTED[name]
    takes_truth = climb in (run_rungs.trajectory, run_rungs.fit)
    arguments = (None,) if takes_truth else ()
    sound, broken = climb(adam64, *arguments), climb(against(adam64, path, change), *arguments)
    assert sound.status == "passed", str(sound)
    assert broken.status == "failed"
    assert re.search(message, broken.message), broken.message


def test_a_recorded_float32_run_that_went_elsewhere_is_not_taken_for_rounding():
    """The float64 truth is jaxgd's own: a recording far from it must fail, however near jaxgd is."""
    replay = Replay(read_trace(trace_path("adam_relu_float32")))
    truth = Truth(replay.recording)
    wrong = against(replay, "params/dense/kernel", nudged((6, 0, 0), 1.01))
    assert run_rungs.trajectory(replay, truth).status == "passed"
    assert run_rungs.trajectory(wrong, truth).status == "failed"
    lost = against(replay, "fit/dense/kernel", nudged((0, 0), 1.01))
    assert run_rungs.fit(replay, truth).status == "passed"
    assert run_rungs.fit(lost, truth).status == "failed"


# what the recording says was done, though it was not: (change of the facts, the first rung that breaks)
WRONG_FACTS = {
    "the sum for the mean": (("loss", "config", "reduction"), "sum", "loss"),
    "another epsilon": (("optimizer", "config", "epsilon"), 1e-6, "update"),
    "another second moment": (("optimizer", "config", "beta_2"), 0.99, "update"),
    "another activation": (("model", "config", "layers", 1, "config", "activation"), "tanh", "forward"),
    "another seed": (("seed",), 8, "weights"),
}


@pytest.mark.parametrize("name", WRONG_FACTS)
def test_the_ladder_stops_at_the_first_broken_rung(name):
    keys, value, rung = WRONG_FACTS[name]
    recording = read_trace(trace_path("adam_relu_float64"))
    facts = copy.deepcopy(dict(recording.facts))
    if isinstance(facts["loss"], str):
        facts["loss"] = {"class_name": "SparseCategoricalCrossentropy", "config": {}}
    node = facts
    for key in keys[:-1]:
        node = node[key]
    node[keys[-1]] = value
    found = climbing.climb(Recording(facts, recording.arrays))
    assert found.broken is not None
    assert found.broken.name == rung
    assert found.rungs[-1] is found.broken


@pytest.mark.parametrize(
    ("path", "change", "message"),
    [
        ("losses", lambda array: np.full_like(array, array[0]), "does not move"),
        ("losses", lambda array: array * np.nan, "not finite"),
        ("grads", np.zeros_like, "gradient is zero"),
    ],
)
def test_a_recording_that_does_not_train_proves_nothing(path, change, message):
    recording = read_trace(trace_path("adam_relu_float64"))
    arrays = {
        name: change(each) if name.startswith(path) else each for name, each in recording.arrays.items()
    }
    rung = rungs.training(Recording(recording.facts, arrays))
    assert rung.status == "failed"
    assert message in rung.message


def test_a_rung_is_shown_with_what_it_measured():
    shown = [
        str(each)
        for each in (
            Rung("loss", "passed", "6 steps", 1e-7),
            Rung("loss", "passed", "", 0.0, bit_equal=True),
            Rung("loss", "skipped", "not recorded"),
            Rung("loss", "failed", "at losses[2]", 3.0),
        )
    ]
    assert shown == [
        "passed   loss        error 1e-07  6 steps",
        "passed   loss        bit-equal",
        "skipped  loss        not recorded",
        "failed   loss        at losses[2]",
    ]


def test_a_transposed_kernel_is_refused():
    recording = read_trace(trace_path("adam_relu_float32"))
    arrays = {
        **recording.arrays,
        "params/dense/kernel": recording.arrays["params/dense/kernel"].swapaxes(1, 2),
    }
    with pytest.raises(TraceError, match=r"params/dense/kernel: expected shape \[4, 6\]"):
        climbing.climb(Recording(recording.facts, arrays))


def flipped_recording(gap, wrong=1.0):
    """A recording whose unit 0 was off for row 0, where jaxgd's is on by `gap` of its input's rounding."""
    recording = read_trace(trace_path("adam_relu_float32"))
    replay = Replay(recording)
    start = jax.tree.map(np.asarray, replay.params)
    x = np.asarray(replay.data["x"])[recording.arrays["schedule"][0][0]]
    dot = np.asarray(jnp.dot(x, start["dense"]["kernel"], precision="highest"))[0]
    bias = np.float32(-dot + gap * np.spacing(abs(dot)))
    z = float(np.float32(dot + bias))
    assert z > 0
    arrays = {path: each.copy() for path, each in recording.arrays.items()}
    arrays["params/dense/bias"][0, 0] = bias
    replay = Replay(Recording(recording.facts, arrays))
    dense = replay.params["dense"]
    off = {**replay.params, "dense": {**dense, "bias": dense["bias"].at[0].add(-2 * z)}}
    for path, array in flat(jax.jit(replay.one_step)(off, jnp.asarray(0), replay.data)["grads"]).items():
        arrays[f"grads/{path}"][0] = array * wrong
    batch = np.asarray(replay.data["x"])[recording.arrays["schedule"][0]]
    arrays["masks/dense"][0, :, 0] = batch @ start["dense"]["kernel"][:, 0] + bias > 0
    arrays["masks/dense"][0, 0, 0] = 0
    return Replay(Recording(recording.facts, arrays))


def test_a_flipped_mask_is_named_and_proven():
    replay = flipped_recording(gap=1)
    broken = rungs.gradients(replay)
    assert broken.status == "failed"
    explained = flips.explain_gradients(replay, broken)
    assert explained.status == "flipped", explained.message
    assert "step 0: dense[0, 0]" in explained.message


def test_a_flip_does_not_excuse_wrong_gradients():
    replay = flipped_recording(gap=1, wrong=1.01)
    explained = flips.explain_gradients(replay, rungs.gradients(replay))
    assert explained.status == "failed"
    assert "still" in explained.message


def test_a_mask_that_differs_by_more_than_rounding_is_an_error():
    replay = flipped_recording(gap=10_000)
    explained = flips.explain_gradients(replay, rungs.gradients(replay))
    assert explained.status == "failed"
    assert "not by rounding" in explained.message


def test_a_flip_excuses_a_trajectory_only_after_the_steps_that_hold(monkeypatch):
    replay = flipped_recording(gap=1)
    broken = run_rungs.trajectory(replay, Truth(replay.recording))
    assert broken.status == "failed"
    explained = flips.explain_trajectory(replay, broken, None)
    assert explained.status == "flipped"
    assert "dense[0, 0]" in explained.message
    late = flips.Flip(3, "dense", (0, 0), 1e-9, True)
    monkeypatch.setattr(flips, "find", lambda *arguments: [late])
    assert flips.explain_trajectory(replay, broken, None).status == "failed"
    monkeypatch.setattr(flips, "find", lambda *arguments: [])
    assert flips.explain_trajectory(replay, broken, None) is broken


def run(arguments, capsys):
    """Exit code, standard output and standard error of a command."""
    with pytest.raises(SystemExit) as ended:
        app.main(arguments)
    captured = capsys.readouterr()
    return ended.value.code or 0, captured.out, captured.err


def test_the_command_says_equal_and_ends_with_0(tmp_path, capsys):
    path = tmp_path / "model.keras"
    live_model().save(path)
    code, out, _ = run(["parity", str(path), "--data", "iris", "--steps", "4", "--json"], capsys)
    assert code == 0
    assert "Equal" in out
    facts = json.loads(out.splitlines()[-1])
    assert facts["passed"]
    assert {each["dtype"] for each in facts["ladders"]} == {"float32", "float64"}


def test_the_command_ends_with_2_for_what_cannot_be_compared(tmp_path, capsys):
    network = keras.Sequential(
        [keras.Input((FEATURES,)), keras.layers.Reshape((FEATURES,)), keras.layers.Dense(2)]
    )
    network.save(tmp_path / "unknown.keras")
    uncompiled = keras.Sequential([keras.Input((FEATURES,)), keras.layers.Dense(2)])
    uncompiled.save(tmp_path / "uncompiled.keras")
    for arguments, message in (
        (["verfy"], "Did you mean 'verify'"),
        ([str(tmp_path / "none.keras")], "none.keras"),
        ([str(tmp_path / "unknown.keras")], "Reshape"),
        ([str(tmp_path / "uncompiled.keras")], "--loss"),
        ([str(tmp_path / "uncompiled.keras"), "--loss", "mse", "--optimizer", "nothing"], "nothing"),
        ([str(tmp_path / "uncompiled.keras"), "--loss", "mse", "--data", "digits"], "63 features"),
    ):
        code, _, err = run(["parity", *arguments], capsys)
        assert code == 2, arguments
        assert message in err


def test_a_loss_and_an_optimizer_can_be_given(tmp_path):
    path = tmp_path / "uncompiled.keras"
    keras.Sequential([keras.Input((FEATURES,)), keras.layers.Dense(2, "tanh")]).save(path)
    (found,) = compare_file(path, loss="mse", optimizer="rmsprop", steps=4, dtypes=("float64",))
    assert found.passed, str(found)


def test_a_loss_that_couples_rows_is_tried_on_full_batches_only(tmp_path):
    path = tmp_path / "dice.keras"
    keras.Sequential([keras.Input((FEATURES,)), keras.layers.Dense(2, "sigmoid")]).save(path)
    (found,) = compare_file(path, loss="dice", optimizer="adam", steps=4, batch_size=8, dtypes=("float64",))
    assert found.passed, str(found)


def test_the_functions_of_the_suite(tmp_path):
    """`jaxgd.parity`'s ladder, record, verify and diagnose, from a file and from a live model."""
    keras.utils.set_random_seed(3)
    network = keras.Sequential([keras.Input((4,)), keras.layers.Dense(6, "tanh"), keras.layers.Dense(1)])
    network.compile(keras.optimizers.SGD(0.125, momentum=0.75), "mean_squared_error")
    network.save(tmp_path / "model.keras")
    settings = {"steps": 6, "batch_size": 8}
    for model in (network, tmp_path / "model.keras"):
        found = suite.ladder(model, dtypes=["float64"], **settings)
        assert [ladder.passed for ladder in found] == [True]
    written = suite.record(tmp_path / "model.keras", tmp_path / "trace.npz", dtype="float64", **settings)
    assert written.steps == 6
    assert suite.verify(tmp_path / "trace.npz").passed
    best = suite.diagnose(str(tmp_path / "trace.npz")).best
    assert best is not None
    assert "momentum" in best.title
