"""`jaxgd train --profile` and the seconds that `--json` tells."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from jaxgd.cli.app import app
from jaxgd.cli.profiling import covered


@pytest.fixture(scope="module")
def profiled(tmp_path_factory):
    folder = tmp_path_factory.mktemp("profiled")
    words = ["train", "iris", "--epochs", "20", "--no-report", "--json"]
    result = CliRunner().invoke(
        app, [*words, "--out", str(folder / "run"), "--profile", str(folder / "trace")], standalone_mode=False
    )
    assert result.exit_code == 0, result.output
    return folder, result.output, json.loads(result.output.splitlines()[-1])


def test_a_trace_is_written(profiled):
    folder, _, _ = profiled
    assert len(list(Path(folder, "trace").glob("**/*.xplane.pb"))) == 1


def test_the_account_adds_up(profiled):
    _, _, summary = profiled
    facts, seconds = summary["profile"], summary["seconds"]
    assert set(seconds) == {"import", "data", "compile", "run"}
    assert facts["seconds"]["dispatch"] + facts["seconds"]["compute"] == pytest.approx(
        seconds["run"], abs=2e-4
    )
    assert facts["seconds"]["compute"] > 0
    assert facts["seconds"]["compile"] == seconds["compile"] > 0
    assert facts["rows_per_second"] == pytest.approx(20 * 120 / seconds["run"], rel=0.01)
    assert 0 < facts["share_of_machine"] < 1
    assert facts["operations"]


def test_operations_are_counted_by_hand_and_by_xla(profiled):
    facts = profiled[2]["profile"]
    first, others = 4 * 128, 128 * 64 + 64 * 3
    assert facts["flop_per_step"] == 2 * 32 * (2 * first + 3 * others)
    assert facts["flop_per_step"] < facts["xla_flop_per_step"] < 2 * facts["flop_per_step"]


def test_the_account_is_printed(profiled):
    for words in ("Where the time went", "dispatch", "rows a second", "of this machine's best"):
        assert words in profiled[1]


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / "file").write_text("")
    words = ["train", "iris", "--epochs", "1", "--no-report", "--out", str(tmp_path / "run")]
    result = CliRunner().invoke(app, [*words, "--profile", str(tmp_path / "file" / "trace")])
    assert result.exit_code == 2
    assert "file" in result.output
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("spans", "length"),
    [([], 0), ([(1, 1)], 0), ([(0, 4), (1, 2)], 4), ([(5, 6), (0, 1)], 2), ([(0, 2), (2, 3)], 3)],
)
def test_intervals_that_overlap_count_once(spans, length):
    assert covered(spans) == length
