"""A run on several devices is the run on one: numbers, program, errors."""

from types import SimpleNamespace

import jax
import numpy as np
import pytest
from click.testing import CliRunner
from processes import script

import jaxgd
from jaxgd.cli.app import app
from jaxgd.scaling import Forecast, Layout
from jaxgd.scaling.collectives import collectives
from jaxgd.scaling.forecast import counts_up_to
from jaxgd.training.spreading import check_watch

X = np.random.default_rng(0).normal(size=(20, 3)).astype(np.float32)
MODEL = jaxgd.mlp([3, 4, 1])


def test_float64_trajectories_are_equal_on_1_2_4_and_8_devices():
    found = script("equality.py", "float64")
    assert found["loss"][-1] < 0.9 * found["loss"][0], "the loss moved"
    distances = {name: each for name, each in found.items() if name != "loss"}
    assert {count for each in distances.values() for count in each} == {"2", "4", "8"}
    assert max(value for each in distances.values() for value in each.values()) < 1e-12


def test_float32_trajectories_are_no_farther_from_the_truth():
    found = script("equality.py", "float32")
    one = found["one device"]["1"]
    assert 0 < one < 1e-3
    for name in ("rows on every device", "rows divided"):
        for value in found[name].values():
            assert 0 < value <= 2 * one, (name, found)


@pytest.fixture(scope="module")
def programs():
    return script("programs.py")


def test_a_step_has_one_all_reduce_of_the_gradients(programs):
    found = programs["replicated"]
    (only,) = found["collectives"]
    assert only["kind"] == "all-reduce"
    assert only["bytes"] == found["params"] + 4, "the gradients, and the loss"
    assert "while/body/while/body" in only["source"], "in the loop over steps"


def test_divided_rows_are_sent_and_never_gathered(programs):
    found = programs["sharded"]
    sent = [each for each in found["collectives"] if each["kind"] == "reduce-scatter"]
    (reduced,) = [each for each in found["collectives"] if each["kind"] != "reduce-scatter"]
    assert (reduced["kind"], reduced["bytes"]) == ("all-reduce", found["params"] + 4)
    assert sum(each["bytes"] for each in sent) == 64 // 8 * (24 + 2) * 4, "a device's share of a batch"


@pytest.mark.parametrize("name", ["replicated", "sharded"])
def test_the_buffers_of_the_state_are_donated(programs, name):
    found = programs[name]
    assert found["aliases"] >= found["leaves"]
    assert found["compiled"] == 1
    assert found["again"] == 0


def test_checkpoints_go_on_with_another_number_of_devices(programs):
    assert programs["resumed"]["distance"] < 2e-6
    assert "devices of the run: saved 8, now 2" in programs["resumed"]["warned"]


def test_auto_takes_one_device_for_a_small_model_and_says_why(programs):
    assert programs["small"]["devices"] is None
    assert "devices='auto': more than one gains nothing here" in programs["small"]["warned"]
    assert "20 us on 1, 60 us on 2, 80 us on 4, 90 us on 8" in programs["small"]["warned"]


def test_auto_takes_all_devices_for_a_large_model(programs):
    assert programs["large"]["devices"] == 8
    assert "gains nothing" not in programs["large"]["warned"]


def test_a_forecast_is_measured(programs):
    assert set(programs["measured"]) == {"1", "8"}
    assert all(0 < each < 1 for each in programs["measured"].values())


def test_a_divergence_is_explained_on_devices(programs):
    assert programs["diverged"]["step"] == programs["diverged"]["alone"]


def test_a_run_that_diverged_goes_back_alike_on_devices(programs):
    found = programs["restored"]
    assert found["times"] == [2, 2]
    assert found["steps"][0] == found["steps"][1]
    assert found["diverged"] == ["None", "None"]
    assert found["distance"] < 2e-6


def test_a_sweep_over_devices_is_the_sweep_on_one(programs):
    assert programs["sweep"]["equal"]
    assert programs["sweep"]["devices"] == [0, 1]


def test_more_devices_than_there_are():
    with pytest.raises(
        ValueError, match=r"devices: expected at most 1 \(cpu\), got 2\. A CPU shows more with XLA_FLAGS"
    ):
        jaxgd.fit(MODEL, X, X[:, :1], devices=2)
    with pytest.raises(ValueError, match="at most 1"):
        Layout(1, 4)


@pytest.mark.parametrize("devices", [0, -1, 2.0, True, "all", []])
def test_what_is_no_number_of_devices(devices):
    with pytest.raises((TypeError, ValueError), match="devices: expected"):
        jaxgd.fit(MODEL, X, X[:, :1], devices=devices)


@pytest.mark.parametrize("devices", ["auto", 1])
def test_one_device_is_what_there_is(devices):
    result = jaxgd.fit(MODEL, X, X[:, :1], epochs=1, devices=devices)
    assert result.layout is None
    expected = jaxgd.fit(MODEL, X, X[:, :1], epochs=1)
    assert jax.tree.all(jax.tree.map(lambda a, b: bool((a == b).all()), result.params, expected.params))


def test_the_command_line_says_how_many_there_are():
    found = CliRunner().invoke(app, ["train", "iris", "--devices", "3"])
    assert found.exit_code == 2
    assert "devices: expected at most 1" in found.output
    found = CliRunner().invoke(app, ["train", "iris", "--devices", "many"])
    assert found.exit_code == 2
    assert "expected a number of at least 1, or auto" in found.output


def test_a_forecast_takes_the_fewest_that_are_as_fast():
    assert Forecast({1: 1.0, 2: 0.6, 4: 0.59}).best == 2
    assert Forecast({1: 1.0, 2: 0.98}).best == 1
    assert counts_up_to(6) == [1, 2, 4, 6]
    assert counts_up_to(1) == [1]


def test_collectives_are_read_from_a_program():
    text = """
      %a = f32[8,4]{1,0} all-gather(%x), dimensions={0}, metadata={op_name="jit(f)/g"}
      %b = (bf16[3]{0}, pred[5]{0}) all-reduce-start(%y, %z)
      %c = f32[] add(%p, %all-reduce.1)
    """
    assert [tuple(each) for each in collectives(text)] == [
        ("all-gather", 128, "jit(f)/g"),
        ("all-reduce", 11, ""),
    ]


def test_a_run_that_only_one_process_can_look_at_is_not_divided_between_processes():
    one = SimpleNamespace(model=2, num_processes=1)
    several = SimpleNamespace(model=2, num_processes=2)
    check_watch(None, several)
    check_watch(print, one)
    with pytest.raises(ValueError, match="watch: expected every parameter on every process"):
        check_watch(print, several)
