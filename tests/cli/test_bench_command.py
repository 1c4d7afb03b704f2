"""`jaxgd bench` as it is typed, with peers' programs that stand in for the real ones."""

import json

import pytest
from click.testing import CliRunner

from jaxgd.cli.app import app

PEER = """
class Peer:
    factor = 1.0
    def __init__(self, case):
        from jaxgd.bench.reference import Reference
        case.learning_rate *= self.factor
        self.make = lambda: Reference(case, False)
    def reset(self):
        self.reference = self.make()
    def run(self, epochs):
        self.reference.loss(epochs)
    def weights(self):
        return self.reference.descent.weights

class Wrong(Peer):
    factor = 3.0
"""


@pytest.fixture(scope="module")
def programs(tmp_path_factory):
    """A folder with jaxgd, a NumPy that trains with another rate, and a PyTorch that is not installed."""
    folder = tmp_path_factory.mktemp("programs")
    (folder / "peer_jaxgd.py").write_text(PEER + "PEERS = {'jaxgd.fit': Peer, 'jaxgd.train': Peer}")
    (folder / "peer_numpy.py").write_text(PEER + "PEERS = {'NumPy': Wrong}")
    (folder / "peer_torch.py").write_text("import no_such_library")
    return folder


def run(*words):
    return CliRunner().invoke(app, ["bench", *map(str, words)])


@pytest.fixture(scope="module")
def reported(programs, tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    words = ["--workload", "seed", "--rounds", "2", "--programs", programs, "--report", folder, "--json"]
    return run(*words, "--peer", "numpy", "--peer", "torch"), folder


def test_rows_and_failures_are_in_the_json(reported):
    result, folder = reported
    assert result.exit_code == 0, result.output  # no goal could be measured, so none is missed
    results = json.loads(result.output.splitlines()[-1])
    assert results == json.loads((folder / "benchmarks.json").read_text())
    rows = {row["peer"]: row for row in results["workloads"]["seed"]["rows"]}
    assert rows["jaxgd.fit"]["us_per_step"]["rounds"] == 2
    assert rows["NumPy"]["failure"].startswith("void: its loss")
    assert rows["PyTorch, eager"]["failure"] == "not installed: No module named 'no_such_library'"
    assert results["machine"]["processor"]
    assert results["workloads"]["seed"]["reference"]["square_flop_per_second"] > 1e8
    assert "tabular" in results["left_out"]


def test_the_page_and_the_picture_are_written(reported):
    result, folder = reported
    text = (folder / "benchmarks.md").read_text()
    assert "(images/benchmarks.svg)" in text
    assert (folder / "images" / "benchmarks.svg").exists()
    assert "void: its loss" in text
    assert "not measured" in result.output


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--workload", "tabuler"], "Did you mean 'tabular'"),
        (["--peer", "tensorflaw"], "unknown peer"),
        (["--python", "torch"], "NAME=PATH"),
        (["--python", "torch=/nothing"], "cannot be run"),
        (["--rounds", "0"], "at least 1"),
        (["--programs", "/nothing"], "scripts/bench of a clone"),
        (["--report", __file__, "--workload", "seed"], "not a folder"),
    ],
)
def test_wrong_words_are_refused_before_anything_runs(words, message):
    result = run(*words)
    assert result.exit_code == 2
    assert message in result.output
    assert "Traceback" not in result.output


def test_a_bench_that_was_cut_off_goes_on(reported, programs, tmp_path):
    _, folder = reported
    facts = json.loads((folder / "benchmarks.json").read_text())["workloads"]["seed"]
    words = ["--workload", "seed", "--rounds", "2", "--programs", programs, "--report", tmp_path, "--resume"]
    words += ["--peer", "numpy", "--peer", "torch", "--json"]
    part = tmp_path / "benchmarks.part.json"
    part.write_text(json.dumps({"settings": {}, "workloads": {"seed": facts}}))
    refused = run(*words)
    assert refused.exit_code == 2
    assert "other settings" in refused.output
    effort = json.loads((folder / "benchmarks.json").read_text())["effort"]
    part.write_text(
        json.dumps(
            {"settings": {"effort": effort, "peers": ["numpy", "torch"]}, "workloads": {"seed": facts}}
        )
    )
    results = json.loads(run(*words).stdout.splitlines()[-1])
    assert results["workloads"]["seed"] == facts
    assert results["earlier"] == ["seed"]
    assert "Measured by an earlier call" in (tmp_path / "benchmarks.md").read_text()
    assert not part.exists()


def test_resume_needs_a_report(programs):
    result = run("--workload", "seed", "--programs", programs, "--resume")
    assert result.exit_code == 2
    assert "--report" in result.output
