"""Settings, folders, plans, checkpoints and history files."""

import json

import numpy as np
import pytest

from jaxgd import data
from jaxgd._atomic import write_bytes
from jaxgd.runs import (
    RunError,
    Settings,
    claim_folder,
    make_plan,
    open_run,
)
from jaxgd.runs.history_file import read_history, write_history


def fruit(rows=20):
    return data.Table.from_columns(
        {
            "size": np.arange(rows) / 4,
            "zone": [7] * rows,
            "color": ["red", "blue"] * (rows // 2),
            "price": np.arange(rows) * 100.0 + 0.5,
        }
    )


def test_settings_survive_json_and_refuse_other_names():
    settings = Settings(hidden=(3, 2), exclude=("a",), learning_rate=0.5)
    assert Settings.from_dict(json.loads(json.dumps(settings.to_dict()))) == settings
    with pytest.raises(ValueError, match="settings"):
        Settings.from_dict({"epochs": 3})


def test_a_plan_measures_the_training_rows_alone():
    table = fruit()
    plan = make_plan(Settings(hidden=(4,), seed=3), table)
    x = plan.prepared.x[plan.training_rows].astype(np.float64)
    leaves = plan.params["normalization"]
    assert plan.prepared.encoding.feature_names == ("size", "zone", "color=blue", "color=red")
    np.testing.assert_allclose(leaves["mean"], [x[:, 0].mean(), 7, 0, 0], rtol=1e-6)
    np.testing.assert_allclose(leaves["variance"], [x[:, 0].var(), 1, 1, 1], rtol=1e-6)
    y = plan.prepared.y[plan.training_rows].astype(np.float64)
    scale = plan.model.layers[-1]
    assert (scale.scale, scale.offset) == (y.std(), y.mean())
    together = np.sort(np.concatenate([plan.training_rows, plan.held_out_rows]))
    np.testing.assert_array_equal(together, np.arange(20))
    assert len(plan.held_out_rows) == 4


@pytest.mark.parametrize(
    ("target", "output", "loss", "metrics"),
    [
        (["a", "b"] * 10, (1, "sigmoid"), "binary_crossentropy", ("accuracy", "auc")),
        (["a", "b", "c", "d"] * 5, (4, "softmax"), "sparse_categorical_crossentropy", ("accuracy",)),
        (np.arange(20) / 3, (1, "linear"), "mean_squared_error", ("mae", "r2_score")),
    ],
)
def test_what_a_task_asks_for(target, output, loss, metrics):
    table = data.Table.from_columns({"x": np.arange(20.0), "y": target})
    plan = make_plan(Settings(), table)
    assert (plan.model.output_shape[0], plan.output_activation) == output
    assert (plan.loss.name, plan.metrics) == (loss, metrics)


def test_a_loss_that_wants_one_hot_rows_gets_them():
    table = data.Table.from_columns({"x": np.arange(9.0), "y": ["a", "b", "c"] * 3})
    plan = make_plan(Settings(loss="categorical_crossentropy"), table)
    _, y = plan.rows(np.array([0, 2]))
    assert y.tolist() == [[1, 0, 0], [0, 0, 1]]


def test_the_rate_of_plain_descent_allows_for_the_targets_variance():
    table = fruit()
    y = table["price"][make_plan(Settings(), table).training_rows]
    assert make_plan(Settings(optimizer="sgd"), table).optimizer.settings["learning_rate"] == 0.01 / y.var()
    given = Settings(optimizer="sgd", learning_rate=0.5)
    assert make_plan(given, table).optimizer.settings["learning_rate"] == 0.5
    assert make_plan(Settings(optimizer="adam"), table).optimizer.settings["learning_rate"] == 1e-3


def _write_and_fail(folder):
    (folder / "kept").touch()
    raise RuntimeError


def test_a_claimed_folder_is_gone_if_nothing_was_written(tmp_path):
    with pytest.raises(RuntimeError), claim_folder(str(tmp_path / "a" / "b"), "x"):
        raise RuntimeError
    assert not (tmp_path / "a").exists()
    with pytest.raises(RuntimeError), claim_folder(str(tmp_path / "a" / "b"), "x") as folder:
        _write_and_fail(folder)
    assert (tmp_path / "a" / "b" / "kept").exists()


def test_numbers_of_folders_go_on_from_the_highest(tmp_path):
    base = str(tmp_path)
    (tmp_path / "my-table-7").mkdir()
    (tmp_path / "my-table-x").mkdir()
    with (
        claim_folder(None, "some/my table.csv", base) as first,
        claim_folder(None, "my table.csv", base) as second,
    ):
        assert (first.name, second.name) == ("my-table-8", "my-table-9")


def test_a_failed_write_leaves_the_old_content(tmp_path, monkeypatch):
    path = tmp_path / "file"
    write_bytes(path, b"old")
    monkeypatch.setattr("jaxgd._atomic.os.replace", lambda *_: (_ for _ in ()).throw(OSError("full")))
    with pytest.raises(OSError, match="full"):
        write_bytes(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_history_file_keeps_every_bit(tmp_path):
    columns = {"loss": np.array([0.1, np.nan, 1e-30], np.float32), "auc": np.array([1 / 3, 2 / 3, np.inf])}
    write_history(tmp_path / "h.csv", {**columns, "vector": np.ones((3, 2))})
    read = read_history(tmp_path / "h.csv")
    assert list(read) == ["loss", "auc"]
    for name, values in columns.items():
        np.testing.assert_array_equal(read[name].astype(values.dtype), values)
    write_history(tmp_path / "empty.csv", {})
    assert read_history(tmp_path / "empty.csv") == {}
    (tmp_path / "bad.csv").write_text("epoch,loss\n1\n")
    with pytest.raises(ValueError, match="as long"):
        read_history(tmp_path / "bad.csv")


def test_a_folder_that_is_no_run(tmp_path):
    with pytest.raises(RunError, match="no run there"):
        open_run(tmp_path)
