"""`jaxgd bench` as it is typed, with peers' programs that stand in for the real ones."""

import json

import pytest
from click.testing import CliRunner

from jaxgd.cli.app import app

PEER = """
TRAINED = {}

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

class Whole(Peer):
    def run(self, epochs):  # always all of the workload, which is long in NumPy: computed once
        if epochs not in TRAINED:
            super().run(epochs)
            TRAINED[epochs] = self.reference
        self.reference = TRAINED[epochs]

class Wrong(Peer):
    factor = 3.0
"""


@pytest.fixture(scope="module")
def programs(tmp_path_factory):
    """A folder with jaxgd, a NumPy that trains with another rate, and a PyTorch that is not installed."""
    folder = tmp_path_factory.mktemp("programs")
    (folder / "peer_jaxgd.py").write_text(PEER + "PEERS = {'jaxgd.fit': Whole, 'jaxgd.train': Whole}")
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


MEASURED = {"title": "a title", "rows": [], "base": None, "flop_per_step": 1, "tolerance": 1e-4}
MACHINE = ("processor", "cores", "memory_gib", "system", "python", "load_before", "load_after")


@pytest.fixture
def stub(monkeypatch):
    """A bench that measures nothing; it is cut off as long as `cut` is True, and remembers what was kept."""
    seen = {"cut": False, "kept": None}

    def run_bench(request, tell, kept, keep):
        seen["kept"] = kept
        tell("seed: a round")
        keep({"seed": MEASURED})
        if seen["cut"]:
            raise KeyboardInterrupt
        facts = {"date": "2026-01-01", "minutes": 1, "effort": request.effort._asdict(), "goals": []}
        facts |= {"machine": dict.fromkeys(MACHINE, 0), "workloads": {"seed": MEASURED}, "left_out": []}
        return facts | {"programs": {}, "growth": {}, "earlier": list(kept)}

    monkeypatch.setattr("jaxgd.bench.bench.run_bench", run_bench)
    return seen


def test_a_bench_that_was_cut_off_goes_on(stub, tmp_path):
    words = ["--workload", "seed", "--report", tmp_path]
    stub["cut"] = True
    assert run(*words).exit_code == 130
    stub["cut"] = False
    other = run(*words, "--rounds", "2", "--resume")
    assert other.exit_code == 2
    assert "other settings" in other.output
    result = run(*words, "--resume")
    assert result.exit_code == 0
    assert stub["kept"] == {"seed": MEASURED}
    assert result.stderr == "seed: a round\n"
    assert "an earlier call that was cut off: seed" in (tmp_path / "benchmarks.md").read_text()
    assert not (tmp_path / "benchmarks.part.json").exists()
    run(*words)
    assert stub["kept"] == {}, "without --resume all is measured anew"


def test_what_cannot_be_gone_on_from_is_refused(stub, tmp_path):
    alone = run("--resume")
    assert alone.exit_code == 2
    assert "--report" in alone.output
    (tmp_path / "benchmarks.part.json").write_text("{")
    damaged = run("--report", tmp_path, "--resume")
    assert damaged.exit_code == 2
    assert "delete it" in damaged.output
