"""What `jaxgd train` writes opens in Keras and gives the same predictions and the same loss on raw rows."""

import json

import keras
import numpy as np
import pytest
from click.testing import CliRunner

import jaxgd
from jaxgd import data
from jaxgd.cli.app import app
from jaxgd.runs import open_run


@pytest.mark.parametrize("name", ["wine", "breast-cancer", "diabetes"])
def test_a_run_opens_in_keras(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    arguments = ["train", name, "--epochs", "3", "--hidden", "16,8", "--quiet", "--no-report", "--json"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    summary = json.loads(result.stdout.splitlines()[-1])
    run = open_run(summary["run"])
    x, y = run.held_out()
    theirs = keras.models.load_model(tmp_path / summary["run"] / "model.keras")
    ours = jaxgd.predict(*run.trained, x)
    # float32 through three matrix products, on inputs of up to a few thousand; relative to the largest output
    np.testing.assert_allclose(theirs.predict(x, verbose=0), ours, rtol=0, atol=2e-6 * np.abs(ours).max())
    targets = y.reshape(len(y), -1).astype(np.float32 if name == "diabetes" else np.int32)
    values = theirs.evaluate(x, targets, verbose=0, return_dict=True)
    assert values["loss"] == pytest.approx(summary["val_loss"], rel=1e-5)
    for metric, value in summary["metrics"].items():
        assert values[metric] == pytest.approx(value, rel=1e-5)
    assert data.read(name).fingerprint == run.config["data"]["fingerprint"]
