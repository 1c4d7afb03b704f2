"""The shipped traces are what the installed Keras computes, and a trace of a file of yours holds."""

import keras
import numpy as np
import pytest
from trace_cases import CASES, make_recording, trace_path

from jaxgd.cli.app import app
from jaxgd.parity import verify
from jaxgd.parity.trace import read_trace

REGENERATED = ("average_of_accumulated_float64", "adam_relu_float32")


@pytest.mark.parametrize("name", REGENERATED)
def test_a_trace_made_anew_is_the_one_that_ships(name):
    """Equal to rounding: TensorFlow's products may round otherwise on another processor."""
    made, shipped = make_recording(name), read_trace(trace_path(name))
    tolerance = 1e-12 if made.dtype == "float64" else 1e-5
    facts = [
        {key: value for key, value in each.facts.items() if key != "framework"} for each in (made, shipped)
    ]
    assert facts[0] == facts[1]
    assert made.arrays.keys() == shipped.arrays.keys()
    for path, array in shipped.arrays.items():
        assert made.arrays[path].dtype == array.dtype
        scale = np.abs(array).max(initial=0.0)
        np.testing.assert_allclose(made.arrays[path], array, rtol=0, atol=tolerance * scale, err_msg=path)


def test_every_case_has_its_trace():
    folder = trace_path("any").parent
    written = {path.name.removesuffix(".trace.npz") for path in folder.glob("*.npz")}
    assert written == {*CASES, "torch_adam_float64"}


def test_a_model_is_recorded_and_its_trace_holds(tmp_path, capsys):
    keras.utils.set_random_seed(3)
    network = keras.Sequential([keras.Input((4,)), keras.layers.Dense(5, "relu"), keras.layers.Dense(3)])
    network.compile("adagrad", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model, trace = tmp_path / "model.keras", tmp_path / "model.trace.npz"
    network.save(model)
    with pytest.raises(SystemExit) as ended:
        app.main(["parity", "record", str(model), "--out", str(trace), "--data", "iris", "--steps", "4"])
    assert not ended.value.code
    assert "4 steps in float32" in capsys.readouterr().out
    found = verify(trace)
    assert found.passed, str(found)
    with pytest.raises(SystemExit) as ended:
        app.main(["parity", "record", str(model), "--out", str(tmp_path / "trace.txt")])
    assert ended.value.code == 2
